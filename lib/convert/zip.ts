/**
 * Where the entries of a zip file lie. torch.save stores everything without compression, so that an entry is a range of
 * the file; only that is read here. (Zip libraries give streams or whole buffers, not the positions in the file that
 * reading parts of large tensors needs.) Beyond 4 GB the zip64 records hold the sizes.
 */
import type { FileHandle } from 'node:fs/promises'
import { readExactly } from './tensor-index.js'

export interface ZipEntry {
  /** Bytes from the start of the file. */
  offset: number
  size: number
}

interface Directory {
  offset: number
  size: number
  entries: number
}

const END = { signature: 0x06054b50, size: 22 }
const ZIP64_LOCATOR = { signature: 0x07064b50, size: 20 }
const ZIP64_END = { signature: 0x06064b50, size: 56 }
const CENTRAL = { signature: 0x02014b50, size: 46 }
const LOCAL = { signature: 0x04034b50, size: 30 }
const MAX_COMMENT = 65535
const IN_ZIP64 = 0xffffffff
const MAX_DIRECTORY_BYTES = 256 * 2 ** 20

/**
 * All entries by name.
 * @throws Error that says what is wrong; TrtllmError ERR_MODEL_INVALID if the file is truncated
 */
export async function readZipEntries(handle: FileHandle, size: number, file: string): Promise<Map<string, ZipEntry>> {
  const directory = await findDirectory(handle, size, file)
  if (directory.size > MAX_DIRECTORY_BYTES || directory.offset + directory.size > size) {
    throw new Error('its directory of entries lies outside of the file')
  }
  const view = viewOf(await readExactly(handle, file, directory.offset, directory.size))
  const entries = new Map<string, ZipEntry>()
  for (let i = 0, at = 0; i < directory.entries; i++) {
    const { name, entry, next } = readCentralHeader(view, at)
    entries.set(name, { size: entry.size, offset: await dataOffset(handle, file, entry) })
    if ((entries.get(name)?.offset ?? 0) + entry.size > size) throw new Error(`entry ${name} lies outside of the file`)
    at = next
  }
  return entries
}

async function findDirectory(handle: FileHandle, size: number, file: string): Promise<Directory> {
  const length = Math.min(size, END.size + MAX_COMMENT)
  const view = viewOf(await readExactly(handle, file, size - length, length))
  for (let at = length - END.size; at >= 0; at--) {
    if (view.getUint32(at, true) !== END.signature) continue
    const end = { entries: view.getUint16(at + 10, true), size: u32(view, at + 12), offset: u32(view, at + 16) }
    const zip64 = await findZip64Directory(handle, size - length + at, file)
    return zip64 ?? end
  }
  throw new Error('it has no directory of entries at its end: it is no zip file, or truncated')
}

/** The locator stands directly before the end record at `endOffset`. */
async function findZip64Directory(handle: FileHandle, endOffset: number, file: string): Promise<Directory | undefined> {
  const at = endOffset - ZIP64_LOCATOR.size
  if (at < 0) return undefined
  const locator = viewOf(await readExactly(handle, file, at, ZIP64_LOCATOR.size))
  if (u32(locator, 0) !== ZIP64_LOCATOR.signature) return undefined
  const view = viewOf(await readExactly(handle, file, u64(locator, 8), ZIP64_END.size))
  if (u32(view, 0) !== ZIP64_END.signature) throw new Error('its zip64 directory is damaged')
  return { entries: u64(view, 32), size: u64(view, 40), offset: u64(view, 48) }
}

/** `entry.offset` is that of the local header. */
function readCentralHeader(view: DataView, at: number): { name: string; entry: ZipEntry; next: number } {
  if (at + CENTRAL.size > view.byteLength || u32(view, at) !== CENTRAL.signature) {
    throw new Error('its directory of entries is damaged')
  }
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
    number,
    number,
    number,
  ]
  const nameStart = at + CENTRAL.size
  const next = nameStart + nameLength + extraLength + commentLength
  if (next > view.byteLength) throw new Error('its directory of entries is damaged')
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + nameStart, nameLength))
  if (view.getUint16(at + 8, true) & 1) throw new Error(`entry ${name} is encrypted`)
  if (view.getUint16(at + 10, true) !== 0) throw new Error(`entry ${name} is compressed, which torch.save never does`)
  const entry = { size: u32(view, at + 24), offset: u32(view, at + 42) }
  const extra = new DataView(view.buffer, view.byteOffset + nameStart + nameLength, extraLength)
  return { name, entry: withZip64(entry, u32(view, at + 20), extra), next }
}

/** The extra field 1 holds, in this order, what did not fit: size, compressed size, offset. */
function withZip64(entry: ZipEntry, compressedSize: number, extra: DataView): ZipEntry {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true)
    if (extra.getUint16(at, true) === 1) {
      let field = at + 4
      const take = () => {
        field += 8
        return u64(extra, field - 8)
      }
      const size = entry.size === IN_ZIP64 ? take() : entry.size
      if (compressedSize === IN_ZIP64) take()
      return { size, offset: entry.offset === IN_ZIP64 ? take() : entry.offset }
    }
    at += 4 + length
  }
  return entry
}

/** The data follows the local header, whose name and extra field may be longer than the directory's. */
async function dataOffset(handle: FileHandle, file: string, { offset }: ZipEntry): Promise<number> {
  const header = viewOf(await readExactly(handle, file, offset, LOCAL.size))
  if (u32(header, 0) !== LOCAL.signature) throw new Error('one of its entries is damaged')
  return offset + LOCAL.size + header.getUint16(26, true) + header.getUint16(28, true)
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const u32 = (view: DataView, at: number): number => view.getUint32(at, true)
const u64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true))
