/**
 * Reads the header of safetensors files: 8 bytes with its length, JSON {name: {dtype, shape, data_offsets}}, then the
 * data. Offsets count from the end of the header.
 */
import type { FileHandle } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { isRecord } from '../validate.js'
import type { WeightDtype } from './dtype.js'
import { parseObject, readJsonFile, reasonOf, withFile } from './files.js'
import { elementsOf, readExactly, type TensorIndex, type TensorInfo } from './tensor-index.js'

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000

const WEIGHT_TYPES: Record<string, WeightDtype> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
}

/** Bytes of an element of each type that the format has. */
const TYPE_BYTES: Record<string, number> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
}

/**
 * The tensors of one file.
 * @throws TrtllmError ERR_MODEL_INVALID if the header is wrong or points outside of the file
 */
export async function readSafetensors(file: string): Promise<TensorIndex> {
  try {
    return await withFile(file, (handle, size) => readHeader(handle, size, file))
  } catch (cause) {
    if (cause instanceof TrtllmError) throw cause
    throw new TrtllmError('ERR_MODEL_INVALID', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

/**
 * The tensors of several files, by the index file that names them all.
 * @throws TrtllmError ERR_MODEL_INVALID
 */
export async function readShardedSafetensors(folder: string, indexFile: string): Promise<TensorIndex> {
  const read = new Map<string, TensorIndex>()
  for (const file of await shardsOf(folder, indexFile)) read.set(file, await readSafetensors(join(folder, file)))
  return joinShards(join(folder, indexFile), read)
}

/** The files that an index names, in order; all lie in the index's folder. */
export async function shardsOf(folder: string, indexFile: string): Promise<string[]> {
  const { weight_map: map } = await readJsonFile(join(folder, indexFile))
  if (!isRecord(map)) throw new TrtllmError('ERR_MODEL_INVALID', `${join(folder, indexFile)} has no weight_map`)
  const files = [...new Set(Object.values(map))].map((file) => {
    if (typeof file === 'string' && file !== '' && basename(file) === file) return file
    throw new TrtllmError('ERR_MODEL_INVALID', `${join(folder, indexFile)} names ${JSON.stringify(file)} as a file`)
  })
  return files.sort()
}

/** One index of all shards. @throws TrtllmError ERR_MODEL_INVALID if two hold the same tensor */
export function joinShards(indexFile: string, shards: ReadonlyMap<string, TensorIndex>): TensorIndex {
  const all = new Map<string, TensorInfo>()
  for (const [file, tensors] of shards) {
    for (const [name, info] of tensors) {
      const other = all.get(name)
      if (other !== undefined) {
        throw new TrtllmError('ERR_MODEL_INVALID', `${indexFile}: ${name} lies in ${file} and in ${other.file}`)
      }
      all.set(name, info)
    }
  }
  return all
}

async function readHeader(handle: FileHandle, size: number, file: string): Promise<TensorIndex> {
  const start = await readExactly(handle, file, 0, 8)
  const length = Number(new DataView(start.buffer).getBigUint64(0, true))
  if (length > MAX_HEADER_BYTES || 8 + length > size) {
    throw new Error(`its header would have ${length} bytes, the file has ${size}`)
  }
  const header = parseObject(new TextDecoder().decode(await readExactly(handle, file, 8, length)))
  const dataBytes = size - 8 - length
  const tensors = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => describeTensor(name, entry, dataBytes))
  checkOverlaps(tensors)
  const dataStart = 8 + length
  return new Map(
    tensors.map(({ name, dtype, shape, begin }) => {
      return [name, { name, dtype: WEIGHT_TYPES[dtype] ?? dtype, shape, file, offset: dataStart + begin }]
    }),
  )
}

interface HeaderEntry {
  name: string
  dtype: string
  shape: number[]
  begin: number
  end: number
}

function describeTensor(name: string, entry: unknown, dataBytes: number): HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {}
  if (typeof dtype !== 'string' || !isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw new Error(`tensor ${name} needs dtype, shape and data_offsets`)
  }
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataBytes) {
    throw new Error(`tensor ${name} lies at bytes ${begin} to ${end} of ${dataBytes} bytes of data`)
  }
  const bytes = TYPE_BYTES[dtype]
  if (bytes === undefined) throw new Error(`tensor ${name} has the unknown type ${dtype}`)
  if (elementsOf(shape) * bytes !== end - begin) {
    throw new Error(`tensor ${name} of type ${dtype} and shape [${shape}] cannot have ${end - begin} bytes`)
  }
  return { name, dtype, shape, begin, end }
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0)
}

function checkOverlaps(tensors: HeaderEntry[]): void {
  const filled = tensors.filter(({ begin, end }) => end > begin).sort((a, b) => a.begin - b.begin)
  filled.forEach((tensor, i) => {
    const before = filled[i - 1]
    if (before !== undefined && before.end > tensor.begin) {
      throw new Error(`tensors ${before.name} and ${tensor.name} overlap`)
    }
  })
}
