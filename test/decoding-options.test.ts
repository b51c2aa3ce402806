/** Decoding options before the border: what is refused, with which words, and what crosses under which names. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, Request } from '../lib/index.js'
import { checkRequest } from '../lib/request.js'
import { checkEmbedRequest, checkScoreRequest } from '../lib/score.js'
import { requestContext as context, thrownBy } from './helpers/request-context.js'
import { loadSample } from './helpers/sample.js'

const { limits } = context

/** [fields, message]; all with code ERR_INVALID_ARGUMENT. */
const REFUSED: [object, string][] = [
  [{ beamWidth: 0 }, 'beamWidth must be an integer >= 1, got 0'],
  [{ beamWidth: 5 }, 'beamWidth must be an integer from 1 to 4 (limits.maxBeamWidth), got 5'],
  [{ beamWidth: 2.5 }, 'beamWidth must be an integer >= 1, got 2.5'],
  [{ topK: -1 }, 'topK must be an integer >= 0, got -1'],
  [{ topP: 0 }, 'topP must be a number > 0 and <= 1, got 0'],
  [{ topP: 1.01 }, 'topP must be a number > 0 and <= 1, got 1.01'],
  [{ topP: Number.NaN }, 'topP must be a number > 0 and <= 1, got NaN'],
  [{ topP: 1e-50 }, 'topP must be a number > 0 and <= 1, got 1e-50'],
  [{ topPMin: 0 }, 'topPMin must be a number > 0 and <= 1, got 0'],
  [{ topPDecay: 2 }, 'topPDecay must be a number > 0 and <= 1, got 2'],
  [{ topPResetIds: -1 }, 'topPResetIds must be an integer >= 0, got -1'],
  [{ topPResetIds: 40 }, 'topPResetIds must be an id from 0 to 39, got 40'],
  [{ seed: -1 }, 'seed must be a safe integer >= 0 or a bigint from 0 to 18446744073709551615, got -1'],
  [{ seed: 2 ** 53 }, 'seed must be a safe integer >= 0'],
  [{ seed: '7' }, "seed must be a safe integer >= 0 or a bigint from 0 to 18446744073709551615, got '7'"],
  [{ temperature: -0.1 }, 'temperature must be a number >= 0, got -0.1'],
  [{ temperature: 1e39 }, 'temperature must be a number >= 0, got 1e+39'],
  [{ temperature: '1' }, "temperature must be a number >= 0, got '1'"],
  [{ minTokens: -1 }, 'minTokens must be an integer >= 0, got -1'],
  [{ maxTokens: 5, minTokens: 6 }, 'minTokens must be an integer from 0 to 5 (maxTokens), got 6'],
  [{ beamSearchDiversityRate: -1 }, 'beamSearchDiversityRate must be a number >= 0, got -1'],
  [{ repetitionPenalty: 0 }, 'repetitionPenalty must be a number > 0, got 0'],
  [{ presencePenalty: Number.POSITIVE_INFINITY }, 'presencePenalty must be a number that is finite as float32'],
  [{ frequencyPenalty: 1e39 }, 'frequencyPenalty must be a number that is finite as float32, got 1e+39'],
  [{ promptIgnoreLength: -1 }, 'promptIgnoreLength must be an integer >= 0, got -1'],
  [{ lengthPenalty: -1 }, 'lengthPenalty must be a number >= 0, got -1'],
  [{ earlyStopping: -1 }, 'earlyStopping must be an integer >= 0, got -1'],
  [{ earlyStopping: true }, 'earlyStopping must be an integer >= 0, got true'],
  [{ noRepeatNgramSize: 0 }, 'noRepeatNgramSize must be an integer >= 1, got 0'],
  [{ numReturnSequences: 0 }, 'numReturnSequences must be an integer >= 1, got 0'],
  [{ beamWidth: 2, numReturnSequences: 3 }, 'numReturnSequences must be an integer from 1 to 2 (beamWidth), got 3'],
  [{ numReturnSequences: 9 }, 'numReturnSequences must be an integer from 1 to 8 (limits.maxBatchSize), got 9'],
  [{ minP: 1.5 }, 'minP must be a number from 0 to 1, got 1.5'],
  [{ badWords: 'x' }, "badWords must be an array of words: text or token ids, got 'x'"],
  [{ badWords: ['ok', ''] }, "badWords[1] must be text or an array of token ids, not empty, got ''"],
  [{ badWords: [[]] }, 'badWords[0] must be text or an array of token ids, not empty, got an array of 0'],
  [{ stopWords: [[5], [5, 40]] }, 'token 1 of stopWords[1] must be an id from 0 to 39, got 40'],
  [{ embeddingBias: [1] }, 'embeddingBias must be a Float32Array, or an object or Map from token ids to numbers'],
  [
    { embeddingBias: new Float32Array(3) },
    'embeddingBias must be a Float32Array of 40 numbers (limits.decoderVocabSize)',
  ],
  [{ embeddingBias: new Float64Array(40) }, 'embeddingBias must be a Float32Array, or an object or Map'],
  [{ embeddingBias: { 40: 1 } }, 'a key of embeddingBias must be an id from 0 to 39, got 40'],
  [{ embeddingBias: { x: 1 } }, 'a key of embeddingBias must be an id from 0 to 39, got NaN'],
  [
    { embeddingBias: new Map([[3, Number.NaN]]) },
    'embeddingBias of token 3 must be a number that is finite as float32, or -Infinity, got NaN',
  ],
  [{ returnGenerationLogits: true }, 'returnGenerationLogits needs the engine option gatherGenerationLogits: true'],
  [{ returnContextLogits: 1 }, 'returnContextLogits must be true or false, got 1'],
  [{ decoderInput: '' }, "decoderInput must be text that is not empty, got ''"],
  [{ decoderInput: 'a', decoderInputTokenIds: [0] }, 'decoderInput cannot be combined with decoderInputTokenIds'],
  [{ decoderInput: 'a'.repeat(49) }, 'decoderInput with the start token must have 1 to 49 tokens'],
  [{ forcedFirstTokenId: 40 }, 'forcedFirstTokenId must be an id from 0 to 39, got 40'],
  [{ forcedLastTokenId: -1 }, 'forcedLastTokenId must be an integer >= 0, got -1'],
  [
    { forcedFirstTokenId: 3, forcedLastTokenId: 4, maxTokens: 1 },
    'forcedFirstTokenId 3 and forcedLastTokenId 4 must be equal with maxTokens 1',
  ],
  [{ allowedSequences: [] }, 'allowedSequences must be an array of at least one text or array of token ids'],
  [{ allowedSequences: [[3], []] }, 'allowedSequences[1] must be text or an array of token ids, not empty'],
  [{ allowedSequences: [[3, 99]] }, 'token 1 of allowedSequences[0] must be an id from 0 to 39, got 99'],
  [{ allowedSequences: [[3, 1]] }, 'allowedSequences[0] must not contain the end token 1: it follows by itself'],
  [{ allowedSequences: [[3]], endId: null }, 'allowedSequences needs an end token, but there is no endId'],
  [{ allowedSequences: [[3, 4]], maxTokens: 1 }, 'allowedSequences[0] must have 1 to 1 tokens (maxTokens), got 2'],
  [
    { allowedSequences: [[3, 4], [3]], minTokens: 2 },
    'minTokens must be <= 1 (the shortest of allowedSequences), got 2',
  ],
  [{ allowedSequences: [[3]], forcedFirstTokenId: 3 }, 'allowedSequences cannot be combined with forcedFirstTokenId'],
  [{ allowedSequences: [[3]], badWords: [[3]] }, 'allowedSequences cannot be combined with badWords'],
  [{ allowedSequences: [[3]], noRepeatNgramSize: 2 }, 'allowedSequences cannot be combined with noRepeatNgramSize'],
  [{ logitsProcessor: 'softmax' }, "logitsProcessor must be a function, got 'softmax'"],
]

test.each(REFUSED)('%j is refused', (fields, message) => {
  const error = thrownBy(() => checkRequest({ input: 'a', ...fields }, context, false))
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) })
})

test('a seed of more than 64 bits is refused', () => {
  const error = thrownBy(() => checkRequest({ input: 'a', seed: 2n ** 64n }, context, false))
  expect(error.message).toContain('got 18446744073709551616')
})

test('logits of streamed beams are refused, with timeoutMs as well', () => {
  const gathering = { ...context, gatherGenerationLogits: true }
  const beams = { input: 'a', beamWidth: 2, returnGenerationLogits: true }
  expect(checkRequest(beams, gathering, false).raw.outputConfig).toMatchObject({ returnGenerationLogits: true })
  const message = 'returnGenerationLogits with beamWidth > 1 cannot be streamed, nor combined with timeoutMs'
  expect(thrownBy(() => checkRequest(beams, gathering, true)).message).toBe(message)
  expect(thrownBy(() => checkRequest({ ...beams, timeoutMs: 5 }, gathering, false)).message).toBe(message)
})

test.each<[object, string]>([
  [{ stopWords: ['x'] }, 'stopWords[0] is text, but the tokenizer has no encodePlain'],
  [{ allowedSequences: ['x'] }, 'allowedSequences[0] is text, but the tokenizer has no encodePlain'],
  [{ decoderInput: 'x' }, 'decoderInput is text, but the tokenizer has no encodePlain'],
])('%j needs a tokenizer that encodes without special tokens', (fields, message) => {
  const tokenizer = { encode: () => [3], decode: () => '' }
  const error = thrownBy(() => checkRequest({ input: 'a', ...fields }, { ...context, tokenizer }, false))
  expect(error).toMatchObject({ code: 'ERR_NO_TOKENIZER', message })
})

const SAMPLING = {
  beamWidth: 2,
  topK: 5,
  topP: 0.5,
  topPMin: 0.1,
  topPResetIds: 3,
  topPDecay: 0.9,
  seed: 2n ** 63n,
  temperature: 0.7,
  minTokens: 2,
  beamSearchDiversityRate: 0.1,
  repetitionPenalty: 1.1,
  presencePenalty: -0.5,
  frequencyPenalty: 0.25,
  promptIgnoreLength: 1,
  lengthPenalty: 2,
  earlyStopping: 2,
  noRepeatNgramSize: 3,
  numReturnSequences: 2,
  minP: 0.05,
}

test('every sampling option crosses under its name', () => {
  expect(checkRequest({ input: 'a', ...SAMPLING }, context, false).raw.samplingConfig).toEqual(SAMPLING)
  expect(checkRequest({ input: 'a', topK: undefined }, context, false).raw).not.toHaveProperty('samplingConfig')
})

test('words, bias, outputs and constraints cross', () => {
  const { raw } = checkRequest(
    {
      inputTokenIds: [4],
      badWords: [[5, 6], [5, 6], new Uint16Array([7])],
      stopWords: [],
      embeddingBias: { 3: -2, 4: Number.NEGATIVE_INFINITY },
      forcedFirstTokenId: 8,
      forcedLastTokenId: 1,
      returnContextLogits: true,
      returnEncoderOutput: true,
    },
    context,
    false,
  )
  expect(raw).toMatchObject({
    badWords: [new Int32Array([5, 6]), new Int32Array([7])],
    outputConfig: { returnContextLogits: true, returnEncoderOutput: true },
    extras: { forcedFirstTokenId: 8, forcedLastTokenId: 1 },
  })
  expect(raw).not.toHaveProperty('stopWords')
  expect(raw.embeddingBias).toHaveLength(limits.decoderVocabSize)
  expect([...(raw.embeddingBias ?? [])].slice(2, 6)).toEqual([0, -2, Number.NEGATIVE_INFINITY, 0])
})

test('a bias is copied at the call', () => {
  const bias = new Float32Array(limits.decoderVocabSize)
  const { raw } = checkRequest({ input: 'a', embeddingBias: bias }, context, false)
  bias[0] = 5
  expect(raw.embeddingBias?.[0]).toBe(0)
})

test('allowed sequences say how many tokens there may be', () => {
  const allowedSequences = [[3, 4, 5], [6]]
  const { raw } = checkRequest({ input: 'a', allowedSequences }, context, false)
  expect(raw).toMatchObject({
    maxTokens: 4,
    extras: { allowedSequences: allowedSequences.map((ids) => Int32Array.from(ids)) },
  })
  expect(checkRequest({ input: 'a', allowedSequences, maxTokens: 3 }, context, false).raw.maxTokens).toBe(3)
  const longest = [new Int32Array(49).fill(3)]
  expect(checkRequest({ input: 'a', allowedSequences: longest }, context, false).raw.maxTokens).toBe(49)
})

test('streamed beams bring all their tokens each time', () => {
  expect(checkRequest({ input: 'a', beamWidth: 2 }, context, true).raw.returnAllGeneratedTokens).toBe(true)
  expect(checkRequest({ input: 'a', beamWidth: 2 }, context, false).raw).not.toHaveProperty('returnAllGeneratedTokens')
  expect(checkRequest({ input: 'a' }, context, true).raw).not.toHaveProperty('returnAllGeneratedTokens')
})

/** Tokens are characters; '▁' is a space or the beginning, as SentencePiece has it. */
const VOCABULARY = '_▁ab!'
const pieces = (text: string) => Array.from(text, (character) => VOCABULARY.indexOf(character))

describe('text of words stands for its tokenisations at the start of a word and inside one', () => {
  test.each<[string, (text: string) => number[], number[][]]>([
    ['SentencePiece', (text) => pieces(`▁${text}`.replaceAll(' ', '▁')), [pieces('▁b'), pieces('b')]],
    ['byte-level', (text) => pieces(text.replaceAll(' ', '▁')), [pieces('b'), pieces('▁b')]],
    [
      'merging with what stands before',
      (text) => (text === 'ab' ? [4] : pieces(text.replaceAll(' ', ''))),
      [pieces('b')],
    ],
  ])('%s', (_, encodePlain, expected) => {
    const tokenizer = { encode: () => [3], encodePlain, decode: () => '' }
    const { raw } = checkRequest({ inputTokenIds: [4], stopWords: ['b', 'b'] }, { ...context, tokenizer }, false)
    expect(raw.stopWords?.map((ids) => [...ids])).toEqual(expected)
  })
})

test('decoderInput follows the start token', () => {
  const tokenizer = { encode: () => [9], encodePlain: () => [5, 6], decode: () => '' }
  const { raw } = checkRequest({ inputTokenIds: [4], decoderInput: 'x' }, { ...context, tokenizer }, false)
  expect([...raw.inputTokenIds]).toEqual([0, 5, 6])
})

test.each<[object, string]>([
  [{}, 'a score must have either target or targetTokenIds, got neither'],
  [{ target: 'a', targetTokenIds: [3] }, 'a score must have either target or targetTokenIds, got both'],
  [{ targetTokenIds: [] }, 'targetTokenIds must have 1 to 48 tokens (limits.maxSequenceLength - 2), got 0'],
  [{ targetTokenIds: [40] }, 'token 0 of targetTokenIds must be an id from 0 to 39, got 40'],
  [{ target: 'a'.repeat(49) }, 'target must have 1 to 48 tokens (limits.maxSequenceLength - 2), got 49'],
])('a score of %j is refused', (fields, message) => {
  const error = thrownBy(() => checkScoreRequest({ input: 'a', ...fields }, context))
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message })
})

test('unknown fields of the other calls are refused by name', () => {
  const score = thrownBy(() => checkScoreRequest({ input: 'a', target: 'b', beamWidth: 2 }, context))
  expect(score).toMatchObject({ code: 'ERR_UNKNOWN_OPTION', message: 'unknown score field beamWidth' })
  const embed = thrownBy(() => checkEmbedRequest({ input: 'a', pooling: 'max' }, context))
  expect(embed.message).toBe("pooling must be one of 'none', 'mean', got 'max'")
})

describe('on an engine', () => {
  let engine: Engine

  beforeAll(async () => {
    engine = await loadSample({ maxBeamWidth: 4, maxBatchSize: 8 })
  })
  afterAll(() => engine.close())

  /** This model has a larger vocabulary and longer sequences. */
  const independentOfModel = REFUSED.filter(([, message]) => !/\b(39|40|49)\b/.test(message))

  test('nothing of a refused request reaches the runtime', async () => {
    for (const [fields] of independentOfModel) {
      const request = { input: 'a', ...fields } as Request
      await expect(engine.generate(request)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      expect(() => engine.stream(request)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    }
    expect(engine.snapshot()).toMatchObject({ iteration: 0, numQueuedRequests: 0 })
  })
})
