/** From what a user has to what a runtime loads. */
import { readdir, stat } from 'node:fs/promises'
import type { EngineOptions } from './config.js'
import { checkpointFor } from './convert/cache.js'
import { isHuggingFaceFolder } from './convert/model-source.js'
import { TrtllmError } from './errors.js'
import { checkModelBuffers, describeConfigs, type ModelConfigs, parseConfigs } from './model-buffers.js'
import { type Model, type ModelFolder, readModelFolder } from './model-folder.js'
import type { RawModelSource } from './raw-config.js'
import { isRecord } from './validate.js'

export interface OpenModel {
  model: Model
  source: RawModelSource
  /** Of a model in memory, which has no files to read them from. */
  configs?: ModelConfigs
}

/**
 * The model in memory, in the folder, or in the checkpoint of a Hugging Face folder or fairseq file, which is made now
 * if it is not in the cache.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, and as `checkModelBuffers`, `readModelFolder` and `checkpointFor`
 */
export async function openModel(given: unknown, options: EngineOptions): Promise<OpenModel> {
  if (isRecord(given)) {
    const buffers = checkModelBuffers(given)
    const configs = parseConfigs(buffers)
    const { encoder, decoder } = buffers
    const source = { decoderBuffer: decoder, ...(encoder && { encoderBuffer: encoder }) }
    return { model: describeConfigs(configs), source, configs }
  }
  const model = readModelFolder(await convertedFolder(checkFolder(given), options))
  return { model, source: sourceOf(model) }
}

function sourceOf({ encoder, decoder, decoderOnly }: ModelFolder): RawModelSource {
  if (decoderOnly) return { decoderPath: decoder.folder, modelType: 'decoder-only' }
  return { decoderPath: decoder.folder, ...(encoder && { encoderPath: encoder.folder }) }
}

function checkFolder(folder: unknown): string {
  if (typeof folder === 'string' && folder !== '') return folder
  const given = String(folder) || "''"
  throw new TrtllmError('ERR_INVALID_ARGUMENT', `the model folder must be a path, got ${given}`)
}

async function convertedFolder(path: string, { cacheFolder }: EngineOptions): Promise<string> {
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
