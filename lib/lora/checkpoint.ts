/**
 * Where the modules of an adapter lie in a checkpoint: `<component>/rank<R>.safetensors` with R = stage × tp + shard.
 * Every matrix is [out, in]. What reads hidden states is split on its rows, what writes them on its columns; the fused
 * query-key-value matrix of a rank is [Q shard; K shard; V shard]. Layers count from 0 in each pipeline stage.
 */
import { join } from 'node:path'
import type { Dtype } from '../convert/dtype.js'
import { readSafetensors } from '../convert/safetensors.js'
import { isWeight, type TensorInfo, type WeightInfo } from '../convert/tensor-index.js'
import { TrtllmError } from '../errors.js'
import { isModelFolder, type Model, type ModelPartFolder } from '../model-folder.js'
import { type LoraAdapter, type LoraPair, refusal } from './adapter.js'
import type { LoraComponent, LoraModule } from './modules.js'

/** The part of a module's matrix that one rank's tensor holds. */
export interface Slice {
  tensor: WeightInfo & { dtype: Dtype }
  /** Columns of the tensor. */
  columns: number
  /** First row in the tensor, and how many. */
  firstRow: number
  rows: number
  /** Which output of the module the first row is, and which input the first column. */
  firstOut: number
  firstIn: number
}

/** A pair and all slices that its matrix is made of. */
export interface PlacedPair {
  pair: LoraPair
  slices: Slice[]
}

interface Layout {
  /** Within a layer; the decoder's "attention" is "self_attention". */
  tensor: string
  /** Which of the matrices that are stacked in the tensor, and how many there are. */
  part: number
  parts: number
  split: 'rows' | 'columns'
}

type SingleModule = Exclude<LoraModule, 'attn_qkv' | 'cross_attn_qkv'>

const layout = (tensor: string, split: Layout['split'], part = 0, parts = 1): Layout => ({ tensor, split, part, parts })

const LAYOUTS: Record<SingleModule, Layout> = {
  attn_q: layout('attention.qkv', 'rows', 0, 3),
  attn_k: layout('attention.qkv', 'rows', 1, 3),
  attn_v: layout('attention.qkv', 'rows', 2, 3),
  attn_dense: layout('attention.dense', 'columns'),
  mlp_h_to_4h: layout('mlp.fc', 'rows'),
  mlp_gate: layout('mlp.gate', 'rows'),
  mlp_4h_to_h: layout('mlp.proj', 'columns'),
  cross_attn_q: layout('cross_attention.qkv', 'rows', 0, 3),
  cross_attn_k: layout('cross_attention.qkv', 'rows', 1, 3),
  cross_attn_v: layout('cross_attention.qkv', 'rows', 2, 3),
  cross_attn_dense: layout('cross_attention.dense', 'columns'),
}

/** Two generations of names. */
const LAYER_TENSOR = /^(?:transformer\.layers|encoder_layers|decoder_layers)\.(\d+)\.(.+)\.weight$/

/**
 * Finds every pair of an adapter that fits the model in the headers of the rank files.
 * @throws TrtllmError ERR_MODEL_INVALID: a rank file is missing, damaged or of another shape; ERR_UNSUPPORTED: quantised
 * matrices; ERR_LORA_INVALID: the checkpoint lacks a matrix
 */
export async function placeInCheckpoint(adapter: LoraAdapter, model: Model): Promise<PlacedPair[]> {
  if (!isModelFolder(model)) {
    throw new TrtllmError('ERR_UNSUPPORTED', 'DoRA needs the model in a folder, not in memory')
  }
  if (model.kind !== 'checkpoint') {
    throw new TrtllmError('ERR_UNSUPPORTED', `${model.folder} holds engines, whose weights cannot be read`, {
      hint: 'take the checkpoint that they were built from',
    })
  }
  const placed = adapter.modules.flatMap(unfused).map((pair): PlacedPair => ({ pair, slices: [] }))
  const byTensor = new Map<string, PlacedPair[]>()
  for (const item of placed) {
    const key = tensorKey(item.pair)
    byTensor.set(key, [...(byTensor.get(key) ?? []), item])
  }
  for (const component of ['encoder', 'decoder'] as const) {
    const part = model[component]
    if (part !== null) await placeComponent(component, part, byTensor)
  }
  checkAllPlaced(placed, adapter, model.folder)
  return placed
}

/** A pair for the fused matrix as three, which share A. */
function unfused(pair: LoraPair): LoraPair[] {
  const { module } = pair.place
  if (module !== 'attn_qkv' && module !== 'cross_attn_qkv') return [pair]
  const out = pair.widths.out / 3
  return ['q', 'k', 'v'].map((part, i) => ({
    ...pair,
    place: { ...pair.place, module: module.replace('qkv', part) as LoraModule },
    widths: { in: pair.widths.in, out },
    b: pair.b.subarray(i * out * pair.rank, (i + 1) * out * pair.rank),
    magnitude: pair.magnitude?.subarray(i * out, (i + 1) * out) ?? null,
  }))
}

const layoutOf = (pair: LoraPair): Layout => LAYOUTS[pair.place.module as SingleModule]

function tensorKey(pair: LoraPair): string {
  const { component, layer } = pair.place
  const { tensor } = layoutOf(pair)
  return `${component}.${layer}.${component === 'decoder' ? tensor.replace(/^attention/, 'self_attention') : tensor}`
}

async function placeComponent(
  component: LoraComponent,
  part: ModelPartFolder,
  byTensor: ReadonlyMap<string, PlacedPair[]>,
): Promise<void> {
  const { tensorParallel: shards, pipelineParallel: stages } = part
  const layersPerStage = Math.floor((part.layers ?? 0) / stages)
  for (let rank = 0; rank < shards * stages; rank++) {
    const stage = Math.floor(rank / shards)
    for (const [name, tensor] of await readSafetensors(join(part.folder, `rank${rank}.safetensors`))) {
      const [, layer, rest] = LAYER_TENSOR.exec(name) ?? []
      const items = byTensor.get(`${component}.${stage * layersPerStage + Number(layer)}.${rest}`) ?? []
      for (const { pair, slices } of items) slices.push(sliceOf(pair, tensor, rank % shards, shards))
    }
  }
}

function sliceOf(pair: LoraPair, tensor: TensorInfo, shard: number, shards: number): Slice {
  const { part, parts, split } = layoutOf(pair)
  const rows = split === 'rows' ? pair.widths.out / shards : pair.widths.out
  const columns = split === 'rows' ? pair.widths.in : pair.widths.in / shards
  const expected = [parts * rows, columns]
  if (tensor.shape.length !== 2 || tensor.shape.some((size, i) => size !== expected[i])) {
    const message = `${tensor.file}: ${tensor.name} has the shape [${tensor.shape}], expected [${expected}]`
    throw new TrtllmError('ERR_MODEL_INVALID', message)
  }
  return {
    tensor: mergeable(tensor),
    columns,
    firstRow: part * rows,
    rows,
    firstOut: split === 'rows' ? shard * rows : 0,
    firstIn: split === 'rows' ? 0 : shard * columns,
  }
}

function mergeable(tensor: TensorInfo): Slice['tensor'] {
  const { dtype } = tensor
  if (isWeight(tensor) && dtype !== 'float64') return { ...tensor, dtype: dtype as Dtype }
  throw new TrtllmError(
    'ERR_UNSUPPORTED',
    `${tensor.file}: ${tensor.name} is of type ${dtype}, which loses the adapter`,
    {
      hint: 'merge into the checkpoint before it is quantised',
    },
  )
}

function checkAllPlaced(placed: readonly PlacedPair[], adapter: LoraAdapter, folder: string): void {
  const missing = placed.filter(({ pair, slices }) => {
    return slices.reduce((sum, { rows, columns }) => sum + rows * columns, 0) !== pair.widths.in * pair.widths.out
  })
  if (missing.length === 0) return
  const reason = `${folder} does not hold the whole matrix`
  throw refusal(
    'ERR_LORA_INVALID',
    adapter.source,
    missing.map(({ pair }) => ({ name: pair.name, reason })),
  )
}
