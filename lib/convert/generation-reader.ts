/** Typed access to the fields of a generation_config.json. null counts as absent. */
import { TrtllmError } from '../errors.js'
import type { JsonObject } from './files.js'

/** Its methods throw TrtllmError ERR_MODEL_INVALID for a value of another kind. */
export interface GenerationReader {
  readonly source: string
  value(name: string): unknown
  integer(name: string, least: number): number | undefined
  number(name: string): number | undefined
  flag(name: string): boolean | undefined
  /** One id or a list of them. */
  ids(name: string): number[]
  /** A list of lists of ids. */
  words(name: string): number[][]
}

export function createGenerationReader(config: JsonObject, source: string): GenerationReader {
  function field<T>(name: string, expected: string, fits: (value: unknown) => value is T): T | undefined {
    const value = config[name] ?? undefined
    if (value === undefined || fits(value)) return value
    throw new TrtllmError(
      'ERR_MODEL_INVALID',
      `${source}: ${name} must be ${expected}, got ${JSON.stringify(value).slice(0, 60)}`,
    )
  }
  return {
    source,
    value: (name) => config[name] ?? undefined,
    integer: (name, least) =>
      field(name, `an integer >= ${least}`, (value): value is number => isInteger(value) && value >= least),
    number: (name) => field(name, 'a number', (value): value is number => Number.isFinite(value)),
    flag: (name) => field(name, 'true or false', (value) => typeof value === 'boolean'),
    ids: (name) => {
      const value = field(name, 'a token id or a list of them', (value) => isId(value) || isIds(value))
      return value === undefined ? [] : [value].flat()
    },
    words: (name) => field(name, 'a list of lists of token ids', isWords) ?? [],
  }
}

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value)
const isId = (value: unknown): value is number => isInteger(value) && value >= 0
const isIds = (value: unknown): value is number[] => Array.isArray(value) && value.every(isId)
const isWords = (value: unknown): value is number[][] =>
  Array.isArray(value) && value.every((word) => isIds(word) && word.length > 0)
