/** TensorRT-LLM's pair of .npy files, read from and written like NumPy's (scripts/make-lora-fixtures.py). */
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Dtype, toFloat32 } from '../lib/convert/dtype.js'
import { readPairFolder, writePairFolder } from '../lib/lora/index.js'
import { npyHeader, parseNpy } from '../lib/lora/npy.js'
import { root } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'

const fixture = (name: string) => join(root, 'test/fixtures/lora', `${name}.npy`)
const read = (name: string) => parseNpy(readFileSync(fixture(name)), name)
const expected = (length: number) => Array.from({ length }, (_, i) => (i % 11) / 4 - 1)
const dtypes: Dtype[] = ['float32', 'float16', 'bfloat16']

/** A folder with NumPy's files under TensorRT-LLM's names. */
function pairFolder(weights: string, config = 'int32'): string {
  const folder = tempFolder()
  copyFileSync(fixture(weights), join(folder, 'model.lora_weights.npy'))
  copyFileSync(fixture(config), join(folder, 'model.lora_config.npy'))
  return folder
}

test.each(dtypes)('%s: read as NumPy wrote it, written back byte for byte', async (dtype) => {
  const folder = pairFolder(dtype)
  const pair = await readPairFolder(folder)
  expect(pair.config).toEqual({ rows: 3, columns: 4, data: Int32Array.from({ length: 12 }, (_, i) => i) })
  expect(pair.weights).toMatchObject({ dtype, rows: 3, width: 20 })
  expect([...toFloat32(new Uint8Array(pair.weights.data), dtype)]).toEqual(expected(60))
  const out = tempFolder()
  await writePairFolder(pair, out)
  for (const name of ['model.lora_weights.npy', 'model.lora_config.npy']) {
    expect(readFileSync(join(out, name))).toEqual(readFileSync(join(folder, name)))
  }
})

test('headers of other shapes, and of version 2', () => {
  const bytes = readFileSync(fixture('vector'))
  const { type, shape, data } = read('vector')
  expect({ type, shape }).toEqual({ type: '<f4', shape: [123] })
  expect(Buffer.concat([npyHeader(type, shape), data])).toEqual(bytes)
  expect(read('version2')).toMatchObject({ type: '<f4', shape: [1, 3, 20] })
  expect(Buffer.from(read('version2').data)).toEqual(Buffer.from(read('float32').data))
})

describe('refused by name', () => {
  test.each([
    ['fortran', 'Fortran order'],
    ['big-endian', "'>f4'"],
    ['object', "'|O'"],
  ])('%s', (name, message) => {
    const error = expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(message) })
    expect(() => read(name)).toThrow(error)
  })

  test('files cut at any byte', () => {
    const bytes = readFileSync(fixture('float16'))
    for (let length = 0; length < bytes.length; length++) {
      const error = expect.objectContaining({ code: 'ERR_LORA_INVALID' })
      expect(() => parseNpy(bytes.subarray(0, length), 'cut'), `${length} bytes`).toThrow(error)
    }
  })

  test.each<[string, (folder: string) => void, string, string]>([
    [
      'no config',
      (folder) => truncateSync(join(folder, 'model.lora_config.npy')),
      'ERR_LORA_INVALID',
      'lora_config.npy',
    ],
    ['a config of floats', overwrite('model.lora_config.npy', 'float32'), 'ERR_LORA_INVALID', 'int32'],
    ['weights of integers', overwrite('model.lora_weights.npy', 'int32'), 'ERR_UNSUPPORTED', "'<i4'"],
    ['weights of one dimension', overwrite('model.lora_weights.npy', 'vector'), 'ERR_LORA_INVALID', '[123]'],
    [
      'weights and config of different rows',
      (folder) => {
        const bytes = Buffer.concat([npyHeader('<i4', [2, 3]), Buffer.alloc(24)])
        writeFileSync(join(folder, 'model.lora_config.npy'), bytes)
      },
      'ERR_LORA_INVALID',
      '3 rows of weights and 2 of config',
    ],
  ])('%s', async (_, damage, code, message) => {
    const folder = pairFolder('float32')
    damage(folder)
    const error = { name: 'TrtllmError', code, message: expect.stringContaining(message) }
    await expect(readPairFolder(folder)).rejects.toMatchObject(error)
  })

  function overwrite(name: string, with_: string): (folder: string) => void {
    return (folder) => copyFileSync(fixture(with_), join(folder, name))
  }
})
