/** How the tokens of a request are chosen: the executor's SamplingConfig. */
import type { RawLimits } from './native.js'
import type { RawSamplingConfig } from './raw-request.js'
import { checkId } from './token-ids.js'
import { type FieldValidators, integer, invalid, number, type Validator } from './validate.js'

/**
 * Nothing given: greedy decoding. `topK` or `topP` given: tokens are drawn. `beamWidth` above 1: beam search. The order
 * of operations is: `embeddingBias`, `temperature`, the penalties, `minTokens`, `noRepeatNgramSize`, `badWords`, then
 * the choice.
 */
export interface SamplingOptions {
  /** Width of the beam search, 1 to `limits.maxBeamWidth`; 1: sampling or greedy. @default 1 */
  beamWidth?: number | undefined
  /** Draw from the so many most probable tokens, >= 0; 0: from all. No effect in beam search. @default 0 */
  topK?: number | undefined
  /**
   * Draw from the most probable tokens that have this probability together, > 0 and <= 1. No effect in beam search.
   * @default none: greedy unless `topK` is given
   */
  topP?: number | undefined
  /** Floor of a decaying `topP`, > 0 and <= 1. @default 1e-6 */
  topPMin?: number | undefined
  /** Token that sets a decayed `topP` back, an id below `limits.decoderVocabSize`. @default none */
  topPResetIds?: number | undefined
  /** Factor on `topP` after each token, > 0 and <= 1. @default 1 */
  topPDecay?: number | undefined
  /**
   * Seed of the draws: a safe integer >= 0 or a bigint of 64 bits. Equal seeds give equal tokens, whatever runs beside
   * the request. Sample i of `numReturnSequences` draws with seed + i. @default 0
   */
  seed?: number | bigint | undefined
  /** Divides the logits, >= 0; 0: greedy. @default 1 */
  temperature?: number | undefined
  /** The end token is barred before so many tokens, 0 to `maxTokens`. @default 0 (TensorRT-LLM: 1 beside others that set it) */
  minTokens?: number | undefined
  /** Bonus per beam for candidates of later beams, >= 0; 0: off. @default 0 */
  beamSearchDiversityRate?: number | undefined
  /** Divides positive logits of tokens that have occurred and multiplies negative ones, > 0; 1: off. @default 1 */
  repetitionPenalty?: number | undefined
  /** Taken off the logit of a token that has occurred; negative: a reward. @default 0 */
  presencePenalty?: number | undefined
  /** Taken off the logit of a token for each time it has occurred; negative: a reward. @default 0 */
  frequencyPenalty?: number | undefined
  /** Tokens at the start of the decoder prompt that the two penalties above do not count, >= 0. @default 0 */
  promptIgnoreLength?: number | undefined
  /** Beams are ranked by log-probability / length ^ this, >= 0; 0: by log-probability. @default 0 */
  lengthPenalty?: number | undefined
  /**
   * When a beam search ends, an integer >= 0. 1: as soon as `beamWidth` sequences have ended. 0: when no running beam
   * is better than the worst of them. Others: when none could become so at any length. @default 1
   */
  earlyStopping?: number | undefined
  /** No so many tokens occur twice in the same order, >= 1. @default none */
  noRepeatNgramSize?: number | undefined
  /**
   * Sequences to return, >= 1. Beam search: the best ones, at most `beamWidth`. Else independent samples, at most
   * `limits.maxBatchSize`, each of which takes a place in the batch. @default `beamWidth`
   */
  numReturnSequences?: number | undefined
  /** Draw only from tokens with at least this part of the largest probability, 0 to 1; 0: off. @default 0 */
  minP?: number | undefined
}

const probability = number('> 0 and <= 1', (value) => value > 0 && value <= 1)
const notNegative = number('>= 0', (value) => value >= 0)
const anyNumber = number('that is finite as float32', () => true)
const UINT64_MAX = 2n ** 64n - 1n

const seed: Validator<number | bigint> = (value, path) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (typeof value === 'bigint' && value >= 0n && value <= UINT64_MAX) return value
  throw invalid(path, `a safe integer >= 0 or a bigint from 0 to ${UINT64_MAX}`, value)
}

export const SAMPLING_FIELDS: FieldValidators<SamplingOptions> = {
  beamWidth: integer(1),
  topK: integer(0),
  topP: probability,
  topPMin: probability,
  topPResetIds: integer(0),
  topPDecay: probability,
  seed,
  temperature: notNegative,
  minTokens: integer(0),
  beamSearchDiversityRate: notNegative,
  repetitionPenalty: number('> 0', (value) => value > 0),
  presencePenalty: anyNumber,
  frequencyPenalty: anyNumber,
  promptIgnoreLength: integer(0),
  lengthPenalty: notNegative,
  earlyStopping: integer(0),
  noRepeatNgramSize: integer(1),
  numReturnSequences: integer(1),
  minP: number('from 0 to 1', (value) => value >= 0 && value <= 1),
}

const NAMES = Object.keys(SAMPLING_FIELDS) as (keyof SamplingOptions)[]

/**
 * The checked options within the limits; undefined if none is set.
 * @throws TrtllmError ERR_INVALID_ARGUMENT
 */
export function toSamplingConfig(
  options: SamplingOptions,
  limits: RawLimits,
  maxTokens: number,
): RawSamplingConfig | undefined {
  const { beamWidth = 1, numReturnSequences = 1, minTokens = 0, topPResetIds } = options
  refuseAbove(limits.maxBeamWidth, 'limits.maxBeamWidth', 'beamWidth', beamWidth)
  if (beamWidth > 1) refuseAbove(beamWidth, 'beamWidth', 'numReturnSequences', numReturnSequences)
  else refuseAbove(limits.maxBatchSize, 'limits.maxBatchSize', 'numReturnSequences', numReturnSequences)
  refuseAbove(maxTokens, 'maxTokens', 'minTokens', minTokens, 0)
  if (topPResetIds !== undefined) checkId(topPResetIds, 'topPResetIds', limits.decoderVocabSize)
  const set = NAMES.filter((name) => options[name] !== undefined).map((name) => [name, options[name]])
  return set.length === 0 ? undefined : (Object.fromEntries(set) as RawSamplingConfig)
}

function refuseAbove(max: number, limit: string, path: string, value: number, min = 1): void {
  if (value > max) throw invalid(path, `an integer from ${min} to ${max} (${limit})`, value)
}
