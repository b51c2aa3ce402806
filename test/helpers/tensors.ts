/** Tensor files of tests, written and read by code of their own. */
import { readFileSync, writeFileSync } from 'node:fs'

export interface TestTensor {
  shape: number[]
  values: number[]
}

export type TestTensors = Record<string, TestTensor>

/** Writes float32 tensors. */
export function writeTensors(file: string, tensors: TestTensors): void {
  let offset = 0
  const header: Record<string, object> = {}
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + 4 * values.length] }
    offset += 4 * values.length
  }
  const data = Float32Array.from(Object.values(tensors).flatMap(({ values }) => values))
  writeFileSync(file, safetensorsBytes(header, Buffer.from(data.buffer)))
}

/** A file with any header. */
export function safetensorsBytes(header: object, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, data])
}

const READERS: Record<string, { size: number; read(view: DataView, at: number): number }> = {
  F32: { size: 4, read: (view, at) => view.getFloat32(at, true) },
  I32: { size: 4, read: (view, at) => view.getInt32(at, true) },
  BF16: { size: 2, read: (view, at) => asFloat(view.getUint16(at, true) << 16) },
  F16: { size: 2, read: (view, at) => halfToNumber(view.getUint16(at, true)) },
}

export interface ReadTensor extends TestTensor {
  dtype: string
}

/** All tensors of a file as numbers. */
export function readTensors(file: string): Record<string, ReadTensor> {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, HeaderEntry>
  const view = new DataView(bytes.buffer, bytes.byteOffset + 8 + length)
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return Object.fromEntries(entries.map(([name, entry]) => [name, readTensor(view, entry)]))
}

interface HeaderEntry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

function readTensor(view: DataView, { dtype, shape, data_offsets: [begin, end] }: HeaderEntry): ReadTensor {
  const reader = READERS[dtype]
  if (reader === undefined) throw new Error(`tests do not read ${dtype}`)
  const values = Array.from({ length: (end - begin) / reader.size }, (_, i) =>
    reader.read(view, begin + i * reader.size),
  )
  return { dtype, shape, values }
}

function asFloat(word: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, word >>> 0)
  return view.getFloat32(0)
}

function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = (half & 1023) / 1024
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15)
}
