/** The regular expressions of an adapter's configuration, which are Python's, matched against module names. */
import { runInNewContext } from 'node:vm'
import { TrtllmError } from '../errors.js'

/** A pattern from a file must not be able to stop the process: matching all names may take so long. */
const LIMIT_MS = 1000

/**
 * For each name the index of the first pattern that matches it, -1 if none does.
 * @param patterns Python patterns, each matched against the whole name
 * @throws TrtllmError ERR_UNSUPPORTED: a pattern that JavaScript cannot read, or that takes too long
 */
export function firstMatches(patterns: readonly string[], names: readonly string[], option: string): number[] {
  if (patterns.length === 0) return names.map(() => -1)
  const expressions = patterns.map((pattern) => compile(pattern, option))
  try {
    const script = 'names.map((name) => expressions.findIndex((expression) => expression.test(name)))'
    return Array.from(runInNewContext(script, { names, expressions }, { timeout: LIMIT_MS }) as number[])
  } catch (cause) {
    const message = `${option} takes longer than ${LIMIT_MS} ms to match the names of modules`
    throw new TrtllmError('ERR_UNSUPPORTED', message, { cause, hint: 'write the names of the modules instead' })
  }
}

/** Python's fullmatch. Syntax of Python alone: named groups, \A and \Z, flags at the start. */
function compile(pattern: string, option: string): RegExp {
  const flags = /^\(\?([a-z]+)\)/.exec(pattern)
  const source = pattern
    .slice(flags?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replace(/\\([AZ])/g, (_, letter: string) => (letter === 'A' ? '^' : '$'))
  try {
    return new RegExp(`^(?:${source})$`, flags?.[1] ?? '')
  } catch (cause) {
    const message = `${option} '${pattern}' is no regular expression that can be read here`
    throw new TrtllmError('ERR_UNSUPPORTED', message, { cause, hint: 'write the names of the modules instead' })
  }
}
