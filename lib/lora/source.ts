/** Adapters from wherever they are: a PEFT folder, TensorRT-LLM's pair of files, or its two tensors. */
import { statSync } from 'node:fs'
import type { Dtype } from '../convert/dtype.js'
import { TrtllmError } from '../errors.js'
import type { Model, ModelFolder } from '../model-folder.js'
import {
  checkCapabilities,
  checkFinite,
  checkFits,
  checkRanks,
  type LoraAdapter,
  type LoraCapabilities,
} from './adapter.js'
import { type MergeOptions, type MergeResult, mergeAdapter, normalizeMagnitudes } from './merge.js'
import { type LoraModel, loraModel } from './model.js'
import { isPairFolder, readPairFolder } from './pair-folder.js'
import { checkPeftFolder, isPeftFolder, openPeftFolder, readPeftFolder } from './peft-folder.js'
import { fromLoraTensors, type LoraTensors, toLoraTensors } from './tensors.js'

/** A folder of one of the two forms, or the tensors themselves. */
export type LoraSource = string | LoraTensors

export interface PrepareOptions {
  /** What the runtime can apply. */
  capabilities: LoraCapabilities
  /** Largest rank that the engine takes. @default no limit */
  maxRank?: number | undefined
  /** @default the model's */
  dtype?: Dtype | undefined
}

/**
 * The tensors with which a request brings an adapter to a runtime, checked against the model.
 * @throws TrtllmError ERR_LORA_NOT_FOUND; ERR_LORA_INVALID: damaged, of another base model, rank above the limit, NaN;
 * ERR_UNSUPPORTED: names what the runtime cannot apply; ERR_MODEL_INVALID
 */
export async function prepareAdapter(
  source: LoraSource,
  described: Model,
  { capabilities, maxRank = Number.POSITIVE_INFINITY, dtype }: PrepareOptions,
): Promise<LoraTensors> {
  const model = loraModel(described)
  const adapter = await readAdapter(source, model)
  checkRanks(adapter, maxRank)
  checkCapabilities(adapter, model, capabilities)
  return toLoraTensors(await normalizeMagnitudes(adapter, described), model, dtype ?? model.dtype)
}

/**
 * Writes a copy of a checkpoint with an adapter merged into its weights: for every family, split and runtime.
 * @param source see {@link LoraSource}
 * @param out folder to make
 * @throws TrtllmError as {@link prepareAdapter}; ERR_OUTPUT: `out` is in use or cannot be written; AbortError
 */
export async function mergeIntoCheckpoint(
  source: LoraSource,
  folder: ModelFolder,
  out: string,
  options: MergeOptions = {},
): Promise<MergeResult> {
  const adapter = await readAdapter(source, loraModel(folder))
  return mergeAdapter(await normalizeMagnitudes(adapter, folder), folder, out, options)
}

/**
 * Whether an adapter belongs to a model, and some runtime or a merge can apply it.
 * @throws TrtllmError as {@link prepareAdapter}
 */
export async function checkAdapter(source: LoraSource, model: Model): Promise<void> {
  await readAdapter(source, loraModel(model))
}

/** All of an adapter that fits the model, in float32. */
async function readAdapter(source: LoraSource, model: LoraModel): Promise<LoraAdapter> {
  const adapter = typeof source === 'string' ? await readFolder(source, model) : readTensors(source, model)
  checkFits(adapter, model)
  await checkFinite(adapter)
  return adapter
}

async function readFolder(folder: string, model: LoraModel): Promise<LoraAdapter> {
  if (adapterForm(folder) === 'tensorrt-llm') return fromLoraTensors(await readPairFolder(folder), model, folder)
  const opened = await openPeftFolder(folder)
  checkPeftFolder(opened, model)
  return readPeftFolder(opened)
}

const readTensors = (tensors: LoraTensors, model: LoraModel) => fromLoraTensors(tensors, model, 'given as tensors')

export type AdapterForm = 'peft' | 'tensorrt-llm'

/** @throws TrtllmError ERR_LORA_NOT_FOUND: it is no folder, or holds neither form */
export function adapterForm(folder: string): AdapterForm {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new TrtllmError('ERR_LORA_NOT_FOUND', `there is no adapter folder ${folder}`)
  }
  if (isPeftFolder(folder)) return 'peft'
  if (isPairFolder(folder)) return 'tensorrt-llm'
  throw new TrtllmError('ERR_LORA_NOT_FOUND', `${folder} holds no adapter`, {
    hint: 'expected adapter_config.json of PEFT, or model.lora_weights.npy and model.lora_config.npy of TensorRT-LLM',
  })
}
