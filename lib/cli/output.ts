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
