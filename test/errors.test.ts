/** Bad models and bad requests: each a named error, and the engine goes on serving. */
import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Engine, type Request } from '../lib/index.js'
import { onTensorrtLlm } from './helpers/runtime.js'
import { loadSample, sampleCheckpoint, sampleModel } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
})
afterAll(() => engine.close())

/** A copy of the sample model, damaged. */
function damaged(damage: (folder: string) => void): string {
  const folder = tempFolder()
  cpSync(sampleCheckpoint, folder, { recursive: true })
  damage(folder)
  return folder
}

function editConfig(part: 'encoder' | 'decoder', changes: object): (folder: string) => void {
  return (folder) => {
    const file = join(folder, part, 'config.json')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }))
  }
}

/** Changes the header of the weights without changing its length. */
function editHeader(part: 'encoder' | 'decoder', from: string, to: string): (folder: string) => void {
  return (folder) => {
    const file = join(folder, part, 'rank0.safetensors')
    const bytes = readFileSync(file)
    const at = bytes.indexOf(from)
    bytes.write(to, at, 'latin1')
    writeFileSync(file, bytes)
  }
}

test.each<[string, (folder: string) => void, string]>([
  ['weights cut in half', (folder) => halve(join(folder, 'decoder/rank0.safetensors')), 'decoder/rank0.safetensors'],
  [
    'weights of no bytes',
    (folder) => truncateSync(join(folder, 'encoder/rank0.safetensors')),
    'encoder/rank0.safetensors',
  ],
  ['weights with a broken header', editHeader('encoder', '{', '#'), 'encoder/rank0.safetensors'],
  ['weights of a wrong dtype', editHeader('decoder', '"dtype":"BF16"', '"dtype":"I16" '), 'decoder/rank0.safetensors'],
  ['weights with a tensor missing', editHeader('decoder', 'lm_head.weight', 'lm_tail.weight'), 'lm_head.weight'],
  ['an unknown dtype', editConfig('decoder', { dtype: 'float8' }), 'dtype'],
  ['an unknown architecture', editConfig('decoder', { architecture: 'GuessModel' }), 'architecture'],
  ['an unknown activation', editConfig('encoder', { hidden_act: 'softsign' }), 'hidden_act'],
  ['unknown positions', editConfig('encoder', { position_embedding_type: 'spiral' }), 'position_embedding_type'],
  ['a negative size', editConfig('decoder', { num_attention_heads: -4 }), 'num_attention_heads'],
  ['a size that the weights do not have', editConfig('decoder', { vocab_size: 1_000_000 }), 'vocab'],
  ['a text for a number', editConfig('encoder', { hidden_size: 'many' }), 'hidden_size'],
  ['no layers', editConfig('decoder', { num_hidden_layers: 0 }), 'num_hidden_layers'],
])('a model folder with %s is refused', async (_, damage, named) => {
  const error = await Engine.load(damaged(damage)).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ name: 'TrtllmError', message: expect.stringContaining(named) })
  expect(['ERR_MODEL_INVALID', 'ERR_UNSUPPORTED']).toContain((error as { code: string }).code)
})

function halve(file: string): void {
  truncateSync(file, statSync(file).size >> 1)
}

test.each<[string, Request | object, string]>([
  ['empty input', { input: '' }, 'ERR_INVALID_ARGUMENT'],
  ['no ids', { inputTokenIds: [] }, 'ERR_INVALID_ARGUMENT'],
  ['too long an input', { inputTokenIds: new Int32Array(8193) }, 'ERR_INVALID_ARGUMENT'],
  ['an id outside the vocabulary', { inputTokenIds: [5, 1_000_000] }, 'ERR_INVALID_ARGUMENT'],
  ['a negative id', { inputTokenIds: [-1] }, 'ERR_INVALID_ARGUMENT'],
  ['a prompt id outside the vocabulary', { input: 'a', decoderInputTokenIds: [1_000_000] }, 'ERR_INVALID_ARGUMENT'],
  ['maxTokens 0', { input: 'queue', maxTokens: 0 }, 'ERR_INVALID_ARGUMENT'],
  ['too large maxTokens', { input: 'queue', maxTokens: 1_000_000 }, 'ERR_INVALID_ARGUMENT'],
  ['an unknown field', { input: 'queue', beams: 4 }, 'ERR_UNKNOWN_OPTION'],
])('a request with %s is refused, and the engine serves on', async (_, request, code) => {
  const neighbour = engine.generate({ input: 'queue' })
  await expect(engine.generate(request as Request)).rejects.toMatchObject({ name: 'TrtllmError', code })
  expect(() => engine.stream(request as Request)).toThrow(expect.objectContaining({ code }))
  expect(await neighbour).toMatchObject({ finishReason: 'end-id' })
})

test.each<[string, object]>([
  ['a cache too small for anything', { kvCache: { maxTokens: 1 } }],
  ['weights that the runtime does not know', { weights: 'int4' }],
])('options with %s: a named error, at load or at the request', async (_, options) => {
  const use = async () => {
    const own = await Engine.load(sampleModel, options)
    await own.generate({ input: 'massachusetts' }).finally(() => own.close())
  }
  await expect(use()).rejects.toMatchObject({ name: 'TrtllmError', code: 'ERR_INVALID_ARGUMENT' })
})

test.skipIf(onTensorrtLlm)('the longest input and the longest output work', async () => {
  const own = await loadSample({ maxNumTokens: 700 })
  const { maxInputLength, maxSequenceLength } = own.limits
  expect(maxInputLength).toBe(700)
  const longest = { inputTokenIds: new Int32Array(maxInputLength).fill(5), maxTokens: 1 }
  expect(await own.generate(longest)).toMatchObject({ usage: { inputTokens: maxInputLength } })
  const room = maxSequenceLength - 1
  const most = await own.generate({ input: 'queue', endId: null, maxTokens: room })
  expect(most).toMatchObject({ finishReason: 'length', usage: { outputTokens: room } })
  await own.close()
})
