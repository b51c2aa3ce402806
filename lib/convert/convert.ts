/** Converts a model into a checkpoint of TensorRT-LLM: encoder/ and decoder/, each config.json and rank{R}.safetensors. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { type CheckpointConfig, decoderConfig, encoderConfig, type Side, type Split } from './checkpoint-config.js'
import { BYTES_OF, type Dtype, toFloat32 } from './dtype.js'
import type { TensorRule } from './families/family.js'
import { codeOf } from './files.js'
import { generationFileFor } from './generation-file.js'
import { type ModelSource, openModelSource } from './model-source.js'
import { tensorBlocks } from './pieces.js'
import { checkSplit, namesOf, type PlanContext, type PlannedTensor, planRank } from './plan.js'
import { byteLength, writeSafetensors } from './safetensors-writer.js'
import { writeStaged } from './staging.js'
import { createTensorReader, elementsOf, isWeight, type TensorInfo, type TensorReader } from './tensor-index.js'

export interface ConvertOptions {
  /** GPUs that share each layer, >= 1. @default 1 */
  tp?: number | undefined
  /** Stages that share the layers, >= 1; the executor of TensorRT-LLM runs encoder-decoder models with 1 only. @default 1 */
  pp?: number | undefined
  /** Type of the weights. @default 'auto': that of most of the model's weights */
  dtype?: Dtype | 'auto' | undefined
  /** Called after each block. */
  onProgress?: ((progress: ConvertProgress) => void) | undefined
  /** Stops the conversion, and leaves nothing behind; its reason is thrown. */
  signal?: AbortSignal | undefined
}

export interface ConvertProgress {
  /** Of all files together. */
  bytesWritten: number
  bytesTotal: number
  /** The tensor being written, with its file. */
  tensor: string
}

export interface Conversion {
  /** Absolute path. */
  folder: string
  /** 'T5', 'BART' or 'fairseq translation'. */
  family: string
  dtype: Dtype
  bytes: number
  /** What a user should know about the result. */
  warnings: readonly string[]
}

/** One file of a checkpoint. */
interface RankFile {
  side: Side
  file: string
  tensors: readonly PlannedTensor[]
}

interface Plan {
  configs: Record<Side, CheckpointConfig>
  files: readonly RankFile[]
  dtype: Dtype
  bytes: number
}

const SIDES = ['encoder', 'decoder'] as const

/** Files beside the weights that a model needs for texts. */
const COMPANIONS = ['tokenizer.json', 'tokenizer_config.json'] as const

/**
 * Converts `path` (a Hugging Face folder or a checkpoint of fairseq) into the new folder `out`. Weights stream through
 * memory in blocks; `out` appears when everything is written.
 * @throws TrtllmError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED, ERR_UNSAFE_MODEL, ERR_OUTPUT
 */
export async function convertModel(path: string, out: string, options: ConvertOptions = {}): Promise<Conversion> {
  const source = await openModelSource(path)
  const { folder, plan } = await convertSource(source, out, 'fail', options)
  return {
    folder,
    family: source.family.name,
    dtype: plan.dtype,
    bytes: plan.bytes,
    warnings: warningsOf(source, plan),
  }
}

/** The same for a source that is open, also for the cache, where another process may be faster. */
export async function convertSource(
  source: ModelSource,
  out: string,
  ifThere: 'fail' | 'keep',
  options: ConvertOptions,
): Promise<{ folder: string; plan: Plan }> {
  const reader = createTensorReader()
  try {
    const plan = await planConversion(source, options, reader)
    const folder = await writeStaged(out, { ifThere }, (staging) =>
      writeCheckpoint(staging, source, plan, reader, options),
    )
    return { folder, plan }
  } finally {
    await reader.close()
  }
}

/** The type of a conversion without `dtype`: that of most bytes; float64 becomes float32. */
export function prevailingDtype({ tensors }: ModelSource): Dtype {
  const bytes = new Map<Dtype, number>()
  for (const info of tensors.values()) {
    if (!isWeight(info)) continue
    const dtype = info.dtype === 'float64' ? 'float32' : info.dtype
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + elementsOf(info.shape) * BYTES_OF[info.dtype])
  }
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'float32'
}

async function planConversion(source: ModelSource, options: ConvertOptions, reader: TensorReader): Promise<Plan> {
  const { family, settings } = source
  const split: Split = { tp: options.tp ?? 1, pp: options.pp ?? 1 }
  const dtype = options.dtype === undefined || options.dtype === 'auto' ? prevailingDtype(source) : options.dtype
  const tensors = withoutPrefix(source)
  const bias = await logitsBias(source, tensors, reader)
  const rules = [...family.tensors(settings), ...(bias === undefined ? [] : [bias])]
  const context: PlanContext = { rules, tensors, source: settings.source, split }
  const encoder = family.fields(settings, 'encoder')
  const decoder = { ...family.fields(settings, 'decoder'), ...family.decoderFields(settings) }
  const common = { dtype, split, hasLogitsBias: bias !== undefined }
  const configs = { encoder: encoderConfig(encoder, common), decoder: decoderConfig(decoder, encoder, common) }
  for (const side of SIDES) checkSplit(configs[side], side, split)
  const files = SIDES.flatMap((side) =>
    Array.from({ length: split.tp * split.pp }, (_, rank): RankFile => {
      return { side, file: `rank${rank}.safetensors`, tensors: planRank(context, side, configs[side], rank) }
    }),
  )
  checkNothingLost(source, context, configs)
  const bytes = files.flatMap((file) => file.tensors).reduce((sum, tensor) => sum + byteLength(tensor), 0)
  return { configs, files, dtype, bytes }
}

/** The model's tensors by the names of the rules. */
function withoutPrefix({ family, tensors }: ModelSource): Map<string, TensorInfo> {
  const prefix = family.prefix ?? ''
  return new Map([...tensors].map(([name, info]) => [name.startsWith(prefix) ? name.slice(prefix.length) : name, info]))
}

/** The rule for the bias of the logits, if the model has one that is not all zeros. */
async function logitsBias(
  { family }: ModelSource,
  tensors: Map<string, TensorInfo>,
  reader: TensorReader,
): Promise<TensorRule | undefined> {
  const name = family.logitsBias
  const info = name === undefined ? undefined : tensors.get(name)
  if (name === undefined || info === undefined || !isWeight(info)) return undefined
  const count = elementsOf(info.shape)
  tensors.set(name, { ...info, shape: [count] })
  const values = toFloat32(await reader.read(info, 0, count), info.dtype)
  if (values.every((value) => value === 0)) return undefined
  return { to: 'lm_head.bias', from: [name], shape: ['V'], divide: 'padded rows', side: 'decoder' }
}

/** Refuses a model with tensors that would be left out: it computes something else than its type says. */
function checkNothingLost({ family, settings }: ModelSource, context: PlanContext, configs: Plan['configs']): void {
  const known = new Set(SIDES.flatMap((side) => namesOf(context, side, configs[side])))
  if (family.logitsBias !== undefined) known.add(family.logitsBias)
  const lost = [...context.tensors.keys()].filter(
    (name) => !known.has(name) && !family.ignored.some((pattern) => pattern.test(name)),
  )
  if (lost.length === 0) return
  const shown = lost.slice(0, 3).join(', ') + (lost.length > 3 ? ` and ${lost.length - 3} more` : '')
  throw new TrtllmError('ERR_UNSUPPORTED', `${settings.source}: a ${family.name} model has no ${shown}`)
}

async function writeCheckpoint(
  folder: string,
  source: ModelSource,
  plan: Plan,
  reader: TensorReader,
  { onProgress, signal }: ConvertOptions,
): Promise<void> {
  let bytesWritten = 0
  async function* blocks(tensor: PlannedTensor, file: RankFile): AsyncGenerator<Uint8Array> {
    for await (const block of tensorBlocks(tensor, reader)) {
      signal?.throwIfAborted()
      yield block
      bytesWritten += block.length
      onProgress?.({ bytesWritten, bytesTotal: plan.bytes, tensor: `${file.side}/${file.file}: ${tensor.name}` })
    }
  }
  for (const side of SIDES) {
    await mkdir(join(folder, side))
    await writeFile(join(folder, side, 'config.json'), `${JSON.stringify(plan.configs[side], null, 2)}\n`)
  }
  for (const file of plan.files) {
    await writeSafetensors(join(folder, file.side, file.file), file.tensors, (tensor) => blocks(tensor, file))
  }
  await writeCompanions(folder, source)
}

async function writeCompanions(folder: string, source: ModelSource): Promise<void> {
  for (const name of COMPANIONS) {
    await copyFile(join(source.folder, name), join(folder, name)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
  }
  const generation = await generationFileFor(source.folder)
  if (generation === undefined) return
  await writeFile(join(folder, 'generation_config.json'), `${JSON.stringify(generation, null, 2)}\n`)
}

function warningsOf({ family }: ModelSource, { dtype, configs }: Plan): string[] {
  const warnings: string[] = []
  if (dtype === 'float16' && family.overflowsInFloat16) {
    warnings.push(
      `${family.name} models were trained in bfloat16: sums in their layers exceed float16's largest number, 65504, so ` +
        'TensorRT engines in float16 clamp them and may give wrong text; take bfloat16 or float32',
    )
  }
  if (configs.encoder.mapping.pp_size > 1) {
    warnings.push('the executor of TensorRT-LLM does not run encoder-decoder models with pipeline stages (--pp > 1)')
  }
  return warnings
}
