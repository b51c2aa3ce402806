/** Writes and reads small safetensors files. */
import { readFileSync, writeFileSync } from 'node:fs'
import { type Dtype, fromFloat32, toFloat32 } from '../../lib/convert/dtype.js'

const TYPES: Record<Dtype, string> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

export interface TestTensor {
  shape: number[]
  values: Float32Array
}

/** @param tensors of values that `dtype` has exactly */
export function writeTensors(file: string, tensors: Record<string, TestTensor>, dtype: Dtype = 'float32'): void {
  const header: Record<string, unknown> = {}
  const parts: Uint8Array[] = []
  let offset = 0
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const bytes = fromFloat32(values, dtype, name)
    header[name] = { dtype: TYPES[dtype], shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
    parts.push(bytes)
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  writeFileSync(file, Buffer.concat([length, text, ...parts]))
}

/** Type, shape and values of each tensor. */
export function readTensors(file: string): Record<string, { dtype: Dtype; shape: number[]; values: number[] }> {
  const bytes = readFileSync(file)
  const start = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__')
  return Object.fromEntries(
    entries.map(
      ([
        name,
        {
          dtype: type,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const dtype = (Object.keys(TYPES) as Dtype[]).find((key) => TYPES[key] === type) as Dtype
        const data = new Uint8Array(bytes.subarray(start + from, start + to))
        return [name, { dtype, shape, values: [...toFloat32(data, dtype)] }]
      },
    ),
  )
}
