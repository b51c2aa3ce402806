/**
 * What a model's generation_config.json means, in the names and meanings of the executor. See docs/convert.md for the
 * table. Pure: reads no files.
 */
import { TrtllmError } from '../errors.js'
import type { JsonObject } from './files.js'
import { createGenerationReader, type GenerationReader } from './generation-reader.js'
import { unsupportedFields } from './generation-unsupported.js'

/** Settings of a model. Lists are empty and ids null where it has none. */
export interface GenerationDefaults {
  /** First token of the decoder. */
  decoderStartTokenId: number | null
  /** Each of them ends generation. */
  endIds: readonly number[]
  padId: number | null
  /** Must be the first token that is generated, if the decoder's prompt is one token. */
  forcedBosTokenId: number | null
  /** Must be the last token, where the greatest length is reached without another end. */
  forcedEosTokenIds: readonly number[]
  /** Must not be the first token that is generated; with a forced first token, not the one after it. */
  beginSuppressTokens: readonly number[]
  /** Token sequences that must not be generated; those of one token are suppressed everywhere. */
  badWords: readonly (readonly number[])[]
  search: SearchDefaults
  lengths: LengthDefaults
  /** Settings that cannot be applied, as 'name: value'. */
  unsupported: readonly string[]
}

/** Fields of a request by the executor's names; undefined: the model does not say, and the executor's default is right. */
export interface SearchDefaults {
  beamWidth: number
  /** Exponent of the length by which a beam's log-probability is divided. */
  lengthPenalty: number
  /** 0: stop when no beam is likely to improve; 1: when there are enough; 2: when none can improve. */
  earlyStopping: 0 | 1 | 2
  numReturnSequences: number | undefined
  noRepeatNgramSize: number | undefined
  repetitionPenalty: number | undefined
  /** The next four only where the model samples. */
  temperature: number | undefined
  topK: number | undefined
  topP: number | undefined
  minP: number | undefined
}

/** As in the file: lengths count the decoder's prompt, numbers of tokens do not. */
export interface LengthDefaults {
  maxLength: number | undefined
  maxNewTokens: number | undefined
  minLength: number | undefined
  minNewTokens: number | undefined
}

/** @throws TrtllmError ERR_MODEL_INVALID naming `source` and the field */
export function readGenerationDefaults(config: JsonObject, source = 'generation_config.json'): GenerationDefaults {
  const reader = createGenerationReader(config, source)
  const endIds = reader.ids('eos_token_id')
  return {
    decoderStartTokenId: reader.ids('decoder_start_token_id')[0] ?? reader.ids('bos_token_id')[0] ?? null,
    endIds,
    padId: reader.ids('pad_token_id')[0] ?? null,
    forcedBosTokenId: reader.ids('forced_bos_token_id')[0] ?? null,
    forcedEosTokenIds: reader.ids('forced_eos_token_id'),
    beginSuppressTokens: reader.ids('begin_suppress_tokens'),
    badWords: badWordsOf(reader, endIds),
    search: searchOf(reader),
    lengths: {
      maxLength: reader.integer('max_length', 1),
      maxNewTokens: reader.integer('max_new_tokens', 1),
      minLength: reader.integer('min_length', 0),
      minNewTokens: reader.integer('min_new_tokens', 0),
    },
    unsupported: unsupportedFields(config),
  }
}

/** The end tokens are no bad words, even if the file says so; but they can be suppressed. */
function badWordsOf(reader: GenerationReader, endIds: readonly number[]): number[][] {
  const words = reader.words('bad_words_ids').filter(([id, ...more]) => more.length > 0 || !endIds.includes(id ?? -1))
  return [...words, ...reader.ids('suppress_tokens').map((id) => [id])]
}

function searchOf(reader: GenerationReader): SearchDefaults {
  const samples = reader.flag('do_sample') ?? false
  const repetitionPenalty = reader.number('repetition_penalty')
  return {
    beamWidth: reader.integer('num_beams', 1) ?? 1,
    lengthPenalty: reader.number('length_penalty') ?? 1,
    earlyStopping: earlyStoppingOf(reader.value('early_stopping') ?? false, reader.source),
    numReturnSequences: reader.integer('num_return_sequences', 1),
    noRepeatNgramSize: reader.integer('no_repeat_ngram_size', 0) || undefined,
    repetitionPenalty: repetitionPenalty === 1 ? undefined : repetitionPenalty,
    temperature: samples ? reader.number('temperature') : undefined,
    topK: samples ? (reader.integer('top_k', 0) ?? 50) : undefined,
    topP: samples ? (reader.number('top_p') ?? 1) : undefined,
    minP: samples ? reader.number('min_p') : undefined,
  }
}

function earlyStoppingOf(value: unknown, source: string): 0 | 1 | 2 {
  if (value === false) return 0
  if (value === true) return 1
  if (value === 'never') return 2
  const found = JSON.stringify(value)
  throw new TrtllmError('ERR_MODEL_INVALID', `${source}: early_stopping must be true, false or "never", got ${found}`)
}

/**
 * The model's limits as numbers of tokens generated after a prompt; undefined where it has none. Hugging Face's own
 * limit of 20 tokens for models that say nothing is not taken over.
 */
export function tokenLimitsOf(
  { maxLength, maxNewTokens, minLength, minNewTokens }: LengthDefaults,
  promptLength: number,
): { maxTokens: number | undefined; minTokens: number | undefined } {
  const after = (length: number | undefined) => (length === undefined ? undefined : Math.max(0, length - promptLength))
  const maxTokens = maxNewTokens ?? after(maxLength)
  return {
    maxTokens: maxTokens === undefined ? undefined : Math.max(1, maxTokens),
    minTokens: (minNewTokens ?? after(minLength)) || undefined,
  }
}
