/**
 * Checks of values that come from users. Every refusal has one sentence form, with the path of the value:
 * "kvCache.maxTokens must be an integer >= 1, got -3".
 */
import { TrtllmError } from './errors.js'

/** Returns the value as what it was checked to be, or throws a TrtllmError that names `path`. */
export type Validator<T> = (value: unknown, path: string) => T

/** What a validator must check so that an option type is covered, each field exactly once. */
export type FieldValidators<T> = { [K in keyof T]-?: Validator<Exclude<T[K], undefined>> }

export function invalid(path: string, expected: string, value: unknown, hint?: string): TrtllmError {
  return new TrtllmError('ERR_INVALID_ARGUMENT', `${path} must be ${expected}, got ${show(value)}`, { hint })
}

const INT32_MAX = 2 ** 31 - 1

/** A 32-bit integer from `min` to `max`. */
export function integer(min: number, max = INT32_MAX): Validator<number> {
  const expected = max === INT32_MAX ? `an integer >= ${min}` : `an integer from ${min} to ${max}`
  return (value, path) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    throw invalid(path, expected, value)
  }
}

/** A number that is not infinite. */
export const finite: Validator<number> = (value, path) => {
  if (Number.isFinite(value)) return value as number
  throw invalid(path, 'a finite number', value)
}

/** A number within a range, as the float32 that the executor holds. `expected` says the range. */
export function number(expected: string, isWithin: (value: number) => boolean): Validator<number> {
  return (value, path) => {
    if (typeof value === 'number' && Number.isFinite(Math.fround(value)) && isWithin(Math.fround(value))) return value
    throw invalid(path, `a number ${expected}`, value)
  }
}

/** A number strictly between 0 and 1. */
export const fraction: Validator<number> = (value, path) => {
  if (typeof value === 'number' && value > 0 && value < 1) return value
  throw invalid(path, 'a number between 0 and 1, both excluded', value)
}

/** Milliseconds that a Node.js timer can hold: > 0, at most about 24.8 days. */
export const milliseconds: Validator<number> = (value, path) => {
  if (typeof value === 'number' && value > 0 && value <= INT32_MAX) return value
  throw invalid(path, `a number of milliseconds > 0 and <= ${INT32_MAX}`, value)
}

export const boolean: Validator<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value
  throw invalid(path, 'true or false', value)
}

export function arrayOf<T>(item: Validator<T>, expected: string): Validator<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw invalid(path, expected, value)
    return value.map((element, i) => item(element, `${path}[${i}]`))
  }
}

export function oneOf<const T extends string>(choices: readonly T[]): Validator<T> {
  return (value, path) => {
    const found = choices.find((choice) => choice === value)
    if (found !== undefined) return found
    throw invalid(path, `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`, value)
  }
}

/** An object of the given optional fields and no others. Fields that are undefined count as absent. */
export function fields<T extends object>(validators: FieldValidators<T>, what = 'option'): Validator<Partial<T>> {
  const known = Object.keys(validators)
  return (value, path) => {
    if (!isRecord(value)) throw invalid(path || `the ${what}s`, 'an object', value)
    const checked: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(value)) {
      const fieldPath = path ? `${path}.${name}` : name
      if (!known.includes(name)) throw unknownField(what, fieldPath, name, known)
      if (field !== undefined) checked[name] = validators[name as keyof T](field, fieldPath)
    }
    return checked as Partial<T>
  }
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the fields that are undefined. */
export function defined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unknownField(what: string, path: string, name: string, known: string[]): TrtllmError {
  const near = known.find((candidate) => distance(candidate.toLowerCase(), name.toLowerCase()) <= 2)
  const hint = near === undefined ? `there are: ${known.join(', ')}` : `did you mean ${near}?`
  return new TrtllmError('ERR_UNKNOWN_OPTION', `unknown ${what} ${path}`, { hint })
}

/** Edit distance. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
