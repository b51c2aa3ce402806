/** Typed access to a model's own configuration. Every refusal names the file and the field. */
import { TrtllmError } from '../errors.js'
import type { JsonObject } from './files.js'

export interface SettingsReader {
  readonly source: string
  /** An integer >= 1. Without a fallback the field must be there; null counts as absent, everywhere. */
  count(name: string, fallback?: number): number
  /** A number > 0. */
  positive(name: string, fallback?: number): number
  flag(name: string, fallback?: boolean): boolean
  text(name: string, fallback?: string): string
  /** A token id, or null if there is none. Of a list the first. */
  tokenId(name: string, fallback?: number | null): number | null
  has(name: string): boolean
  /** As it is. */
  value(name: string): unknown
}

/**
 * @param source what messages call it: its file
 * Its methods throw TrtllmError ERR_MODEL_INVALID.
 */
export function createSettingsReader(source: string, values: JsonObject): SettingsReader {
  function field<T>(name: string, fallback: T | undefined, expected: string, fits: (value: unknown) => value is T): T {
    const value = values[name] ?? undefined
    if (value === undefined && fallback !== undefined) return fallback
    if (value !== undefined && fits(value)) return value
    const found = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value)}`
    throw new TrtllmError('ERR_MODEL_INVALID', `${source}: ${name} must be ${expected}, but ${found}`)
  }
  return {
    source,
    count: (name, fallback) => field(name, fallback, 'an integer >= 1', isCount),
    positive: (name, fallback) => field(name, fallback, 'a number > 0', isPositive),
    flag: (name, fallback) => field(name, fallback, 'true or false', (value) => typeof value === 'boolean'),
    text: (name, fallback) => field(name, fallback, 'a text', (value) => typeof value === 'string'),
    tokenId: (name, fallback = null) => {
      const value = field<unknown>(name, fallback, 'a token id', isTokenIdOrIds)
      return (Array.isArray(value) ? (value[0] ?? null) : value) as number | null
    },
    has: (name) => (values[name] ?? undefined) !== undefined,
    value: (name) => values[name],
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1
const isPositive = (value: unknown): value is number => typeof value === 'number' && value > 0
const isTokenId = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isTokenIdOrIds = (value: unknown): value is unknown =>
  isTokenId(value) || (Array.isArray(value) && value.every(isTokenId))
