/** Adapter folders as PEFT saves them: adapter_config.json and adapter_model.safetensors (or .bin). */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toFloat32 } from '../convert/dtype.js'
import { readJsonFile } from '../convert/files.js'
import { readSafetensors } from '../convert/safetensors.js'
import {
  createTensorReader,
  elementsOf,
  isWeight,
  type TensorIndex,
  type TensorInfo,
  type TensorReader,
  type WeightInfo,
} from '../convert/tensor-index.js'
import { readTorchFile, tensorsOf } from '../convert/torch-file.js'
import { TrtllmError } from '../errors.js'
import {
  checkFits,
  type LoraAdapter,
  type LoraModuleInfo,
  type LoraModules,
  type LoraPair,
  type Refusal,
  refusal,
} from './adapter.js'
import type { LoraModel } from './model.js'
import { moduleNames, parseModuleName } from './modules.js'
import { type PeftConfig, parsePeftConfig, scalesOf, targetsOf } from './peft-config.js'

export const CONFIG_NAME = 'adapter_config.json'
const WEIGHTS_NAME = 'adapter_model.safetensors'
const PICKLE_NAME = 'adapter_model.bin'

/** What the files say of one module, its numbers not read yet. */
export interface PeftModule extends LoraModuleInfo {
  a: WeightInfo
  b: WeightInfo
  magnitude: WeightInfo | null
}

/** What an adapter folder holds, its numbers not read yet. */
export interface PeftFolder extends LoraModules<PeftModule> {
  config: PeftConfig
  /** What is in the folder and can be applied by no runtime. */
  refused: Refusal[]
}

export function isPeftFolder(folder: string): boolean {
  return existsSync(join(folder, CONFIG_NAME))
}

/**
 * Reads the configuration and the header of the weights.
 * @throws TrtllmError ERR_LORA_NOT_FOUND, ERR_LORA_INVALID: damaged files, pairs that are not whole or contradict the
 * configuration; ERR_UNSUPPORTED: another kind of adapter
 */
export async function openPeftFolder(folder: string): Promise<PeftFolder> {
  const file = join(folder, CONFIG_NAME)
  const config = parsePeftConfig(await readJsonFile(file).catch(ofAdapter), file)
  const parts = groupByModule(await readWeights(folder).catch(ofAdapter))
  const names = [...parts.modules.keys()]
  const scales = scalesOf(config, names)
  const modules: PeftModule[] = []
  const refused = [...parts.refused, ...refusedByConfig(config, parts.refused)]
  names.forEach((name, i) => {
    const { rank, scale } = scales[i] ?? { rank: config.rank, scale: 1 }
    const place = parseModuleName(name)
    if (place === null) refused.push({ name, reason: 'this module of the model takes no adapter' })
    else modules.push({ name, place, rank, scale, ...pairOf(folder, name, rank, parts.modules.get(name) ?? {}) })
  })
  checkMagnitudes(folder, config, modules)
  refused.push(...refusedAsNoTargets(config, modules))
  return { source: folder, config, family: parseModuleName(modules[0]?.name ?? '')?.family ?? null, modules, refused }
}

async function readWeights(folder: string): Promise<TensorIndex> {
  const [safe, pickle] = [join(folder, WEIGHTS_NAME), join(folder, PICKLE_NAME)]
  if (existsSync(safe)) return readSafetensors(safe)
  if (!existsSync(pickle)) {
    throw new TrtllmError('ERR_LORA_NOT_FOUND', `${folder} has neither ${WEIGHTS_NAME} nor ${PICKLE_NAME}`)
  }
  const file = await readTorchFile(pickle)
  return tensorsOf(file, file.root)
}

/** Errors of the readers that models and adapters share. */
function ofAdapter(error: unknown): never {
  if (!(error instanceof TrtllmError) || error.code !== 'ERR_MODEL_INVALID') throw error
  throw new TrtllmError('ERR_LORA_INVALID', error.message, { cause: error.cause })
}

type Part = 'a' | 'b' | 'magnitude'
type Parts = Partial<Record<Part, TensorInfo>>

const PARTS: Record<string, Part> = {
  'lora_A.weight': 'a',
  'lora_B.weight': 'b',
  lora_magnitude_vector: 'magnitude',
  'lora_magnitude_vector.weight': 'magnitude',
}

const TENSOR_NAME = /^base_model\.model\.(.+)\.(lora_(?:A|B)\.weight|lora_magnitude_vector(?:\.weight)?)$/

function groupByModule(tensors: TensorIndex): { modules: Map<string, Parts>; refused: Refusal[] } {
  const modules = new Map<string, Parts>()
  const refused: Refusal[] = []
  for (const [key, info] of tensors) {
    const [, name = '', suffix = ''] = TENSOR_NAME.exec(key) ?? []
    const part = PARTS[suffix]
    if (part === undefined) refused.push({ name: key.replace(/^base_model\.model\./, ''), reason: reasonAgainst(key) })
    else modules.set(name, { ...modules.get(name), [part]: info })
  }
  return { modules, refused }
}

function reasonAgainst(key: string): string {
  if (/\.lora_embedding_[AB]$/.test(key)) return 'adapters of embeddings cannot be applied'
  if (key.endsWith('.bias')) return 'trained biases cannot be applied'
  return 'trained parameters other than low-rank pairs cannot be applied'
}

/** Modules that were trained whole, where the weights do not show them. */
function refusedByConfig({ modulesToSave }: PeftConfig, shown: readonly Refusal[]): Refusal[] {
  return modulesToSave
    .filter((module) => !shown.some(({ name }) => name.split('.').includes(module)))
    .map((name) => ({ name, reason: 'modules that were trained whole (modules_to_save) cannot be applied' }))
}

/** PEFT ignores weights of modules that its configuration does not name. */
function refusedAsNoTargets(config: PeftConfig, modules: readonly PeftModule[]): Refusal[] {
  if (config.choosesLayers) return []
  const targets = targetsOf(
    config,
    modules.map(({ name }) => name),
  )
  return modules
    .filter((_, i) => targets[i] === false)
    .map(({ name }) => ({ name, reason: 'has weights, but is no target of adapter_config.json' }))
}

type PairTensors = Pick<PeftModule, 'widths' | 'isDora' | 'a' | 'b' | 'magnitude'>

function pairOf(folder: string, name: string, rank: number, parts: Parts): PairTensors {
  const fail = (what: string) => new TrtllmError('ERR_LORA_INVALID', `adapter ${folder}: ${name} ${what}`)
  const { a, b, magnitude = null } = parts
  if (a === undefined || b === undefined) throw fail(`has no lora_${a === undefined ? 'A' : 'B'}`)
  for (const info of [a, b, magnitude]) {
    if (info !== null && !isWeight(info)) throw fail(`has a tensor of type ${info.dtype}`)
  }
  const [out = 0, rankOfB] = b.shape
  const widths = { in: a.shape[1] ?? 0, out }
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== rank || rankOfB !== rank) {
    throw fail(`has lora_A [${a.shape}] and lora_B [${b.shape}], rank ${rank} needs [${rank}, in] and [out, ${rank}]`)
  }
  if (magnitude !== null && elementsOf(magnitude.shape) !== out) {
    throw fail(`has a lora_magnitude_vector [${magnitude.shape}], expected [${out}]`)
  }
  return { widths, isDora: magnitude !== null, a, b, magnitude } as PairTensors
}

function checkMagnitudes(folder: string, { dora }: PeftConfig, modules: readonly PeftModule[]): void {
  const wrong = modules.filter(({ isDora }) => isDora !== dora)
  const reason = dora ? 'has no lora_magnitude_vector' : 'has a lora_magnitude_vector without use_dora'
  if (wrong.length === 0) return
  throw refusal(
    'ERR_LORA_INVALID',
    folder,
    wrong.map(({ name }) => ({ name, reason })),
  )
}

/**
 * Whether all of the folder can be applied to a model, by some runtime at least.
 * @throws TrtllmError ERR_UNSUPPORTED: names what cannot be applied; ERR_LORA_INVALID: misfits, targets without weights
 */
export function checkPeftFolder(opened: PeftFolder, model: LoraModel): void {
  const { source, modules, refused } = opened
  if (refused.length > 0) throw refusal('ERR_UNSUPPORTED', source, refused)
  if (modules.length === 0) throw new TrtllmError('ERR_LORA_INVALID', `adapter ${source}: has no low-rank pairs`)
  checkFits(opened, model)
  checkComplete(opened, model)
}

/** The numbers of a folder. @throws TrtllmError ERR_LORA_INVALID: a file is truncated */
export async function readPeftFolder({ source, family, modules }: PeftFolder): Promise<LoraAdapter> {
  const reader = createTensorReader()
  try {
    const pairs: LoraPair[] = []
    for (const module of modules) pairs.push(await readNumbers(module, reader))
    return { source, family, modules: pairs, magnitudesAreNormalized: false }
  } finally {
    await reader.close()
  }
}

async function readNumbers(module: PeftModule, reader: TensorReader): Promise<LoraPair> {
  const read = async (info: WeightInfo) => {
    return toFloat32(await reader.read(info, 0, elementsOf(info.shape)).catch(ofAdapter), info.dtype)
  }
  const { a, b, magnitude } = module
  return {
    ...module,
    a: await read(a),
    b: await read(b),
    magnitude: magnitude === null ? null : await read(magnitude),
  }
}

/** A target of the configuration that the model has and the weights do not would be left out in silence. */
function checkComplete({ source, config, modules }: PeftFolder, model: LoraModel): void {
  if (config.targetModules === null || config.choosesLayers) return
  const names = moduleNames(model)
  const targets = targetsOf(config, names)
  const present = new Set(modules.map(({ name }) => name))
  const missing = names.filter((name, i) => targets[i] === true && !present.has(name))
  if (missing.length === 0) return
  const reason = 'is a target of adapter_config.json, but has no weights'
  throw refusal(
    'ERR_LORA_INVALID',
    source,
    missing.map((name) => ({ name, reason })),
  )
}
