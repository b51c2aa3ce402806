/** Standard output and standard error of the command-line tool. */
import { once } from 'node:events'
import type { TrtllmError } from '../errors.js'

/** A wrong command line: exit code 2. */
export class UsageError extends Error {}

/** Writes to standard output and waits while its reader is slow. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** "error [ERR_X]: message", and the hint below. */
export function printError(error: TrtllmError, about = ''): void {
  process.stderr.write(`error [${error.code}]: ${about}${error.message}\n`)
  if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`)
}

/** The value of an option that takes a whole number >= 1; undefined if it was not given. */
export function countOf(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value)
  throw new UsageError(`${flag} takes a whole number >= 1, got '${value}'`)
}
