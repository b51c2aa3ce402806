import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { EngineOptions } from '../lib/config.js'
import { readEngineLimits } from '../lib/engine-limits.js'
import { openModel } from '../lib/open-model.js'
import { layOutEngines } from './helpers/stand-in.js'

const limitsFor = async (folder: string, options: EngineOptions) =>
  readEngineLimits(await openModel(folder, {}), options)

test('the longest input is the least of three limits', async () => {
  const build = { max_input_len: 100, max_encoder_input_len: 100 }
  const of = async (folder: string) => (await limitsFor(folder, {})).limits.maxInputLength
  expect(await of(layOutEngines({ build }))).toBe(100)
  expect(await of(layOutEngines({ build: { ...build, max_num_tokens: 200 } }))).toBe(100)
})

test('options lower the limits', async () => {
  const { limits, version } = await limitsFor(layOutEngines(), {
    maxBatchSize: 2,
    maxNumTokens: 99,
    maxBeamWidth: 3,
  })
  expect(version).toBe('1.2.1')
  expect(limits).toMatchObject({ maxBatchSize: 2, maxNumTokens: 99, maxBeamWidth: 3, encoderTokenBudget: 8192 })
  expect((await limitsFor(layOutEngines(), { maxNumTokens: 9000 })).limits.maxNumTokens).toBe(8192)
})

test.each([
  [{ maxBatchSize: 65 }, 'maxBatchSize must be <= 64, which the engine was built for, got 65'],
  [{ maxBeamWidth: 65 }, 'maxBeamWidth must be <= 64, which the engine was built for, got 65'],
])('options above what the engine was built for: %j', async (options, message) => {
  await expect(limitsFor(layOutEngines(), options)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message,
  })
})

const unfit: ['encoder' | 'decoder', string, object, string, string][] = [
  ['decoder', 'build_config', { max_encoder_input_len: 5 }, 'ERR_MODEL_INVALID', 'max_encoder_input_len'],
  ['encoder', 'build_config', { max_num_tokens: 5 }, 'ERR_MODEL_INVALID', 'max_num_tokens'],
  ['decoder', 'pretrained_config', { mapping: { tp_size: 1, pp_size: 2 } }, 'ERR_UNSUPPORTED', 'pp_size'],
  ['decoder', 'build_config', { max_seq_len: null }, 'ERR_MODEL_INVALID', 'maxSequenceLength'],
  ['encoder', 'pretrained_config', { vocab_size: null }, 'ERR_MODEL_INVALID', 'encoderVocabSize'],
  ['decoder', 'build_config', { plugin_config: {} }, 'ERR_MODEL_INVALID', 'tokensPerBlock'],
]

test.each(unfit)('a pair with an %s whose %s has %j is refused', async (side, part, changes, code, message) => {
  const folder = layOutEngines()
  const file = join(folder, side, 'config.json')
  const config = JSON.parse(readFileSync(file, 'utf8'))
  Object.assign(config[part], changes)
  writeFileSync(file, JSON.stringify(config))
  await expect(limitsFor(folder, {})).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
})
