/** Words that end a text or must not occur in it, as the token sequences that spell them; and a bias per token. */
import type { RawLimits } from './native.js'
import { checkId, checkIds, encodePlain, type TokenIds, textOrTokenIds } from './token-ids.js'
import type { Tokenizer } from './tokenizer.js'
import { arrayOf, type FieldValidators, invalid, isRecord, type Validator } from './validate.js'

export interface WordOptions {
  /**
   * Words that are never generated: token ids as they are, or text. Text stands for its usual tokenisations at the
   * start of a word and inside one; the same letters in other tokens are not recognised. @default none
   */
  badWords?: readonly (string | TokenIds)[] | undefined
  /** Words that end a sequence once they are generated; they stay in the output. As `badWords`. @default none */
  stopWords?: readonly (string | TokenIds)[] | undefined
  /**
   * Added to the logits at every step: a number for each token of the decoder's vocabulary
   * (`limits.decoderVocabSize`), or for some by id; -Infinity bars a token. @default none
   */
  embeddingBias?: Float32Array | Readonly<Record<number, number>> | ReadonlyMap<number, number> | undefined
}

const words = arrayOf(textOrTokenIds, 'an array of words: text or token ids')

const biasOption: Validator<NonNullable<WordOptions['embeddingBias']>> = (value, path) => {
  if (value instanceof Float32Array || value instanceof Map) return value
  if (isRecord(value) && !ArrayBuffer.isView(value)) return value as Record<number, number>
  throw invalid(path, 'a Float32Array, or an object or Map from token ids to numbers', value)
}

export const WORD_FIELDS: FieldValidators<WordOptions> = {
  badWords: words,
  stopWords: words,
  embeddingBias: biasOption,
}

/**
 * Every token sequence that stands for one of the words, each once; undefined if there is none.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_NO_TOKENIZER
 */
export function toTokenSequences(
  wordList: WordOptions['badWords'],
  path: string,
  { limits, tokenizer }: { limits: RawLimits; tokenizer: Tokenizer | undefined },
): Int32Array[] | undefined {
  if (wordList === undefined || wordList.length === 0) return undefined
  const room = {
    maxLength: limits.maxSequenceLength,
    limit: 'limits.maxSequenceLength',
    vocabSize: limits.decoderVocabSize,
  }
  const found = new Map<string, Int32Array>()
  for (const [i, word] of wordList.entries()) {
    const here = `${path}[${i}]`
    const spellings = typeof word === 'string' ? spell(word, here, tokenizer) : [word]
    for (const spelling of spellings) {
      const ids = checkIds(spelling, here, room)
      found.set(ids.join(), ids)
    }
  }
  return [...found.values()]
}

/** Something to stand before a word, so that a tokenizer treats the word as the inside or the middle of a text. */
const LEAD = 'a'

/** How a text is tokenised at the start of a text, inside a word, and after a space. */
function spell(word: string, path: string, tokenizer: Tokenizer | undefined): ArrayLike<number>[] {
  const encode = (text: string) => Array.from(encodePlain(text, path, tokenizer))
  const lead = encode(LEAD)
  const after = [LEAD + word, `${LEAD} ${word}`]
    .map(encode)
    .filter((ids) => ids.length > lead.length && lead.every((id, i) => ids[i] === id))
    .map((ids) => ids.slice(lead.length))
  return [encode(word), ...after]
}

/**
 * A bias for every token; undefined if there is none.
 * @throws TrtllmError ERR_INVALID_ARGUMENT
 */
export function toEmbeddingBias(
  bias: WordOptions['embeddingBias'],
  { decoderVocabSize }: RawLimits,
): Float32Array | undefined {
  if (bias === undefined) return undefined
  if (bias instanceof Float32Array) {
    if (bias.length !== decoderVocabSize) {
      const expected = `a Float32Array of ${decoderVocabSize} numbers (limits.decoderVocabSize)`
      throw invalid('embeddingBias', expected, `one of ${bias.length}`)
    }
    for (const [id, value] of bias.entries()) checkBias(value, id)
    return bias.slice() // it is sent later
  }
  const entries = bias instanceof Map ? [...bias] : Object.entries(bias).map(([id, value]) => [Number(id), value])
  if (entries.length === 0) return undefined
  const all = new Float32Array(decoderVocabSize)
  for (const [id, value] of entries) {
    all[checkId(id, 'a key of embeddingBias', decoderVocabSize)] = checkBias(value, id)
  }
  return all
}

function checkBias(value: unknown, id: number | undefined): number {
  const isBias =
    typeof value === 'number' && (Number.isFinite(Math.fround(value)) || value === Number.NEGATIVE_INFINITY)
  if (isBias) return value
  throw invalid(`embeddingBias of token ${id}`, 'a number that is finite as float32, or -Infinity', value)
}
