import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSafetensors } from '../lib/convert/safetensors.js'
import { writeSafetensors } from '../lib/convert/safetensors-writer.js'
import { createTensorReader, type WeightInfo } from '../lib/convert/tensor-index.js'
import { tempFolder } from './helpers/temp.js'
import { readTensors, safetensorsBytes, writeTensors } from './helpers/tensors.js'

function file(content: Uint8Array): string {
  const path = join(tempFolder(), 'model.safetensors')
  writeFileSync(path, content)
  return path
}

const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})
const eight = new Uint8Array(8)

test('reads parts of tensors, wherever they lie', async () => {
  const path = join(tempFolder(), 'model.safetensors')
  writeTensors(path, { a: { shape: [3], values: [1, 2, 3] }, b: { shape: [2, 2], values: [4, 5, 6, 7] } })
  const index = await readSafetensors(path)
  const reader = createTensorReader()
  const info = index.get('b') as WeightInfo
  expect(info).toMatchObject({ name: 'b', dtype: 'float32', shape: [2, 2], file: path })
  expect([...new Float32Array((await reader.read(info, 1, 2)).buffer)]).toEqual([5, 6])
  await reader.close()
})

test('types that are no weights are listed, not refused', async () => {
  const index = await readSafetensors(
    file(safetensorsBytes({ a: entry('I64', [1], 0, 8), __metadata__: { x: 'y' } }, eight)),
  )
  expect([...index.keys()]).toEqual(['a'])
  expect(index.get('a')).toMatchObject({ dtype: 'I64' })
})

test('empty tensors and scalars', async () => {
  const index = await readSafetensors(
    file(safetensorsBytes({ a: entry('F32', [0, 5], 4, 4), b: entry('F32', [], 0, 4) }, eight)),
  )
  expect(index.get('b')).toMatchObject({ shape: [] })
})

describe('damaged files are refused by name', () => {
  const far = Buffer.alloc(16)
  far.writeBigUInt64LE(2n ** 63n)
  test.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(), /truncated/],
    ['a header longer than the file', safetensorsBytes({}).fill(0xff, 0, 1), /its header would have/],
    ['a header of 2^63 bytes', far, /its header would have/],
    ['no JSON', Buffer.concat([safetensorsBytes({}).subarray(0, 8), Buffer.from('{"')]), /cannot be read/],
    ['JSON of another kind', safetensorsBytes([]), /must hold a JSON object/],
    [
      'an entry without a shape',
      safetensorsBytes({ a: { dtype: 'F32', data_offsets: [0, 8] } }, eight),
      /needs dtype, shape/,
    ],
    ['a negative size', safetensorsBytes({ a: entry('F32', [-2], 0, 8) }, eight), /needs dtype, shape/],
    ['a size that is no number', safetensorsBytes({ a: entry('F32', ['2'], 0, 8) }, eight), /needs dtype, shape/],
    ['a huge shape', safetensorsBytes({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 8) }, eight), /cannot have 8 bytes/],
    ['an unknown type', safetensorsBytes({ a: entry('F4', [2], 0, 8) }, eight), /unknown type F4/],
    ['offsets behind the end', safetensorsBytes({ a: entry('F32', [3], 0, 12) }, eight), /0 to 12 of 8 bytes/],
    ['offsets in the wrong order', safetensorsBytes({ a: entry('F32', [1], 8, 4) }, eight), /lies at bytes 8 to 4/],
    ['fewer bytes than its shape', safetensorsBytes({ a: entry('F32', [2], 0, 4) }, eight), /cannot have 4 bytes/],
    [
      'overlapping tensors',
      safetensorsBytes({ a: entry('F32', [1], 0, 4), b: entry('F16', [2], 2, 6) }, eight),
      /tensors a and b overlap/,
    ],
  ])('%s', async (_, content, message) => {
    const path = file(content)
    await expect(readSafetensors(path)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_INVALID', message: expect.stringMatching(message) }),
    )
    await expect(readSafetensors(path)).rejects.toThrow(path)
  })

  test('a file that shrinks after its header was read', async () => {
    const path = join(tempFolder(), 'model.safetensors')
    writeTensors(path, { a: { shape: [3], values: [1, 2, 3] } })
    const info = (await readSafetensors(path)).get('a') as WeightInfo
    truncateSync(path, statSync(path).size - 4)
    const reader = createTensorReader()
    await expect(reader.read(info, 0, 3)).rejects.toThrow(/is truncated/)
    await reader.close()
  })
})

describe('writing', () => {
  const header = { name: 'a', dtype: 'bfloat16', shape: [2] } as const

  test('blocks of several tensors; wider types first, so that all are aligned', async () => {
    const path = join(tempFolder(), 'out.safetensors')
    const tensors = [header, { name: 'b', dtype: 'float32', shape: [3] } as const]
    await writeSafetensors(path, tensors, async function* ({ name }) {
      if (name === 'a') yield new Uint8Array(Uint16Array.of(0x3f80, 0x4000).buffer)
      else for (const value of [1, 2, 3]) yield new Uint8Array(Float32Array.of(value).buffer)
    })
    expect(readTensors(path)).toEqual({
      a: { dtype: 'BF16', shape: [2], values: [1, 2] },
      b: { dtype: 'F32', shape: [3], values: [1, 2, 3] },
    })
    const index = await readSafetensors(path)
    for (const { offset, dtype } of index.values()) expect(offset % (dtype === 'float32' ? 4 : 2)).toBe(0)
    expect([...index.keys()]).toEqual(['b', 'a'])
  })

  test('too few bytes are an error', async () => {
    const path = join(tempFolder(), 'out.safetensors')
    const written = writeSafetensors(path, [header], async function* () {
      yield new Uint8Array(2)
    })
    await expect(written).rejects.toThrow('a has 2 bytes, not 4')
  })
})
