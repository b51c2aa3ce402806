/** What a model's own settings add to a request, and languages. The tokens that come of it: families.test.ts. */
import { describe, expect, test } from 'vitest'
import { readGenerationDefaults } from '../lib/convert/generation.js'
import { type DefaultsContext, unsupportedDefaults, withModelDefaults } from '../lib/model-defaults.js'

const input = { inputTokenIds: [5, 6] }

function context(config: Record<string, unknown>): DefaultsContext {
  const languages = {
    style: 'mbart-50' as const,
    ids: new Map([
      ['en_XX', 70],
      ['de_DE', 71],
    ]),
  }
  const tokenizer = { encode: () => [70, 8, 9, 2], decode: () => '' }
  return { generation: readGenerationDefaults(config), languages, tokenizer, endId: 2 }
}

const summarizer = context({
  num_beams: 4,
  length_penalty: 2,
  early_stopping: true,
  no_repeat_ngram_size: 3,
  min_length: 12,
  max_length: 30,
  forced_bos_token_id: 0,
  forced_eos_token_id: 2,
  bad_words_ids: [[7]],
  eos_token_id: [2, 9],
})

describe('a model that searches', () => {
  test('fills in what the request leaves open', () => {
    expect(withModelDefaults(input, summarizer)).toMatchObject({
      beamWidth: 4,
      lengthPenalty: 2,
      earlyStopping: 1,
      noRepeatNgramSize: 3,
      minTokens: 11,
      maxTokens: 29,
      forcedFirstTokenId: 0,
      forcedLastTokenId: 2,
      badWords: [[7]],
      stopWords: [[9]],
    })
  })
  test('what the request says stays', () => {
    const request = {
      ...input,
      beamWidth: 2,
      lengthPenalty: 0,
      noRepeatNgramSize: 2,
      maxTokens: 5,
      minTokens: 1,
      forcedFirstTokenId: 4,
      badWords: [],
      endId: 2,
    }
    expect(withModelDefaults(request, summarizer)).toMatchObject(request)
    expect(withModelDefaults(request, summarizer).stopWords).toBeUndefined()
  })
  test('a request that draws gets no beams', () => {
    const request = withModelDefaults({ ...input, topK: 5 }, summarizer)
    expect(request.beamWidth).toBe(1)
    expect(request.lengthPenalty).toBeUndefined()
  })
  test('least tokens give way to most tokens', () => {
    expect(withModelDefaults({ ...input, maxTokens: 3 }, summarizer).minTokens).toBe(3)
  })
  test('allowed sequences take nothing that could contradict them', () => {
    const request = withModelDefaults({ ...input, allowedSequences: [[4, 5]] }, summarizer)
    for (const field of ['noRepeatNgramSize', 'badWords', 'forcedFirstTokenId', 'minTokens', 'maxTokens'] as const) {
      expect(request[field], field).toBeUndefined()
    }
  })
  test('a longer decoder prompt has no forced first token', () => {
    expect(withModelDefaults({ ...input, decoderInputTokenIds: [2, 3] }, summarizer).forcedFirstTokenId).toBeUndefined()
  })
})

test('a model that samples', () => {
  const sampler = context({ do_sample: true, temperature: 0.7, top_p: 0.9 })
  expect(withModelDefaults(input, sampler)).toMatchObject({ beamWidth: 1, temperature: 0.7, topK: 50, topP: 0.9 })
  expect(withModelDefaults({ ...input, temperature: 0 }, sampler)).toMatchObject({ temperature: 0 })
  expect(withModelDefaults({ ...input, temperature: 0 }, sampler).topK).toBeUndefined()
})

describe('languages', () => {
  const plain = context({})
  test('of the input go to its tokens, of the output to the decoder', () => {
    const request = withModelDefaults({ input: 'text', sourceLang: 'de_DE', targetLang: 'en_XX' }, plain)
    expect(request).toMatchObject({ inputTokenIds: [71, 8, 9, 2], forcedFirstTokenId: 70 })
    expect(request.input).toBeUndefined()
  })
  test.each([
    [{ input: 'text', sourceLang: 'xx_XX' }, "sourceLang must be a language of the model, got 'xx_XX'"],
    [{ ...input, sourceLang: 'de_DE' }, "sourceLang 'de_DE' needs input as text"],
    [{ ...input, targetLang: 'de_DE', forcedFirstTokenId: 4 }, 'cannot be combined'],
  ])('%o is refused', (request, message) => {
    expect(() => withModelDefaults(request, plain)).toThrow(message)
  })
  test('are refused by models that have none', () => {
    const none = { ...plain, languages: undefined }
    expect(() => withModelDefaults({ input: 'text', targetLang: 'de_DE' }, none)).toThrow('has no languages')
  })
})

test('settings that no request can have are told', () => {
  expect(unsupportedDefaults(context({ forced_eos_token_id: [2, 3] }))).toEqual(['forced_eos_token_id: 2,3'])
})
