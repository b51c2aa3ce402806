/** What requests bring beside tokens for the encoder: its output for a decoder alone, masks, language adapters. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine, type Tensor } from '../lib/index.js'
import { checkRequest, type Request } from '../lib/request.js'
import { checkEmbedRequest, checkScoreRequest } from '../lib/score.js'
import { requestContext as context, thrownBy } from './helpers/request-context.js'
import { sampleCheckpoint } from './helpers/sample.js'

const INPUTS = [[5], [5, 30, 9, 61, 7, 8, 40], [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]]
const MAX_TOKENS = 12

let folder: string
let whole: Engine
let alone: Engine

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trtllm-node-decoder-'))
  symlinkSync(join(sampleCheckpoint, 'decoder'), join(folder, 'decoder'))
  whole = await Engine.load(sampleCheckpoint, { weights: 'float32', gatherGenerationLogits: true })
  alone = await Engine.load(folder, { weights: 'float32', gatherGenerationLogits: true })
})
afterAll(async () => {
  await Promise.all([whole?.close(), alone?.close()])
  rmSync(folder, { recursive: true })
})

/** Some rows of a matrix. */
function rowsOf({ shape: [, width = 0], data }: Tensor, rows: number[]): Tensor {
  const values = rows.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)])
  return { shape: [rows.length, width], data: Float32Array.from(values) }
}

describe('a decoder alone', () => {
  test('says so', () => {
    expect(alone.model).toMatchObject({
      encoder: null,
      kind: 'checkpoint',
      specialTokenIds: whole.model.specialTokenIds,
    })
    expect(alone.limits).toMatchObject({ encoderVocabSize: 0, decoderVocabSize: whole.limits.decoderVocabSize })
  })

  test.each([1, 4])(
    'gives the tokens of the whole model for the output of its encoder, beamWidth %i',
    async (beamWidth) => {
      const options = { maxTokens: MAX_TOKENS, beamWidth, returnLogProbs: true }
      const expected = await Promise.all(INPUTS.map((inputTokenIds) => whole.generate({ ...options, inputTokenIds })))
      const features = await Promise.all(INPUTS.map((inputTokenIds) => whole.embed({ inputTokenIds })))
      const found = await Promise.all(
        features.map((encoderInputFeatures) => alone.generate({ ...options, encoderInputFeatures })),
      )
      for (const [i, result] of found.entries()) {
        expect(result.sequences).toMatchObject(
          expected[i]?.sequences.map(({ outputTokenIds, logProbs }) => ({ outputTokenIds, logProbs })) ?? [],
        )
        expect(result.usage.inputTokens).toBe(INPUTS[i]?.length)
      }
    },
  )

  test('streams and scores', async () => {
    const inputTokenIds = INPUTS[1] as number[]
    const encoderInputFeatures = await whole.embed({ inputTokenIds })
    const streamed = await alone.stream({ encoderInputFeatures, maxTokens: MAX_TOKENS }).result
    expect(streamed.outputTokenIds).toEqual(
      (await whole.generate({ inputTokenIds, maxTokens: MAX_TOKENS })).outputTokenIds,
    )
    const targetTokenIds = [65, 102, 53]
    expect(await alone.score({ encoderInputFeatures, targetTokenIds })).toEqual(
      await whole.score({ inputTokenIds, targetTokenIds }),
    )
  })

  test('takes the features as they are at the call', async () => {
    const encoderInputFeatures = await whole.embed({ inputTokenIds: [5, 30] })
    const expected = await alone.generate({ encoderInputFeatures, maxTokens: MAX_TOKENS })
    const changed = alone.generate({ encoderInputFeatures, maxTokens: MAX_TOKENS })
    encoderInputFeatures.data.fill(0)
    expect((await changed).outputTokenIds).toEqual(expected.outputTokenIds)
  })

  test('embeds nothing', async () => {
    const message = 'embed needs an encoder: the model is a decoder alone'
    await expect(alone.embed({ inputTokenIds: [5] })).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message })
  })
})

describe('a mask', () => {
  const inputTokenIds = INPUTS[1] as number[]
  const seen = [0, 2, 5]
  const wanted = { maxTokens: MAX_TOKENS, returnGenerationLogits: true }

  test.each<[string, Uint8Array | boolean[]]>([
    ['bytes', Uint8Array.from(inputTokenIds, (_, i) => Number(seen.includes(i)))],
    ['booleans', inputTokenIds.map((_, i) => seen.includes(i))],
  ])('as %s hides what the decoder alone would not be given', async (_, data) => {
    const features = rowsOf(await whole.embed({ inputTokenIds }), seen)
    const expected = await alone.generate({ ...wanted, encoderInputFeatures: features })
    const crossAttentionMask = { shape: [1, inputTokenIds.length], data }
    const masked = await whole.generate({ ...wanted, inputTokenIds, crossAttentionMask })
    expect(masked.outputTokenIds).toEqual(expected.outputTokenIds)
    const logits = [...(expected.generationLogits?.data ?? [])]
    expect([...(masked.generationLogits?.data ?? [])]).toEqual(logits.map((logit) => expect.closeTo(logit, 3)))
    const plain = await whole.generate({ ...wanted, inputTokenIds })
    expect(plain.generationLogits?.data).not.toEqual(masked.generationLogits?.data)
  })

  test('of all is none, in batches too', async () => {
    const all = (rows: number, length: number) => ({
      shape: [rows, length],
      data: new Uint8Array(rows * length).fill(1),
    })
    const plain = await Promise.all(INPUTS.map((ids) => whole.generate({ ...wanted, inputTokenIds: ids })))
    const masked = await Promise.all(
      INPUTS.map((ids, i) =>
        whole.generate({ ...wanted, inputTokenIds: ids, crossAttentionMask: all(i + 1, ids.length) }),
      ),
    )
    expect(masked.map(({ generationLogits }) => generationLogits)).toEqual(
      plain.map(({ generationLogits }) => generationLogits),
    )
  })
})

describe('the embedded runtime refuses', () => {
  test.each<[Partial<Request>, string, string]>([
    [{ languageAdapterUid: 2 }, 'ERR_UNSUPPORTED', 'languageAdapterUid is not supported by the embedded runtime'],
    [
      { encoderOutputLength: 1 },
      'ERR_INVALID_ARGUMENT',
      'encoderOutputLength must be the length of the input, 2, got 1',
    ],
    [
      { encoderInputFeatures: { shape: [1, 1], data: new Float32Array(1) }, inputTokenIds: undefined },
      'ERR_INVALID_ARGUMENT',
      'encoderInputFeatures must not be given: the encoder of this model takes token ids',
    ],
  ])('%j', async (fields, code, message) => {
    await expect(whole.generate({ inputTokenIds: [5, 6], maxTokens: 2, ...fields })).rejects.toMatchObject({
      code,
      message,
    })
  })
})

const decoderAlone = { ...context, limits: { ...context.limits, encoderVocabSize: 0 } }
const features = (rows: number, width: number, length = rows * width) => ({
  encoderInputFeatures: { shape: [rows, width], data: new Float32Array(length) },
})
const masked = (shape: number[], data: unknown) => ({ inputTokenIds: [3, 4], crossAttentionMask: { shape, data } })

test.each<[object, string]>([
  [{}, 'encoderInputFeatures must be given: the model is a decoder alone'],
  [{ input: 'a' }, 'input must not be given: the model is a decoder alone, which takes encoderInputFeatures'],
  [{ inputTokenIds: [3], ...features(2, 4) }, 'inputTokenIds must not be given: the model is a decoder alone'],
  [features(2, 5), "encoderInputFeatures must have the encoder's hidden size, 4 columns, got 5"],
  [features(21, 4), 'encoderInputFeatures must have 1 to 20 tokens (limits.maxInputLength), got 21'],
  [
    { encoderInputFeatures: { shape: [1, 4], data: Float32Array.of(0, 0, Number.NaN, 0) } },
    'encoderInputFeatures must be finite, number 2 is NaN',
  ],
  [features(2, 4, 7), 'encoderInputFeatures must be { shape: [tokens, hidden size]'],
  [features(0, 4), 'encoderInputFeatures must be { shape: [tokens, hidden size]'],
  [{ encoderInputFeatures: { shape: [1, 1], data: [1] } }, 'encoderInputFeatures must be { shape'],
  [{ encoderInputFeatures: new Float32Array(4) }, 'encoderInputFeatures must be { shape'],
])('%j is refused for a decoder alone', (request, message) => {
  const expected = { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) }
  expect(thrownBy(() => checkRequest(request, decoderAlone, false))).toMatchObject(expected)
  expect(thrownBy(() => checkScoreRequest({ targetTokenIds: [3], ...request }, decoderAlone))).toMatchObject(expected)
})

test.each<[object, string]>([
  [features(2, 4), 'encoderInputFeatures must not be given: the encoder of this model takes token ids'],
  [{ inputTokenIds: [3], ...features(2, 4) }, 'encoderInputFeatures cannot be combined with inputTokenIds'],
  [{ inputTokenIds: [3], encoderOutputLength: 0 }, 'encoderOutputLength must be an integer >= 1, got 0'],
  [
    { inputTokenIds: [3], encoderOutputLength: 21 },
    'encoderOutputLength must be <= 20 (limits.maxInputLength), got 21',
  ],
  [{ inputTokenIds: [3], languageAdapterUid: -1 }, 'languageAdapterUid must be an integer >= 0, got -1'],
  [masked([1, 3], [true, true, true]), 'crossAttentionMask must have a column for each of the 2 encoder tokens, got 3'],
  [masked([2, 2], [true, true, false, false]), 'crossAttentionMask must have a true value in each row, row 1 has none'],
  [
    masked([51, 2], new Uint8Array(102).fill(1)),
    'crossAttentionMask must have 1 to 50 rows (limits.maxSequenceLength)',
  ],
  [masked([1, 2], Uint8Array.of(1, 2)), 'crossAttentionMask must be { shape: [rows, encoder tokens]'],
  [masked([1, 2], [1, 0]), 'crossAttentionMask must be { shape: [rows, encoder tokens]'],
  [masked([2], [true, true]), 'crossAttentionMask must be { shape: [rows, encoder tokens]'],
])('%j is refused for a whole model', (request, message) => {
  const error = thrownBy(() => checkRequest(request, context, false))
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) })
})

test('what an encoder for features reads crosses the border under its names', () => {
  const request = {
    ...features(6, 3),
    encoderOutputLength: 3,
    crossAttentionMask: { shape: [1, 3], data: [true, false, true] },
    languageAdapterUid: 1,
  }
  const { raw } = checkRequest(request, { ...context, encoderTakesFeatures: true }, false)
  expect(raw).toMatchObject({
    encoderInputFeatures: { shape: Int32Array.of(6, 3), data: new Float32Array(18) },
    encoderOutputLength: 3,
    crossAttentionMask: { shape: Int32Array.of(1, 3), data: Uint8Array.of(1, 0, 1) },
    languageAdapterUid: 1,
  })
  expect(raw).not.toHaveProperty('encoderInputTokenIds')
})

test('embed has no such fields', () => {
  const error = thrownBy(() => checkEmbedRequest({ inputTokenIds: [3], ...features(1, 4) }, context))
  expect(error).toMatchObject({ code: 'ERR_UNKNOWN_OPTION' })
})
