/**
 * Reads the dynamic section of a shared library: what it needs, where it looks for it, which names its symbols have.
 * Only the parts asked for are read, every offset is checked: a damaged file is a named error.
 */
import type { FileHandle } from 'node:fs/promises'
import { reasonOf, withFile } from '../convert/files.js'
import { TrtllmError } from '../errors.js'

export interface ElfLibrary {
  soname: string | null
  /** In the file's order. */
  needed: readonly string[]
  /** Folders, with $ORIGIN as it stands; for this library's own needs. */
  runpath: readonly string[]
  /** Folders, with $ORIGIN as it stands; also for the needs of what it loads. Ignored if there is a runpath. */
  rpath: readonly string[]
}

/** @throws TrtllmError ERR_LIBRARY_INVALID */
export function readElf(file: string): Promise<ElfLibrary> {
  return withElf(file, async (elf) => {
    const table = await readDynamicSection(elf)
    const strings = stringTable(elf, table)
    const all = (tag: number) => Promise.all(valuesOf(table, tag).map((offset) => readString(elf, strings, offset)))
    const folders = async (tag: number) =>
      (await all(tag)).flatMap((list) => list.split(':')).filter((name) => name !== '')
    return {
      soname: (await all(Tag.soname))[0] ?? null,
      needed: await all(Tag.needed),
      runpath: await folders(Tag.runpath),
      rpath: await folders(Tag.rpath),
    }
  })
}

/**
 * Names of the dynamic symbols, of symbol versions and of libraries, each followed by a NUL. A name may be the end of a
 * longer one.
 * @throws TrtllmError ERR_LIBRARY_INVALID
 */
export function readDynamicNames(file: string): Promise<Buffer> {
  return withElf(file, async (elf) => {
    const { offset, size } = stringTable(elf, await readDynamicSection(elf))
    return read(elf, offset, size)
  })
}

const Tag = { end: 0, needed: 1, stringTable: 5, stringSize: 10, soname: 14, rpath: 15, runpath: 29 } as const
const SegmentType = { load: 1, dynamic: 2 } as const

const HEADER_BYTES = 64
const SEGMENT_BYTES = 56
const ENTRY_BYTES = 16
const X86_64 = 62
const MOST_SEGMENTS = 1024
const MOST_ENTRIES = 65_536
const LONGEST_NAME = 4096

interface Segment {
  type: number
  offset: number
  address: number
  size: number
}

interface Elf {
  file: string
  handle: FileHandle
  size: number
  segments: readonly Segment[]
}

type DynamicTable = readonly { tag: number; value: number }[]

async function withElf<T>(file: string, use: (elf: Elf) => Promise<T>): Promise<T> {
  try {
    return await withFile(file, async (handle, size) => {
      const elf = { file, handle, size, segments: [] }
      return use({ ...elf, segments: await readSegments(elf) })
    })
  } catch (error) {
    if (error instanceof TrtllmError) throw error
    throw new TrtllmError('ERR_LIBRARY_INVALID', `${file} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

async function readSegments(elf: Elf): Promise<Segment[]> {
  const header = await read(elf, 0, HEADER_BYTES)
  if (header.readUInt32BE(0) !== 0x7f454c46) throw invalid(elf, 'it is no ELF file')
  const [bits, order, machine] = [header[4], header[5], header.readUInt16LE(18)]
  if (bits !== 2 || order !== 1 || machine !== X86_64) throw invalid(elf, 'it was made for another machine than x86-64')
  const [entryBytes, count] = [header.readUInt16LE(54), header.readUInt16LE(56)]
  if (entryBytes !== SEGMENT_BYTES || count > MOST_SEGMENTS) throw invalid(elf, 'its program headers are damaged')
  const table = await read(elf, whole(elf, header, 32), count * SEGMENT_BYTES)
  return Array.from({ length: count }, (_, i) => {
    const at = i * SEGMENT_BYTES
    return {
      type: table.readUInt32LE(at),
      offset: whole(elf, table, at + 8),
      address: whole(elf, table, at + 16),
      size: whole(elf, table, at + 32),
    }
  })
}

async function readDynamicSection(elf: Elf): Promise<DynamicTable> {
  const segment = elf.segments.find(({ type }) => type === SegmentType.dynamic)
  if (segment === undefined) throw invalid(elf, 'it is no shared library')
  const count = Math.floor(segment.size / ENTRY_BYTES)
  if (count > MOST_ENTRIES) throw invalid(elf, 'its dynamic section is damaged')
  const bytes = await read(elf, segment.offset, count * ENTRY_BYTES)
  const entries = Array.from({ length: count }, (_, i) => {
    const tag = Number(bytes.readBigUInt64LE(i * ENTRY_BYTES))
    return { tag, value: Number(bytes.readBigUInt64LE(i * ENTRY_BYTES + 8)) } // flags may be larger than a safe integer
  })
  const end = entries.findIndex(({ tag }) => tag === Tag.end)
  return entries.slice(0, end < 0 ? count : end)
}

function stringTable(elf: Elf, table: DynamicTable): { offset: number; size: number } {
  const [address] = valuesOf(table, Tag.stringTable)
  const [size] = valuesOf(table, Tag.stringSize)
  if (address === undefined || size === undefined) throw invalid(elf, 'it has no dynamic names')
  const segment = elf.segments.find(
    ({ type, address: from, size }) => type === SegmentType.load && address >= from && address < from + size,
  )
  if (segment === undefined) throw invalid(elf, 'its dynamic names lie outside of it')
  return { offset: segment.offset + (address - segment.address), size }
}

const valuesOf = (table: DynamicTable, wanted: number): number[] =>
  table.filter(({ tag }) => tag === wanted).map(({ value }) => value)

async function readString(elf: Elf, { offset, size }: { offset: number; size: number }, at: number): Promise<string> {
  if (at >= size) throw invalid(elf, 'a name lies outside of its dynamic names')
  const bytes = await read(elf, offset + at, Math.min(LONGEST_NAME, size - at))
  const end = bytes.indexOf(0)
  if (end < 0) throw invalid(elf, 'a name has no end')
  return bytes.toString('utf8', 0, end)
}

async function read(elf: Elf, offset: number, size: number): Promise<Buffer> {
  if (!(offset + size <= elf.size)) throw invalid(elf, `it is truncated: ${elf.size} bytes`)
  const bytes = Buffer.alloc(size)
  const { bytesRead } = await elf.handle.read(bytes, 0, size, offset)
  if (bytesRead !== size) throw invalid(elf, 'it became shorter while it was read')
  return bytes
}

function whole(elf: Elf, bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid(elf, 'its program headers are damaged')
  return Number(value)
}

function invalid({ file }: { file: string }, why: string): TrtllmError {
  return new TrtllmError('ERR_LIBRARY_INVALID', `${file} is damaged or no library for this machine: ${why}`, {
    hint: 'install the package that brings it again',
  })
}
