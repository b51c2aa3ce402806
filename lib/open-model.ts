/** From what a user has to a folder that a runtime loads. */
import { readdir, stat } from 'node:fs/promises'
import type { EngineOptions } from './config.js'
import { checkpointFor } from './convert/cache.js'
import { isHuggingFaceFolder } from './convert/model-source.js'

/**
 * The folder itself, or the checkpoint of a Hugging Face folder or fairseq file, which is made now if it is not in the
 * cache.
 * @throws TrtllmError as `checkpointFor`
 */
export async function openModel(path: string, { cacheFolder }: EngineOptions): Promise<string> {
  return (await needsConversion(path)) ? checkpointFor(path, { cacheFolder }) : path
}

async function needsConversion(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return false // readModelFolder says so
  if (!found.isDirectory()) return path.endsWith('.pt')
  const names = await readdir(path)
  const isOurs = names.includes('decoder') && names.includes('encoder')
  return !isOurs && (isHuggingFaceFolder(names) || names.some((name) => name.endsWith('.pt')))
}
