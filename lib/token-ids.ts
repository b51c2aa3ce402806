/** Token ids that come from users: as they are, or as text that a tokenizer turns into them. */
import { TrtllmError } from './errors.js'
import type { Tokenizer } from './tokenizer.js'
import { invalid, type Validator } from './validate.js'

/** Token ids in: an array or typed array of integers. */
export type TokenIds = readonly number[] | Int32Array | Uint32Array | Uint16Array

export const tokenIds: Validator<TokenIds> = (value, path) => {
  if (isTokenIds(value)) return value
  throw invalid(path, 'an array of token ids', value)
}

export const textOrTokenIds: Validator<string | TokenIds> = (value, path) => {
  if ((typeof value === 'string' && value !== '') || (isTokenIds(value) && value.length > 0)) return value
  throw invalid(path, 'text or an array of token ids, not empty', value)
}

export const notEmptyText: Validator<string> = (value, path) => {
  if (typeof value === 'string' && value !== '') return value
  throw invalid(path, 'text that is not empty', value)
}

function isTokenIds(value: unknown): value is TokenIds {
  return (
    Array.isArray(value) || value instanceof Int32Array || value instanceof Uint32Array || value instanceof Uint16Array
  )
}

/** Room for ids: how many there may be, which limit says so, and how large they may be. */
export interface Room {
  maxLength: number
  limit: string
  vocabSize: number
}

export function checkIds(ids: ArrayLike<number>, path: string, { maxLength, limit, vocabSize }: Room): Int32Array {
  if (ids.length < 1 || ids.length > maxLength) {
    const expected = `1 to ${maxLength} tokens (${limit})`
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `${path} must have ${expected}, got ${ids.length}`)
  }
  const checked = new Int32Array(ids.length)
  for (let i = 0; i < ids.length; i++) checked[i] = checkId(ids[i], `token ${i} of ${path}`, vocabSize)
  return checked
}

export function checkId(id: unknown, path: string, vocabSize: number): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize) return id
  throw invalid(path, `an id from 0 to ${vocabSize - 1}`, id)
}

/**
 * Text for the decoder as ids, without special tokens.
 * @throws TrtllmError ERR_NO_TOKENIZER
 */
export function encodePlain(text: string, path: string, tokenizer: Tokenizer | undefined): ArrayLike<number> {
  if (tokenizer?.encodePlain !== undefined) return tokenizer.encodePlain(text)
  const lack = tokenizer === undefined ? 'the engine has no tokenizer' : 'the tokenizer has no encodePlain'
  throw new TrtllmError('ERR_NO_TOKENIZER', `${path} is text, but ${lack}`)
}
