/**
 * Tiny models and adapters for them, written by rules of this file alone. All numbers lie on a coarse grid, so that sums
 * and products are exact and only the final rounding counts.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Dtype } from '../../lib/convert/dtype.js'
import { createRandom, type Random } from './random.js'
import { type TestTensor, writeTensors } from './tensor-files.js'

export type Side = 'encoder' | 'decoder'
/** One matrix of a layer: self attention, cross attention, feed-forward. */
export type Part = 'q' | 'k' | 'v' | 'o' | 'xq' | 'xk' | 'xv' | 'xo' | 'fc' | 'gate' | 'proj'

export interface TestModel {
  family: 't5' | 'bart'
  gated: boolean
  dtype: Dtype
  hidden: number
  heads: number
  headSize: number
  layers: Record<Side, number>
  ffn: Record<Side, number>
}

export const T5: TestModel = {
  family: 't5',
  gated: true,
  dtype: 'float32',
  hidden: 12,
  heads: 2,
  headSize: 8,
  layers: { encoder: 2, decoder: 4 },
  ffn: { encoder: 20, decoder: 24 },
}
export const BART: TestModel = { ...T5, family: 'bart', gated: false, headSize: 6 }

/** A matrix by its place; W is [out, in]. */
export type Matrices = Map<string, TestTensor>
export const keyOf = (side: Side, layer: number, part: Part): string => `${side}.${layer}.${part}`

export function partsOf(model: TestModel, side: Side): Part[] {
  const parts: Part[] = ['q', 'k', 'v', 'o', 'fc', 'proj']
  return [...parts, ...(model.gated ? ['gate' as const] : []), ...(side === 'decoder' ? CROSS : [])]
}
const CROSS: Part[] = ['xq', 'xk', 'xv', 'xo']

export function shapeOf(model: TestModel, side: Side, part: Part): [out: number, input: number] {
  const attention = model.heads * model.headSize
  if (part === 'o' || part === 'xo') return [model.hidden, attention]
  if (part === 'fc' || part === 'gate') return [model.ffn[side], model.hidden]
  return part === 'proj' ? [model.hidden, model.ffn[side]] : [attention, model.hidden]
}

/** Multiples of `step` from -4 to 4. */
export function grid(random: Random, length: number, step = 0.125): Float32Array {
  return Float32Array.from({ length }, () => (random.below(8 / step + 1) - 4 / step) * step)
}

export function randomMatrices(model: TestModel, seed = 1): Matrices {
  const random = createRandom(seed)
  const matrices: Matrices = new Map()
  for (const [side, layer, part] of places(model)) {
    const shape = shapeOf(model, side, part)
    matrices.set(keyOf(side, layer, part), { shape, values: grid(random, shape[0] * shape[1]) })
  }
  return matrices
}

export function places(model: TestModel): [Side, number, Part][] {
  return (['encoder', 'decoder'] as const).flatMap((side) =>
    Array.from({ length: model.layers[side] }, (_, layer) =>
      partsOf(model, side).map((part): [Side, number, Part] => [side, layer, part]),
    ).flat(),
  )
}

export interface Layout {
  tp?: number
  pp?: number
  /** Names of releases before 0.17. */
  oldNames?: boolean
}

/** Writes a checkpoint folder: each rank's share of the matrices, a norm, an embedding, and config.json. */
export function writeCheckpoint(folder: string, model: TestModel, matrices: Matrices, layout: Layout = {}): string {
  const { tp = 1, pp = 1 } = layout
  for (const side of ['encoder', 'decoder'] as const) {
    mkdirSync(join(folder, side), { recursive: true })
    writeFileSync(join(folder, side, 'config.json'), JSON.stringify(configOf(model, side, tp, pp)))
    for (let rank = 0; rank < tp * pp; rank++) {
      const tensors = rankTensors(
        model,
        matrices,
        side,
        { rank: rank % tp, tp, stage: Math.floor(rank / tp), pp },
        layout,
      )
      writeTensors(join(folder, side, `rank${rank}.safetensors`), tensors, model.dtype)
    }
  }
  writeFileSync(join(folder, 'tokenizer.json'), '{}')
  return folder
}

function configOf(model: TestModel, side: Side, tp: number, pp: number): object {
  return {
    architecture: side === 'encoder' ? 'EncoderModel' : 'DecoderModel',
    dtype: model.dtype,
    num_hidden_layers: model.layers[side],
    num_attention_heads: model.heads,
    head_size: model.headSize,
    hidden_size: model.hidden,
    intermediate_size: model.ffn[side],
    vocab_size: 10,
    gated_act: model.gated,
    mlp_type: model.gated ? 1 : 0,
    model_type: model.family,
    mapping: { world_size: tp * pp, tp_size: tp, pp_size: pp },
  }
}

interface Rank {
  rank: number
  tp: number
  stage: number
  pp: number
}

function rankTensors(
  model: TestModel,
  matrices: Matrices,
  side: Side,
  rank: Rank,
  { oldNames = false }: Layout,
): Record<string, TestTensor> {
  const perStage = model.layers[side] / rank.pp
  const prefix = oldNames ? `${side}_layers` : 'transformer.layers'
  const self = side === 'encoder' ? 'attention' : 'self_attention'
  const tensors: Record<string, TestTensor> = {
    'transformer.vocab_embedding.weight': { shape: [10, 2], values: new Float32Array(20).fill(rank.rank + 0.5) },
  }
  for (let local = 0; local < perStage; local++) {
    const take = (part: Part) => matrices.get(keyOf(side, rank.stage * perStage + local, part)) as TestTensor
    const put = (name: string, tensor: TestTensor) => {
      tensors[`${prefix}.${local}.${name}`] = tensor
    }
    const rows = (part: Part) => rowsOf(take(part), rank)
    put(`${self}.qkv.weight`, stacked([rows('q'), rows('k'), rows('v')]))
    put(`${self}.dense.weight`, columnsOf(take('o'), rank))
    put('mlp_layernorm.weight', { shape: [2], values: Float32Array.of(1, 2) })
    put('mlp.fc.weight', rows('fc'))
    if (model.gated) put('mlp.gate.weight', rows('gate'))
    put('mlp.proj.weight', columnsOf(take('proj'), rank))
    if (side === 'encoder') continue
    put('cross_attention.qkv.weight', stacked([rows('xq'), rows('xk'), rows('xv')]))
    put('cross_attention.dense.weight', columnsOf(take('xo'), rank))
  }
  return tensors
}

function rowsOf({ shape: [out = 0, input = 0], values }: TestTensor, { rank, tp }: Rank): TestTensor {
  const share = out / tp
  return { shape: [share, input], values: values.slice(rank * share * input, (rank + 1) * share * input) }
}

function columnsOf({ shape: [out = 0, input = 0], values }: TestTensor, { rank, tp }: Rank): TestTensor {
  const share = input / tp
  return { shape: [out, share], values: values.filter((_, i) => Math.floor((i % input) / share) === rank) }
}

function stacked(tensors: TestTensor[]): TestTensor {
  const values = Float32Array.from(tensors.flatMap((tensor) => [...tensor.values]))
  const columns = tensors[0]?.shape[1] ?? 0
  return { shape: [values.length / columns, columns], values }
}
