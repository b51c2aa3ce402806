/** What a request may generate: one of several sequences, a forced first or last token. Ours, for every runtime. */
import { TrtllmError } from './errors.js'
import type { RawLimits } from './native.js'
import type { RawRequestExtras } from './raw-request.js'
import { checkId, checkIds, encodePlain, type Room, type TokenIds, textOrTokenIds, tokenIds } from './token-ids.js'
import type { Tokenizer } from './tokenizer.js'
import { arrayOf, type FieldValidators, integer, invalid } from './validate.js'

/**
 * Constraints set the logits of what they forbid to -Infinity before everything else is done with them, so
 * probabilities are those among what is allowed, and a forced token has log-probability 0.
 */
export interface ConstraintOptions {
  /** *Ours.* The first token, an id below `limits.decoderVocabSize`. @default none */
  forcedFirstTokenId?: number | undefined
  /** *Ours.* The last token that `maxTokens` allows, if the sequence gets that far; often the end token. @default none */
  forcedLastTokenId?: number | undefined
  /** *Ours.* Ids that are not the first token, or, with a forced first token, not the one after it. @default none */
  suppressedFirstTokenIds?: TokenIds | undefined
  /**
   * *Ours.* The output is one of these, as text (tokenised like a text of its own) or token ids, followed by the end
   * token. Not together with what could contradict it: forced tokens, `badWords`, `stopWords`, `noRepeatNgramSize`.
   * @default all
   */
  allowedSequences?: readonly (string | TokenIds)[] | undefined
}

export const CONSTRAINT_FIELDS: FieldValidators<ConstraintOptions> = {
  forcedFirstTokenId: integer(0),
  forcedLastTokenId: integer(0),
  suppressedFirstTokenIds: tokenIds,
  allowedSequences: (value, path) => {
    const expected = 'an array of at least one text or array of token ids'
    const sequences = arrayOf(textOrTokenIds, expected)(value, path)
    if (sequences.length > 0) return sequences
    throw invalid(path, expected, value)
  },
}

const CONTRADICTIONS = [
  'forcedFirstTokenId',
  'forcedLastTokenId',
  'suppressedFirstTokenIds',
  'badWords',
  'stopWords',
  'noRepeatNgramSize',
] as const

type Contradictions = { [K in (typeof CONTRADICTIONS)[number]]?: unknown }

/**
 * The allowed sequences as token ids; undefined if all are allowed. `room` is for each of them.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_NO_TOKENIZER
 */
export function toAllowedSequences(
  request: ConstraintOptions & Contradictions & { minTokens?: number | undefined },
  tokenizer: Tokenizer | undefined,
  endId: number | undefined,
  room: Room,
): Int32Array[] | undefined {
  if (request.allowedSequences === undefined) return undefined
  const contradiction = CONTRADICTIONS.find((name) => request[name] !== undefined)
  if (contradiction !== undefined) throw conflict(`allowedSequences cannot be combined with ${contradiction}`)
  if (endId === undefined) throw conflict('allowedSequences needs an end token, but there is no endId')
  const sequences = request.allowedSequences.map((sequence, i) => {
    const path = `allowedSequences[${i}]`
    const ids = typeof sequence === 'string' ? encodePlain(sequence, path, tokenizer) : sequence
    const checked = checkIds(ids, path, room)
    if (!checked.includes(endId)) return checked
    throw conflict(`${path} must not contain the end token ${endId}: it follows by itself`)
  })
  const shortest = Math.min(...sequences.map(({ length }) => length))
  const { minTokens = 0 } = request
  if (minTokens <= shortest) return sequences
  throw invalid('minTokens', `<= ${shortest} (the shortest of allowedSequences)`, minTokens)
}

/**
 * Forced tokens within the vocabulary.
 * @throws TrtllmError ERR_INVALID_ARGUMENT
 */
export function toForcedTokens(
  { forcedFirstTokenId, forcedLastTokenId, suppressedFirstTokenIds }: ConstraintOptions,
  { decoderVocabSize }: RawLimits,
  maxTokens: number,
): RawRequestExtras {
  const extras: RawRequestExtras = {}
  if (forcedFirstTokenId !== undefined) {
    extras.forcedFirstTokenId = checkId(forcedFirstTokenId, 'forcedFirstTokenId', decoderVocabSize)
  }
  if (forcedLastTokenId !== undefined) {
    extras.forcedLastTokenId = checkId(forcedLastTokenId, 'forcedLastTokenId', decoderVocabSize)
  }
  if (suppressedFirstTokenIds !== undefined) {
    const room = { maxLength: decoderVocabSize, limit: 'limits.decoderVocabSize', vocabSize: decoderVocabSize }
    extras.suppressedFirstTokenIds = checkIds(suppressedFirstTokenIds, 'suppressedFirstTokenIds', room)
  }
  const both = forcedFirstTokenId !== undefined && forcedLastTokenId !== undefined
  if (both && maxTokens === 1 && forcedFirstTokenId !== forcedLastTokenId) {
    const which = `forcedFirstTokenId ${forcedFirstTokenId} and forcedLastTokenId ${forcedLastTokenId}`
    throw conflict(`${which} must be equal with maxTokens 1`)
  }
  return extras
}

function conflict(message: string): TrtllmError {
  return new TrtllmError('ERR_INVALID_ARGUMENT', message)
}
