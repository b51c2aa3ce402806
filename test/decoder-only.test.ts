/** Decoder-only engines, as far as they go without one: the folder, the limits, the form of a request. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkEngineOptions, chooseRuntime, toRawEngineOptions } from '../lib/config.js'
import { readEngineLimits } from '../lib/engine-limits.js'
import { openModel } from '../lib/open-model.js'
import { checkRequest } from '../lib/request.js'
import { checkEmbedRequest, checkScoreRequest } from '../lib/score.js'
import { requestContext, thrownBy } from './helpers/request-context.js'
import { tempFolder } from './helpers/temp.js'

const build = {
  max_batch_size: 8,
  max_beam_width: 2,
  max_num_tokens: 512,
  max_input_len: 300,
  max_seq_len: 400,
  plugin_config: { tokens_per_block: 64 },
}

function engineFolder(changes: object = {}): string {
  const folder = tempFolder()
  const model = { architecture: 'LlamaForCausalLM', dtype: 'float16', vocab_size: 100, eos_token_id: 2 }
  const config = { version: '1.2.1', pretrained_config: model, build_config: { ...build, ...changes } }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  writeFileSync(join(folder, 'rank0.engine'), '')
  return folder
}

const openEngine = (changes: object = {}) => openModel(engineFolder(changes), {})

test('a folder of one engine', async () => {
  const folder = engineFolder()
  const { model, source } = await openModel(folder, {})
  expect(model).toMatchObject({
    folder,
    kind: 'engine',
    decoderOnly: true,
    encoder: null,
    decoder: { folder, vocabSize: 100 },
    specialTokenIds: { end: 2, decoderStart: null },
  })
  expect(source).toEqual({ decoderPath: folder, modelType: 'decoder-only' })
  expect(chooseRuntime(model, {})).toBe('tensorrt-llm')
})

test('its limits', async () => {
  const { limits, worldSize } = await readEngineLimits(await openEngine(), { maxBatchSize: 4 })
  expect({ limits, worldSize }).toEqual({
    limits: {
      maxBatchSize: 4,
      maxNumTokens: 512,
      maxBeamWidth: 2,
      maxInputLength: 300,
      maxSequenceLength: 400,
      encoderVocabSize: 100,
      decoderVocabSize: 100,
      tokensPerBlock: 64,
      encoderTokenBudget: 512,
      maxAdapterRank: 0,
    },
    worldSize: 1,
  })
  const long = await openEngine({ max_input_len: 400 })
  expect((await readEngineLimits(long, {})).limits.maxInputLength).toBe(399) // one token has to be generated
})

test('it has no cross-attention cache', async () => {
  const { source } = await openEngine()
  const raw = toRawEngineOptions(source, {}, [], requestContext.limits)
  expect(raw.model).toEqual(source)
  expect(raw.config.kvCacheConfig).toEqual({ enableBlockReuse: false })
  const options = checkEngineOptions({ kvCache: { crossKvCacheFraction: 0.4 } })
  expect(thrownBy(() => toRawEngineOptions(source, options, []))).toMatchObject({ code: 'ERR_UNSUPPORTED' })
})

const context = { ...requestContext, decoderOnly: true }

test('the input of a request is the prompt', () => {
  const { raw } = checkRequest({ inputTokenIds: [4, 5, 6], maxTokens: 3 }, context, false)
  expect(raw.inputTokenIds).toEqual(new Int32Array([4, 5, 6]))
  expect(raw).not.toHaveProperty('encoderInputTokenIds')
  expect(checkRequest({ inputTokenIds: [4, 5, 6] }, context, false).raw.maxTokens).toBe(47)
})

test.each([
  [() => checkRequest({ input: 'a', decoderInputTokenIds: [1] }, context, false), 'has no decoderInputTokenIds'],
  [() => checkRequest({ input: 'a', decoderInput: 'b' }, context, false), 'has no decoderInput'],
  [() => checkRequest({ input: 'a', encoderOutputLength: 1 }, context, false), 'has no encoderOutputLength'],
  [() => checkScoreRequest({ input: 'a', target: 'b' }, context), 'score needs an encoder-decoder model'],
  [() => checkEmbedRequest({ input: 'a' }, context), 'embed needs an encoder-decoder model'],
])('what needs an encoder is refused: %s', (check, message) => {
  expect(thrownBy(check)).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(message) })
})
