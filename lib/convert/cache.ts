/**
 * Checkpoints of Hugging Face folders that were loaded once: one folder per content in the user's cache, made by
 * whoever comes first. Nothing is ever changed there, only added; any folder may be removed at any time.
 */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, isAbsolute, join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { type ConvertProgress, convertSource, prevailingDtype } from './convert.js'
import type { Dtype } from './dtype.js'
import { createFileHasher } from './file-hashes.js'
import { codeOf, reasonOf, textIfThere } from './files.js'
import { type ModelSource, openModelSource } from './model-source.js'
import { existsFolder, removeStale } from './staging.js'

/** Raised whenever the converter writes something else for the same model: old folders are not used then. */
const CONVERTER_VERSION = 1

export interface CacheOptions {
  /** Type of the weights. @default 'auto': that of most of the model's weights */
  dtype?: Dtype | 'auto' | undefined
  /** @default $XDG_CACHE_HOME/trtllm-node, or ~/.cache/trtllm-node */
  cacheFolder?: string | undefined
  /** Called while a model is converted, which happens once. */
  onProgress?: ((progress: ConvertProgress) => void) | undefined
  signal?: AbortSignal | undefined
}

/** Everything beside the weights on which a checkpoint folder depends. */
const TEXT_FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']

/**
 * The checkpoint folder of a Hugging Face folder (or a fairseq checkpoint), converted now if it was not before. Any
 * number of processes may ask for the same at once: each gets a complete folder, and one of them stays.
 * @returns its absolute path
 * @throws TrtllmError as `convertModel`; ERR_OUTPUT if the cache cannot be written
 */
export async function checkpointFor(path: string, options: CacheOptions = {}): Promise<string> {
  const root = options.cacheFolder ?? defaultCacheFolder()
  const checkpoints = join(root, 'checkpoints')
  await makeFolder(checkpoints)
  const source = await openModelSource(path)
  const dtype = options.dtype === undefined || options.dtype === 'auto' ? prevailingDtype(source) : options.dtype
  const folder = join(checkpoints, await keyOf(source, dtype, root))
  if (await existsFolder(folder)) return folder
  await removeStale(checkpoints)
  const { onProgress, signal } = options
  await convertSource(source, folder, 'keep', { dtype, onProgress, signal })
  return folder
}

/** By the XDG base directory rules, where a relative path counts as not set. */
export function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME
  const valid = base !== undefined && isAbsolute(base)
  return join(valid ? base : join(env.HOME ?? homedir(), '.cache'), 'trtllm-node')
}

/** The name of a folder: of what the model's files hold, not of where they lie. */
async function keyOf(source: ModelSource, dtype: Dtype, root: string): Promise<string> {
  const hasher = createFileHasher(join(root, 'hashes'))
  const weights: [string, string][] = []
  for (const file of source.weightFiles) weights.push([basename(file), await hasher.hash(file)])
  const texts = await Promise.all(TEXT_FILES.map((name) => textIfThere(join(source.folder, name))))
  const content = JSON.stringify({ version: CONVERTER_VERSION, dtype, weights, texts })
  return createHash('sha256').update(content).digest('hex').slice(0, 32)
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    if (typeof codeOf(cause) !== 'string') throw cause
    throw new TrtllmError('ERR_OUTPUT', `the cache folder ${folder} cannot be made: ${reasonOf(cause)}`, {
      cause,
      hint: 'set XDG_CACHE_HOME to a folder that can be written, or convert with `trtllm-node convert` and load the result',
    })
  }
}
