import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../lib/index.js'
import { loadModel, onTensorrtLlm } from './helpers/runtime.js'
import { goldenModels, huggingFacePronunciations, loadSample, sampleModel } from './helpers/sample.js'

const WORDS = huggingFacePronunciations().slice(0, 400)
let engine: Engine

beforeAll(async () => {
  engine = await loadSample({ weights: 'float32' })
})
afterAll(() => engine.close())

describe('pronunciations equal those of Hugging Face', () => {
  test('all, with float32 weights', async () => {
    const results = await Promise.all(WORDS.map(({ word }) => engine.generate({ input: word })))
    expect(results.map(({ text }) => text)).toEqual(WORDS.map(({ phonemes }) => phonemes))
  })

  test('nearly all, with bfloat16 weights', async () => {
    const narrow = await loadSample({ weights: 'bfloat16' })
    const results = await Promise.all(WORDS.map(({ word }) => narrow.generate({ input: word })))
    await narrow.close()
    const equal = results.filter(({ text }, i) => text === WORDS[i]?.phonemes)
    expect(equal.length / WORDS.length).toBeGreaterThanOrEqual(0.995)
  })
})

test('a result says what was read, what was generated, why it ended and how long it took', async () => {
  const ids = Array.from(engine.tokenizer?.encode('queue') ?? [])
  const result = await engine.generate({ input: 'queue' })
  const { text, outputTokenIds, finishReason } = result
  expect(result).toEqual({
    text: engine.tokenizer?.decode(result.outputTokenIds),
    outputTokenIds: expect.any(Array),
    finishReason: 'end-id',
    sequences: [{ text, outputTokenIds, finishReason }],
    usage: { inputTokens: ids.length, outputTokens: result.outputTokenIds.length },
    timings: {
      totalMs: expect.any(Number),
      queuedMs: expect.any(Number),
      ...(onTensorrtLlm ? {} : { encodedMs: expect.any(Number) }),
      firstTokenMs: expect.any(Number),
      lastTokenMs: expect.any(Number),
      decodingIter: expect.any(Number),
      firstIter: expect.any(Number),
      lastIter: expect.any(Number),
    },
  })
  expect(result.outputTokenIds).not.toContain(engine.model.specialTokenIds.end)
  expect(await engine.generate({ inputTokenIds: ids })).toMatchObject({ outputTokenIds: result.outputTokenIds })
})

test('maxTokens, endId and the decoder prompt', async () => {
  const { outputTokenIds } = await engine.generate({ input: 'psychology' })
  const short = await engine.generate({ input: 'psychology', maxTokens: 3 })
  expect(short).toMatchObject({ finishReason: 'length', outputTokenIds: outputTokenIds.slice(0, 3) })

  const endless = await engine.generate({ input: 'psychology', endId: null, maxTokens: 40 })
  expect(endless).toMatchObject({ finishReason: 'length', usage: { outputTokens: 40 } })
  expect(endless.outputTokenIds.slice(0, outputTokenIds.length)).toEqual(outputTokenIds)

  const third = outputTokenIds[2] ?? -1
  const stopped = await engine.generate({ input: 'psychology', endId: third })
  expect(stopped).toMatchObject({
    finishReason: 'end-id',
    outputTokenIds: outputTokenIds.slice(0, outputTokenIds.indexOf(third)),
  })

  const start = engine.model.specialTokenIds.decoderStart ?? 0
  const continued = await engine.generate({
    input: 'psychology',
    decoderInputTokenIds: [start, ...outputTokenIds.slice(0, 3)],
  })
  expect(continued.outputTokenIds).toEqual(outputTokenIds.slice(3))
})

test('log-probabilities: one per token, and their sum with that of the end', async () => {
  const { logProbs = [], cumLogProb = 0, usage } = await engine.generate({ input: 'colonel', returnLogProbs: true })
  expect(logProbs).toHaveLength(usage.outputTokens)
  for (const logProb of logProbs) expect(logProb).toBeLessThanOrEqual(0)
  expect(Math.min(...logProbs)).toBeLessThan(0)
  const sum = logProbs.reduce((a, b) => a + b, 0)
  expect(cumLogProb).toBeLessThanOrEqual(sum + 1e-5) // the end token's is in it too
  expect(cumLogProb).toBeGreaterThan(sum - 5)
  expect(await engine.generate({ input: 'colonel' })).not.toHaveProperty('logProbs')

  const stopped = await engine.generate({ input: 'colonel', returnLogProbs: true, maxTokens: 3 })
  expect(stopped.logProbs).toEqual(logProbs.slice(0, 3))
  expect(stopped.cumLogProb).toBeCloseTo(
    logProbs.slice(0, 3).reduce((a, b) => a + b, 0),
    5,
  )
})

test('an engine without tokenizer takes and gives token ids', async () => {
  const golden = await loadModel(goldenModels()[0] ?? '')
  expect(golden.tokenizer).toBeUndefined()
  const result = await golden.generate({ inputTokenIds: [3, 4, 5], maxTokens: 8, endId: null })
  expect(result).toMatchObject({ text: '', finishReason: 'length', usage: { inputTokens: 3, outputTokens: 8 } })
  await expect(golden.generate({ input: 'text' })).rejects.toMatchObject({ code: 'ERR_NO_TOKENIZER' })
  await golden.close()
})

test('a tokenizer of one’s own, one that throws included', async () => {
  const broken = new Error('no such character')
  const own = await loadSample({
    tokenizer: {
      encode: (text) => engine.tokenizer?.encode(text) ?? [],
      decode: () => {
        throw broken
      },
    },
  })
  await expect(own.generate({ input: 'queue' })).rejects.toMatchObject({ code: 'ERR_RUNTIME', cause: broken })
  await expect(own.stream({ input: 'queue' }).result).rejects.toMatchObject({ code: 'ERR_RUNTIME', cause: broken })
  await own.close()
})

test('an engine says what it is', async () => {
  expect(engine.limits).toMatchObject({ maxBatchSize: 64, maxNumTokens: 8192 })
  if (!onTensorrtLlm) {
    expect(engine.limits).toMatchObject({ weights: 'float32' })
    expect(engine.model).toMatchObject({ folder: sampleModel, kind: 'checkpoint' })
  }
  expect(engine.snapshot()).toMatchObject({
    numQueuedRequests: 0,
    numActiveRequests: 0,
    usedSelfBlocks: 0,
    usedCrossBlocks: 0,
  })
})
