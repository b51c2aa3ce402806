/** Folders that appear whole or not at all: written under another name beside their place, then renamed. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { TrtllmError } from '../errors.js'
import { codeOf, reasonOf } from './files.js'

const MARK = '.partial-'

/** Whether a folder of this name is being written. */
export const isUnfinished = (name: string): boolean => name.includes(MARK)

/** Nobody writes any more into an unfinished folder that has not changed for so long. */
const STALE_MS = 60 * 60 * 1000

export interface StagedOptions {
  /** What to do if the folder is there in the end: fail, be content with the other's (and drop one's own), or replace it. */
  ifThere: 'fail' | 'keep' | 'replace'
}

/**
 * Has `write` fill a folder and puts it at `target`.
 * @returns the absolute path of `target`
 * @throws TrtllmError ERR_OUTPUT if `target` has files already or cannot be written; whatever `write` throws
 */
export async function writeStaged(
  target: string,
  { ifThere }: StagedOptions,
  write: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = resolve(target)
  if (ifThere === 'fail') await checkFree(folder)
  const staging = `${folder}${MARK}${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(staging), { recursive: true })
    await mkdir(staging) // by itself: the recursive one never returns where the system refuses with ENOENT
    await write(staging)
    if (ifThere === 'replace') await rename(folder, `${staging}-old`).catch(() => {}) // there was none
    await publish(staging, folder, ifThere)
  } catch (error) {
    throw outputError(folder, error)
  } finally {
    await rm(staging, { recursive: true, force: true })
    await rm(`${staging}-old`, { recursive: true, force: true })
  }
  return folder
}

/** @throws TrtllmError ERR_OUTPUT if there is something, other than an empty folder */
async function checkFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw outputError(folder, error)
  })
  if (names.length > 0) throw takenError(folder)
}

/** rename replaces an empty folder, and refuses to replace any other. */
async function publish(staging: string, folder: string, ifThere: StagedOptions['ifThere']): Promise<void> {
  try {
    await rename(staging, folder)
  } catch (error) {
    const taken = codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST'
    if (!taken) throw error
    if (ifThere === 'fail') throw takenError(folder)
  }
}

function takenError(folder: string): TrtllmError {
  return new TrtllmError('ERR_OUTPUT', `${folder} exists and is not empty`, {
    hint: 'remove it, or name another folder',
  })
}

/** Errors of the file system as ours; others as they are. */
function outputError(folder: string, error: unknown): unknown {
  if (error instanceof TrtllmError || typeof codeOf(error) !== 'string') return error
  return new TrtllmError('ERR_OUTPUT', `${folder} cannot be written: ${reasonOf(error)}`, { cause: error })
}

/** Removes what processes that were killed left unfinished beside `target`. Failures do not matter. */
export async function removeStale(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => [])
  await Promise.all(names.filter(isUnfinished).map((name) => removeIfStale(join(parent, name))))
}

async function removeIfStale(folder: string): Promise<void> {
  try {
    const names = await readdir(folder, { recursive: true })
    const paths = [folder, ...names.map((name) => join(folder, name))]
    const times = await Promise.all(paths.map(async (path) => (await stat(path)).mtimeMs))
    if (Date.now() - Math.max(...times) > STALE_MS) await rm(folder, { recursive: true, force: true })
  } catch {
    // somebody else removed or finished it
  }
}

export async function existsFolder(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => undefined))?.isDirectory() ?? false
}
