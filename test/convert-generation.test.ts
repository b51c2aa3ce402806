import { describe, expect, test } from 'vitest'
import { readGenerationDefaults, tokenLimitsOf } from '../lib/convert/generation.js'
import { fromModelConfig } from '../lib/convert/generation-file.js'

const NOTHING = {
  decoderStartTokenId: null,
  endIds: [],
  padId: null,
  forcedBosTokenId: null,
  forcedEosTokenIds: [],
  beginSuppressTokens: [],
  badWords: [],
  search: {
    beamWidth: 1,
    lengthPenalty: 1,
    earlyStopping: 0,
    numReturnSequences: undefined,
    noRepeatNgramSize: undefined,
    repetitionPenalty: undefined,
    temperature: undefined,
    topK: undefined,
    topP: undefined,
    minP: undefined,
  },
  lengths: { maxLength: undefined, maxNewTokens: undefined, minLength: undefined, minNewTokens: undefined },
  unsupported: [],
}

describe('readGenerationDefaults', () => {
  test('an empty file: greedy, and the defaults of Hugging Face for beams', () => {
    expect(readGenerationDefaults({})).toEqual(NOTHING)
  })

  test('null is the same as absence', () => {
    const fields = [
      'eos_token_id',
      'num_beams',
      'early_stopping',
      'bad_words_ids',
      'do_sample',
      'typical_p',
      'max_length',
    ]
    expect(readGenerationDefaults(Object.fromEntries(fields.map((name) => [name, null])))).toEqual(NOTHING)
  })

  test('as bart-large-cnn', () => {
    const defaults = readGenerationDefaults({
      bos_token_id: 0,
      decoder_start_token_id: 2,
      early_stopping: true,
      eos_token_id: 2,
      forced_bos_token_id: 0,
      forced_eos_token_id: 2,
      length_penalty: 2.0,
      max_length: 142,
      min_length: 56,
      no_repeat_ngram_size: 3,
      num_beams: 4,
      pad_token_id: 1,
    })
    expect(defaults).toEqual({
      ...NOTHING,
      decoderStartTokenId: 2,
      endIds: [2],
      padId: 1,
      forcedBosTokenId: 0,
      forcedEosTokenIds: [2],
      search: { ...NOTHING.search, beamWidth: 4, lengthPenalty: 2, earlyStopping: 1, noRepeatNgramSize: 3 },
      lengths: { ...NOTHING.lengths, maxLength: 142, minLength: 56 },
    })
  })

  test.each([
    [false, 0],
    [true, 1],
    ['never', 2],
  ])('early_stopping %s', (value, expected) => {
    expect(readGenerationDefaults({ early_stopping: value }).search.earlyStopping).toBe(expected)
  })

  test('several end tokens; the decoder starts with the begin token where it has no start of its own', () => {
    const defaults = readGenerationDefaults({ eos_token_id: [1, 5], bos_token_id: 3, forced_eos_token_id: [1, 5] })
    expect(defaults).toMatchObject({ endIds: [1, 5], decoderStartTokenId: 3, forcedEosTokenIds: [1, 5] })
  })

  test('suppressed tokens are bad words of one token; the end token alone is none, but may be suppressed', () => {
    const config = { eos_token_id: 1, bad_words_ids: [[7], [1], [4, 1]], suppress_tokens: [1, 9] }
    expect(readGenerationDefaults(config).badWords).toEqual([[7], [4, 1], [1], [9]])
  })

  test('settings of sampling count only where the model samples, and then have defaults', () => {
    const config = { temperature: 0.7, top_k: 10, top_p: 0.9, min_p: 0.1 }
    expect(readGenerationDefaults(config).search).toEqual(NOTHING.search)
    expect(readGenerationDefaults({ ...config, do_sample: true }).search).toMatchObject({
      temperature: 0.7,
      topK: 10,
      topP: 0.9,
      minP: 0.1,
    })
    expect(readGenerationDefaults({ do_sample: true }).search).toMatchObject({
      temperature: undefined,
      topK: 50,
      topP: 1,
    })
    expect(readGenerationDefaults({ do_sample: true, top_k: 0 }).search).toMatchObject({ topK: 0 })
  })

  test('neutral values are left out', () => {
    const config = { no_repeat_ngram_size: 0, repetition_penalty: 1.0 }
    expect(readGenerationDefaults(config)).toEqual(NOTHING)
    expect(readGenerationDefaults({ repetition_penalty: 1.3 }).search.repetitionPenalty).toBe(1.3)
  })

  test('what cannot be applied is listed by name', () => {
    const config = {
      encoder_no_repeat_ngram_size: 4,
      typical_p: 1.0,
      num_beam_groups: 2,
      diversity_penalty: 0.5,
      do_sample: true,
      num_beams: 2,
      stop_strings: ['x'],
    }
    expect(readGenerationDefaults(config).unsupported).toEqual([
      'diversity_penalty: 0.5',
      'encoder_no_repeat_ngram_size: 4',
      'num_beam_groups: 2',
      'stop_strings: ["x"]',
      'do_sample: true with num_beams: 2',
    ])
  })

  test.each([
    [{ eos_token_id: '1' }, 'eos_token_id must be a token id or a list of them, got "1"'],
    [{ eos_token_id: -1 }, 'eos_token_id must be a token id'],
    [{ num_beams: 0 }, 'num_beams must be an integer >= 1, got 0'],
    [{ num_beams: 2.5 }, 'num_beams must be an integer >= 1'],
    [{ length_penalty: 'a' }, 'length_penalty must be a number, got "a"'],
    [{ early_stopping: 'maybe' }, 'early_stopping must be true, false or "never", got "maybe"'],
    [{ bad_words_ids: [7] }, 'bad_words_ids must be a list of lists of token ids, got [7]'],
    [{ bad_words_ids: [[]] }, 'bad_words_ids must be a list of lists'],
    [{ suppress_tokens: [null] }, 'suppress_tokens must be a token id or a list of them'],
    [{ do_sample: 1 }, 'do_sample must be true or false, got 1'],
  ])('%o is refused by name', (config, message) => {
    expect(() => readGenerationDefaults(config, 'folder/generation_config.json')).toThrow(
      expect.objectContaining({
        code: 'ERR_MODEL_INVALID',
        message: expect.stringContaining(`folder/generation_config.json: ${message}`),
      }),
    )
  })
})

test('config.json of older folders: only what is about generation', () => {
  const config = { d_model: 4, num_beams: 4, eos_token_id: 2, max_length: null, task_specific_params: { num_beams: 9 } }
  expect(fromModelConfig(config)).toEqual({ num_beams: 4, eos_token_id: 2 })
})

describe('tokenLimitsOf', () => {
  const none = { maxLength: undefined, maxNewTokens: undefined, minLength: undefined, minNewTokens: undefined }
  test.each([
    ['nothing', none, { maxTokens: undefined, minTokens: undefined }],
    ['lengths count the prompt', { ...none, maxLength: 142, minLength: 56 }, { maxTokens: 141, minTokens: 55 }],
    ['numbers of tokens do not', { ...none, maxNewTokens: 20, minNewTokens: 6 }, { maxTokens: 20, minTokens: 6 }],
    [
      'numbers come before lengths',
      { maxLength: 9, maxNewTokens: 20, minLength: 9, minNewTokens: 3 },
      { maxTokens: 20, minTokens: 3 },
    ],
    ['no minimum', { ...none, minLength: 0, maxLength: 1 }, { maxTokens: 1, minTokens: undefined }],
  ])('%s', (_, lengths, expected) => {
    expect(tokenLimitsOf(lengths, 1)).toEqual(expected)
  })
})
