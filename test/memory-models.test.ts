/** `Engine.load` of what is in memory. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chooseRuntime } from '../lib/config.js'
import { readEngineLimits } from '../lib/engine-limits.js'
import { Engine, type ModelBuffers } from '../lib/index.js'
import { loadAddon } from '../lib/native.js'
import { openModel } from '../lib/open-model.js'
import { sampleCheckpoint } from './helpers/sample.js'

function buffers(side: 'encoder' | 'decoder'): ModelBuffers['decoder'] {
  const folder = join(sampleCheckpoint, side)
  const engine = readFileSync(join(folder, 'rank0.safetensors'))
  return { engine, config: readFileSync(join(folder, 'config.json'), 'utf8') }
}

const whole = (): ModelBuffers => ({ encoder: buffers('encoder'), decoder: buffers('decoder') })
const options = { weights: 'float32' } as const
const inputTokenIds = [5, 30, 9, 61]

describe('a model in memory', () => {
  test('is the model of its files', async () => {
    const fromFiles = await Engine.load(sampleCheckpoint, options)
    const model = whole()
    const { engine: bytes } = model.decoder
    const shifted = new Uint8Array(bytes.length + 1).subarray(1) // not aligned
    shifted.set(bytes)
    const fromMemory = await Engine.load({ ...model, decoder: { ...model.decoder, engine: shifted } }, options)
    shifted.fill(0) // not needed any more
    const request = { inputTokenIds, returnLogProbs: true }
    const [expected, found] = await Promise.all([fromFiles.generate(request), fromMemory.generate(request)])
    expect(found).toMatchObject({ outputTokenIds: expected.outputTokenIds, logProbs: expected.logProbs, text: '' })
    const { encoder, decoder, specialTokenIds } = fromFiles.model
    const partly = ({ layers, vocabSize }: { layers: number | null; vocabSize: number | null }) => ({
      layers,
      vocabSize,
    })
    expect(fromMemory.model).toMatchObject({
      folder: null,
      kind: 'checkpoint',
      encoder: encoder && partly(encoder),
      decoder: partly(decoder),
      specialTokenIds,
      tokenizerFile: null,
    })
    expect(fromMemory.tokenizer).toBeUndefined()
    await expect(fromMemory.generate({ input: 'a' })).rejects.toMatchObject({ code: 'ERR_NO_TOKENIZER' })
    await Promise.all([fromFiles.close(), fromMemory.close()])
  })

  test('takes a tokenizer', async () => {
    const tokenizer = join(sampleCheckpoint, 'tokenizer.json')
    await using fromMemory = await Engine.load(whole(), { ...options, tokenizer })
    await using fromFiles = await Engine.load(sampleCheckpoint, options)
    const [found, expected] = await Promise.all(
      [fromMemory, fromFiles].map((engine) => engine.generate({ input: 'rhythm', beamWidth: 1 })),
    )
    expect(found?.text).toBe(expected?.text)
    expect(found?.text).not.toBe('')
  })

  test('lives while it is loaded, though nobody else holds it', async () => {
    const loading = Engine.load(whole(), options)
    for (let i = 0; i < 50; i++) new Uint8Array(1 << 22).fill(i)
    await (await loading).close()
  })

  test('may be a decoder alone', async () => {
    await using engine = await Engine.load(whole(), options)
    await using alone = await Engine.load({ decoder: buffers('decoder') }, options)
    expect(alone.limits.encoderVocabSize).toBe(0)
    const encoderInputFeatures = await engine.embed({ inputTokenIds })
    const [found, expected] = await Promise.all([
      alone.generate({ encoderInputFeatures }),
      engine.generate({ inputTokenIds }),
    ])
    expect(found.outputTokenIds).toEqual(expected.outputTokenIds)
  })
})

describe('engines in memory', () => {
  const build = { max_batch_size: 8, max_beam_width: 2, max_num_tokens: 512, max_input_len: 32, max_seq_len: 64 }
  const paged = { ...build, max_encoder_input_len: 128, plugin_config: { tokens_per_block: 32 } }
  const decoderEngine = {
    version: '1.2.1',
    pretrained_config: { architecture: 'DecoderModel', vocab_size: 40, decoder_start_token_id: 0, eos_token_id: 1 },
    build_config: paged,
  }
  const open = (configs: object) =>
    openModel(
      Object.fromEntries(
        Object.entries(configs).map(([side, config]) => [
          side,
          { engine: Uint8Array.of(1), config: JSON.stringify(config) },
        ]),
      ),
      {},
    )

  test('have the limits that their configurations say, also those of a decoder alone', async () => {
    const opened = await open({ decoder: decoderEngine })
    expect(opened.model).toMatchObject({ kind: 'engine', encoder: null, specialTokenIds: { decoderStart: 0, end: 1 } })
    expect(chooseRuntime(opened.model, {})).toBe('tensorrt-llm')
    const { limits, version } = await readEngineLimits(opened, {})
    expect(version).toBe('1.2.1')
    expect(limits).toMatchObject({
      encoderVocabSize: 0,
      decoderVocabSize: 40,
      maxInputLength: 128,
      maxSequenceLength: 64,
      maxBatchSize: 8,
      maxBeamWidth: 2,
    })
  })

  test('that contradict each other are refused by name', async () => {
    const encoderEngine = { ...decoderEngine, build_config: { ...build, max_input_len: 64 } }
    const opened = await open({ encoder: encoderEngine, decoder: decoderEngine })
    await expect(readEngineLimits(opened, {})).rejects.toMatchObject({
      code: 'ERR_MODEL_INVALID',
      message: expect.stringContaining('the engines in memory do not fit: encoder: architecture is "DecoderModel"'),
    })
  })
})

const engineConfig = JSON.stringify({ pretrained_config: {}, build_config: {} })

test.each<[string, (model: ModelBuffers) => object, string, string]>([
  ['no decoder', ({ encoder }) => ({ encoder }), 'ERR_INVALID_ARGUMENT', 'decoder must be an object, got undefined'],
  ['a misspelt half', (model) => ({ ...model, enconder: {} }), 'ERR_UNKNOWN_OPTION', 'unknown model field enconder'],
  [
    'no engine',
    ({ decoder: { config } }) => ({ decoder: { config } }),
    'ERR_INVALID_ARGUMENT',
    'decoder.engine must be a Uint8Array that is not empty, got undefined',
  ],
  [
    'an engine of another kind',
    ({ decoder }) => ({ decoder: { ...decoder, engine: 'rank0.safetensors' } }),
    'ERR_INVALID_ARGUMENT',
    "decoder.engine must be a Uint8Array that is not empty, got 'rank0.safetensors'",
  ],
  [
    'a config that is not text',
    ({ decoder }) => ({ decoder: { ...decoder, config: {} } }),
    'ERR_INVALID_ARGUMENT',
    'decoder.config must be the text of config.json, got an object',
  ],
  [
    'broken JSON',
    ({ decoder }) => ({ decoder: { ...decoder, config: '{' } }),
    'ERR_MODEL_INVALID',
    'decoder.config cannot be read',
  ],
  [
    'halves of two kinds',
    ({ encoder, decoder }) => ({ encoder: { ...encoder, config: engineConfig }, decoder }),
    'ERR_MODEL_INVALID',
    'encoder.config and decoder.config must both be of engines or of neither',
  ],
  [
    'a truncated engine',
    ({ decoder }) => ({ decoder: { ...decoder, engine: decoder.engine.subarray(0, 4) } }),
    'ERR_MODEL_INVALID',
    'decoder engine buffer: truncated',
  ],
])('%s is refused', async (_, change, code, message) => {
  await expect(Engine.load(change(whole()) as ModelBuffers, options)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  })
})

test.each<[object, string]>([
  [{}, 'model must have either decoderPath or decoderBuffer'],
  [{ encoderPath: 'e' }, 'model must have either decoderPath or decoderBuffer'],
  [{ decoderPath: 'd', decoderBuffer: buffers('decoder') }, 'model must have either decoderPath or decoderBuffer'],
  [{ decoderPath: 'd', encoderBuffer: buffers('encoder') }, 'model must have either decoderPath or decoderBuffer'],
  [{ decoderPath: 'd', modelType: 'decoder-only' }, 'the embedded runtime runs encoder-decoder models only'],
  [{ decoderPath: 'd', modelType: 'encoder' }, "model.modelType must be one of 'encoder-decoder', 'decoder-only'"],
  [{ decoderBuffer: { engine: new Uint8Array(0), config: '{}' } }, 'ERR_'],
])('the border refuses %j', async (model, message) => {
  const raw = { model, config: { kvCacheConfig: { crossKvCacheFraction: 0.5 } }, runtime: {} }
  const loading = loadAddon().createEngine(
    raw,
    () => {},
    () => {},
  )
  await expect(loading).rejects.toThrow(message)
})
