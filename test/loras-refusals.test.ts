/** Bad adapters: each a named error of `engine.loras.load`, the old adapter stays, and the engine serves on. */
import { cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Engine } from '../lib/index.js'
import { EMBEDDED_LORA, type LoraTensors, prepareAdapter } from '../lib/lora/index.js'
import { loadSample, root, sampleModel } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'

const ipa = join(sampleModel, 'adapters/ipa')

let engine: Engine

beforeAll(async () => {
  engine = await loadSample({ peftCache: { maxAdapterSize: 16 } })
  await engine.loras.load('ipa', ipa)
})
afterAll(() => engine.close())

/** A copy of the adapter, damaged. */
function damaged(damage: (folder: string) => void): string {
  const folder = join(tempFolder(), 'adapter')
  cpSync(ipa, folder, { recursive: true })
  damage(folder)
  return folder
}

function withConfig(changes: object): () => string {
  return () =>
    damaged((folder) => {
      const file = join(folder, 'adapter_config.json')
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }))
    })
}

/** Names of the same length, so that the header's length stays as it is. */
function withHeader(from: string, to: string): () => string {
  return () =>
    damaged((folder) => {
      const file = join(folder, 'adapter_model.safetensors')
      writeFileSync(file, readFileSync(file, 'latin1').replaceAll(from, to), 'latin1')
    })
}

async function withTensors(change: (tensors: LoraTensors) => void): Promise<LoraTensors> {
  const tensors = await prepareAdapter(ipa, engine.model, { capabilities: EMBEDDED_LORA, dtype: 'float32' })
  change(tensors)
  return tensors
}

const weightsOf = ({ weights }: LoraTensors) => new Float32Array(weights.data.buffer)

test.each<[string, () => string | Promise<LoraTensors>, string, string]>([
  ['no folder', () => join(ipa, 'none'), 'ERR_LORA_NOT_FOUND', 'ipa/none'],
  ['a folder without adapter', () => sampleModel, 'ERR_LORA_NOT_FOUND', 'holds no adapter'],
  [
    'no weights',
    () => damaged((folder) => rmSync(join(folder, 'adapter_model.safetensors'))),
    'ERR_LORA_NOT_FOUND',
    'adapter_model.safetensors',
  ],
  [
    'a truncated file',
    () => damaged((folder) => halve(join(folder, 'adapter_model.safetensors'))),
    'ERR_LORA_INVALID',
    'adapter_model.safetensors',
  ],
  ['a wrong rank', withConfig({ r: 8 }), 'ERR_LORA_INVALID', 'rank 8 needs'],
  ['an unknown module', withHeader('SelfAttention.q.', 'SelfAttention.z.'), 'ERR_UNSUPPORTED', 'SelfAttention.z'],
  ['a module of no layer', withHeader('decoder.block.0.', 'decoder.block.9.'), 'ERR_LORA_INVALID', 'decoder.block.9'],
  ['DoRA', withConfig({ use_dora: true }), 'ERR_LORA_INVALID', 'lora_magnitude_vector'],
  ['another method', withConfig({ peft_type: 'IA3' }), 'ERR_UNSUPPORTED', 'IA3'],
  [
    'another base model',
    () => join(root, 'test/goldens/lora/bart/adapters/all'),
    'ERR_LORA_INVALID',
    'the model has no such module',
  ],
  [
    'a smaller base model',
    () => join(root, 'test/goldens/lora/t5-gated/adapters/all'),
    'ERR_LORA_INVALID',
    'made for a matrix of',
  ],
  ['NaN', () => withTensors((tensors) => weightsOf(tensors).fill(Number.NaN, 5, 6)), 'ERR_LORA_INVALID', 'NaN'],
  [
    'a layer that the model does not have',
    () => withTensors(({ config }) => config.data.fill(99, 1, 2)),
    'ERR_LORA_INVALID',
    'layer index 99',
  ],
  ['an unknown id', () => withTensors(({ config }) => config.data.fill(77, 0, 1)), 'ERR_LORA_INVALID', 'id 77'],
  [
    'a rank that the row does not hold',
    () => withTensors(({ config }) => config.data.fill(1000, 2, 3)),
    'ERR_LORA_INVALID',
    'a row has',
  ],
])('%s', async (_, make, code, message) => {
  const before = engine.loras.list()
  const error = { name: 'TrtllmError', code, message: expect.stringContaining(message) }
  for (const name of ['ipa', 'other']) await expect(engine.loras.load(name, await make())).rejects.toMatchObject(error)
  expect(engine.loras.list()).toEqual(before)
  expect((await engine.generate({ input: 'queue', lora: 'ipa' })).finishReason).toBe('end-id')
})

test('a rank above maxAdapterSize', async () => {
  const own = await loadSample({ peftCache: { maxAdapterSize: 15 } })
  expect(own.limits.maxAdapterRank).toBe(15)
  const error = { code: 'ERR_LORA_INVALID', message: expect.stringContaining('rank 16 is above the limit 15') }
  await expect(own.loras.load('ipa', ipa)).rejects.toMatchObject(error)
  await own.loras.load('spell', join(sampleModel, 'adapters/spell')) // rank 12
  await own.close()
})

function halve(file: string): void {
  truncateSync(file, statSync(file).size >> 1)
}
