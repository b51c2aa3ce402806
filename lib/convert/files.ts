/** Small files of model folders. */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { TrtllmError } from '../errors.js'
import { isRecord } from '../validate.js'

export type JsonObject = Record<string, unknown>

/** @throws TrtllmError ERR_MODEL_INVALID if it cannot be read or is no JSON object */
export async function readJsonFile(file: string): Promise<JsonObject> {
  try {
    return parseObject(await readFile(file, 'utf8'))
  } catch (cause) {
    throw new TrtllmError('ERR_MODEL_INVALID', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

/** undefined if there is no such file. */
export async function readJsonFileIfThere(file: string): Promise<JsonObject | undefined> {
  return (await textIfThere(file)) === undefined ? undefined : readJsonFile(file)
}

export async function textIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new TrtllmError('ERR_MODEL_INVALID', `${file} cannot be read: ${reasonOf(error)}`, { cause: error })
  }
}

/** @throws Error if it is no JSON object */
export function parseObject(text: string): JsonObject {
  const parsed: unknown = JSON.parse(text)
  if (!isRecord(parsed)) throw new Error('it must hold a JSON object')
  return parsed
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of an error of the file system, such as 'ENOENT'. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Opens a file for reading, and closes it whatever happens. */
export async function withFile<T>(file: string, use: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  const handle = await open(file, 'r')
  try {
    return await use(handle, (await handle.stat()).size)
  } finally {
    await handle.close()
  }
}
