/** Conversions that are done once. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { checkpointFor, defaultCacheFolder } from '../lib/convert/cache.js'
import { convertModel } from '../lib/convert/convert.js'
import { createFileHasher } from '../lib/convert/file-hashes.js'
import { readSafetensors } from '../lib/convert/safetensors.js'
import { childScript, runNode } from './helpers/child.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'
import { writeTensors } from './helpers/tensors.js'
import { markedTensors, T5_CONFIG, t5Shapes, writeModel } from './helpers/tiny-models.js'

const cached = (cacheFolder: string) => readdirSync(join(cacheFolder, 'checkpoints'))

async function conversions(
  model: string,
  cacheFolder: string,
  options = {},
): Promise<{ folder: string; converted: boolean }> {
  let converted = false
  const folder = await checkpointFor(model, {
    cacheFolder,
    onProgress: () => {
      converted = true
    },
    ...options,
  })
  return { folder, converted }
}

test('converts once, to what the converter writes', async () => {
  const cacheFolder = tempFolder()
  const model = writeModel(T5_CONFIG, t5Shapes())
  const first = await conversions(model, cacheFolder)
  expect(first.converted).toBe(true)
  expect(await conversions(model, cacheFolder)).toEqual({ folder: first.folder, converted: false })
  const { folder } = await convertModel(model, join(tempFolder(), 'out'))
  const weights = 'decoder/rank0.safetensors'
  expect(readFileSync(join(first.folder, weights)).equals(readFileSync(join(folder, weights)))).toBe(true)
  expect(cached(cacheFolder)).toEqual([basename(first.folder)])
})

test('the same content elsewhere is the same checkpoint; a fairseq file works too', async () => {
  const cacheFolder = tempFolder()
  const { folder } = await conversions(writeModel(T5_CONFIG, t5Shapes()), cacheFolder)
  expect(await conversions(writeModel(T5_CONFIG, t5Shapes()), cacheFolder)).toEqual({ folder, converted: false })
  const nmt = familyGoldens().find(({ name }) => name === 'nmt')
  expect((await conversions(join(nmt?.folder ?? '', 'hf/model.pt'), cacheFolder)).folder).not.toBe(folder)
})

test('any other content, and another type, is another checkpoint', async () => {
  const cacheFolder = tempFolder()
  const model = writeModel(T5_CONFIG, t5Shapes())
  const folders = [(await conversions(model, cacheFolder)).folder]
  const change = async (options = {}) => {
    const { folder, converted } = await conversions(model, cacheFolder, options)
    expect(converted).toBe(true)
    expect(folders).not.toContain(folder)
    folders.push(folder)
  }
  await change({ dtype: 'bfloat16' })
  writeFileSync(join(model, 'config.json'), JSON.stringify({ ...T5_CONFIG, eos_token_id: 3 }))
  await change()
  writeFileSync(join(model, 'generation_config.json'), '{"num_beams": 2}')
  await change()
  writeFileSync(join(model, 'tokenizer.json'), '{}')
  await change()
  // one number of the weights, in a file of the same size and time
  const file = join(model, 'model.safetensors')
  const { atime, mtime } = statSync(file)
  const bytes = readFileSync(file)
  bytes.writeFloatLE(0.5, bytes.length - 4)
  writeFileSync(file, bytes)
  utimesSync(file, atime, mtime)
  await change()
})

test('a damaged model leaves nothing in the cache', async () => {
  const cacheFolder = tempFolder()
  const model = writeModel({ ...T5_CONFIG, num_heads: 3 }, t5Shapes())
  await expect(conversions(model, cacheFolder)).rejects.toThrow(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }))
  expect(cached(cacheFolder)).toEqual([])
})

test('many processes at once get one complete folder', async () => {
  const cacheFolder = tempFolder()
  const model = writeModel(T5_CONFIG, t5Shapes())
  const moment = Date.now() + 1500
  const args = [childScript('cache-conversion.mjs'), model, cacheFolder, String(moment)]
  const ended = await Promise.all(Array.from({ length: 6 }, () => runNode(args)))
  for (const child of ended) expect(child).toMatchObject({ code: 0, stderr: '' })
  const [folder = '', ...others] = new Set(ended.map(({ stdout }) => stdout.trim()))
  expect(others).toEqual([])
  expect(cached(cacheFolder)).toEqual([basename(folder)])
  expect((await readSafetensors(join(folder, 'decoder/rank0.safetensors'))).size).toBeGreaterThan(30)
})

test('the same in one process', async () => {
  const cacheFolder = tempFolder()
  const model = writeModel(T5_CONFIG, t5Shapes())
  const folders = await Promise.all(Array.from({ length: 8 }, () => checkpointFor(model, { cacheFolder })))
  expect(new Set(folders).size).toBe(1)
  expect(cached(cacheFolder)).toHaveLength(1)
})

test('what killed processes left is removed when it is old', async () => {
  const cacheFolder = tempFolder()
  const old = join(cacheFolder, 'checkpoints/abc.partial-1234')
  const young = join(cacheFolder, 'checkpoints/def.partial-5678')
  for (const folder of [old, young]) {
    mkdirSync(join(folder, 'encoder'), { recursive: true })
    writeFileSync(join(folder, 'encoder/config.json'), '{}')
  }
  const past = new Date(Date.now() - 2 * 3600 * 1000)
  for (const path of ['encoder/config.json', 'encoder', '']) utimesSync(join(old, path), past, past)
  await checkpointFor(writeModel(T5_CONFIG, t5Shapes()), { cacheFolder })
  expect([existsSync(old), existsSync(young)]).toEqual([false, true])
})

test('a cache folder that cannot be made', async () => {
  const file = join(tempFolder(), 'file')
  writeFileSync(file, '')
  await expect(checkpointFor(writeModel(T5_CONFIG, t5Shapes()), { cacheFolder: join(file, 'cache') })).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_OUTPUT', hint: expect.stringContaining('XDG_CACHE_HOME') }),
  )
})

test('where the cache lies', () => {
  expect(defaultCacheFolder({ XDG_CACHE_HOME: '/var/cache/me' })).toBe('/var/cache/me/trtllm-node')
  expect(defaultCacheFolder({ XDG_CACHE_HOME: 'relative', HOME: '/home/me' })).toBe('/home/me/.cache/trtllm-node')
  expect(defaultCacheFolder({ HOME: '/home/me' })).toBe('/home/me/.cache/trtllm-node')
})

test('hashes are kept while a file stays the same, and not for files that changed just now', async () => {
  const folder = tempFolder()
  const hasher = createFileHasher(join(folder, 'hashes'))
  const file = join(folder, 'weights')
  writeTensors(file, markedTensors({ a: [3] }))
  const first = await hasher.hash(file)
  expect(existsSync(join(folder, 'hashes'))).toBe(false) // changed just now
  await new Promise((resolve) => setTimeout(resolve, 2100))
  expect(await hasher.hash(file)).toBe(first)
  const [memo = ''] = readdirSync(join(folder, 'hashes'))
  writeFileSync(join(folder, 'hashes', memo), readFileSync(join(folder, 'hashes', memo), 'utf8').replace(first, 'kept'))
  expect(await hasher.hash(file)).toBe('kept')
  writeTensors(join(folder, 'other'), markedTensors({ a: [4] }))
  renameSync(join(folder, 'other'), file)
  expect(await hasher.hash(file)).not.toMatch(/kept/)
  writeFileSync(join(folder, 'hashes', memo), 'damaged')
  expect(await hasher.hash(file)).toHaveLength(64)
})
