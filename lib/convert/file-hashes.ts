/**
 * SHA-256 of large files, each read once: what was found is kept with the file's identity (device, inode, size, times
 * of the last change), and holds while these stay. The time of the inode's change cannot be set by programs, so a file
 * that was replaced or written to is always read anew; a hash of a file that changed just now is not kept, since a
 * second change could fall into the same tick of the clock.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { parseObject, reasonOf, textIfThere } from './files.js'

/** A file that changed within so many milliseconds may change again without a new time. */
const SETTLED_MS = 2000

export interface FileHasher {
  /** Hexadecimal. @throws TrtllmError ERR_MODEL_INVALID if the file cannot be read */
  hash(file: string): Promise<string>
}

/** @param folder where hashes are kept; it need not exist */
export function createFileHasher(folder: string): FileHasher {
  return {
    async hash(file) {
      try {
        const path = await realpath(file)
        const memo = join(folder, `${createHash('sha256').update(path).digest('hex').slice(0, 32)}.json`)
        const identity = await identify(path)
        const known = await recall(memo, identity.key)
        if (known !== undefined) return known
        const hash = await hashContent(path)
        const settled = Date.now() - identity.changedMs > SETTLED_MS && (await identify(path)).key === identity.key
        if (settled) await remember(folder, memo, { identity: identity.key, hash })
        return hash
      } catch (cause) {
        throw new TrtllmError('ERR_MODEL_INVALID', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
      }
    },
  }
}

async function identify(path: string): Promise<{ key: string; changedMs: number }> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
  return { key: [dev, ino, size, mtimeNs, ctimeNs].join(':'), changedMs: Number(ctimeNs / 1_000_000n) }
}

async function hashContent(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block as Buffer)
  return hash.digest('hex')
}

async function recall(memo: string, identity: string): Promise<string | undefined> {
  try {
    const kept = parseObject((await textIfThere(memo)) ?? '{}')
    return kept.identity === identity && typeof kept.hash === 'string' ? kept.hash : undefined
  } catch {
    return undefined // a damaged memo is none
  }
}

/** Without it the next start is slow, not wrong: failures do not matter. */
async function remember(folder: string, memo: string, kept: { identity: string; hash: string }): Promise<void> {
  const partial = `${memo}.partial-${randomBytes(6).toString('hex')}`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(partial, JSON.stringify(kept), { flag: 'wx' })
    await rename(partial, memo)
  } catch {
    await rm(partial, { force: true })
  }
}
