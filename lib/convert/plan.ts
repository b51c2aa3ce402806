/** From a family's table to the exact pieces that each tensor of each rank is made of. No weights are read here. */
import { TrtllmError } from '../errors.js'
import type { CheckpointConfig, Side, Split } from './checkpoint-config.js'
import type { Dtype } from './dtype.js'
import type { Division, Size, TensorRule } from './families/family.js'
import { isWeight, type TensorIndex, type WeightInfo } from './tensor-index.js'

/** Part of a checkpoint tensor: [rows, columns], row after row. A vector is one column wide. */
export type Piece =
  /** Rows and columns [from, to) of a tensor of the model, seen as a matrix of `width` columns. */
  | { kind: 'matrix'; source: WeightInfo; rows: Range; columns: Range; width: number }
  /** The transpose of a small matrix of the model, of which rows [from, to). */
  | { kind: 'transpose'; source: WeightInfo; rows: Range; width: number; height: number }
  | { kind: 'zeros'; elements: number }
  /** Sinusoids [rows, width] of the positions from `first` on. */
  | { kind: 'sinusoids'; first: number; rows: number; width: number }

export type Range = readonly [from: number, to: number]

export interface PlannedTensor {
  name: string
  dtype: Dtype
  shape: readonly number[]
  pieces: readonly Piece[]
}

export interface PlanContext {
  rules: readonly TensorRule[]
  /** The model's tensors by their names in the rules. */
  tensors: TensorIndex
  /** Where the tensors come from, for messages. */
  source: string
  split: Split
}

/**
 * The tensors of one rank of one component. Stage s of pp has the layers [s × L/pp, (s + 1) × L/pp), numbered from 0;
 * what belongs to no layer is on every stage, as TensorRT-LLM's converter writes it.
 * @throws TrtllmError ERR_MODEL_INVALID for a missing tensor or a wrong shape, ERR_UNSUPPORTED for sizes that do not
 * divide
 */
export function planRank(context: PlanContext, side: Side, config: CheckpointConfig, rank: number): PlannedTensor[] {
  const { tp, pp } = context.split
  const stage = Math.floor(rank / tp)
  const layers = config.num_hidden_layers / pp
  const rules = rulesOf(context.rules, side, config)
  const plan = (rule: TensorRule, from: number, to: number) =>
    planTensor(context, rule, { side, config, rank: rank % tp, from, to })
  return rules.flatMap((rule) => {
    if (!rule.to.includes('{i}')) return [plan(rule, 0, 0)]
    return Array.from({ length: layers }, (_, i) => plan(rule, stage * layers + i, i))
  })
}

/**
 * @throws TrtllmError ERR_UNSUPPORTED if heads, widths or layers do not divide, ERR_MODEL_INVALID if heads do not
 * divide the hidden size
 */
export function checkSplit(config: CheckpointConfig, side: Side, { tp, pp }: Split): void {
  const divided: [number, string, number, string][] = [
    [config.num_attention_heads, 'heads', tp, '--tp'],
    [config.intermediate_size, 'feed-forward outputs', tp, '--tp'],
    [config.num_hidden_layers, 'layers', pp, '--pp'],
  ]
  for (const [size, what, parts, flag] of divided) {
    if (size % parts === 0) continue
    throw new TrtllmError('ERR_UNSUPPORTED', `${flag} ${parts} does not divide the ${size} ${what} of the ${side}`)
  }
  if (Number.isInteger(config.head_size)) return
  const heads = `${config.num_attention_heads} heads of the ${side}`
  throw new TrtllmError('ERR_MODEL_INVALID', `the hidden size ${config.hidden_size} does not divide by the ${heads}`)
}

/** Every name that the rules of a component look for, with all alternatives. */
export function namesOf({ rules }: PlanContext, side: Side, config: CheckpointConfig): string[] {
  return rulesOf(rules, side, config).flatMap((rule) => {
    const layers = rule.to.includes('{i}') ? config.num_hidden_layers : 1
    return Array.from({ length: layers }, (_, i) => rule.from.flatMap((from) => alternatives(from, side, i))).flat()
  })
}

function rulesOf(rules: readonly TensorRule[], side: Side, config: CheckpointConfig): TensorRule[] {
  return rules.filter((rule) => (rule.side ?? side) === side && (rule.when?.(config) ?? true))
}

interface Place {
  side: Side
  config: CheckpointConfig
  /** Of tensor parallelism. */
  rank: number
  /** The layer's number in the model, and in the rank. */
  from: number
  to: number
}

function planTensor(context: PlanContext, rule: TensorRule, place: Place): PlannedTensor {
  const { config, side, rank } = place
  const sizes = rule.shape.map((size) => sizeOf(size, config))
  const [height, width] = matrixOf(rule.transpose ? sizes.toReversed() : sizes)
  const [rows, columns, missing] = partOf(rule.divide, height, width, rank, context.split.tp)
  const pieces = rule.from.map((from): Piece => {
    const source = findTensor(context, alternatives(from, side, place.from), expectedShape(rule, sizes))
    if (rule.transpose) return { kind: 'transpose', source, rows, width, height }
    const skip = rule.skipRows ?? 0
    return { kind: 'matrix', source, rows: [rows[0] + skip, rows[1] + skip], columns, width }
  })
  if (rule.sinusoidsFrom !== undefined) {
    pieces.push({ kind: 'sinusoids', first: rule.sinusoidsFrom, rows: height, width })
  }
  if (missing > 0) pieces.push({ kind: 'zeros', elements: missing * width })
  const stored = pieces.length - (missing > 0 ? 1 : 0)
  const shape = [stored * (rows[1] - rows[0]) + missing, columns[1] - columns[0]].slice(0, Math.max(sizes.length, 1))
  return {
    name: rule.to.replace('{i}', String(place.to)),
    dtype: rule.sinusoidsFrom === undefined ? config.dtype : 'float32',
    shape,
    pieces,
  }
}

function sizeOf(size: Size, config: CheckpointConfig): number {
  const sizes: Record<Size, number> = {
    H: config.hidden_size,
    A: config.num_attention_heads * config.head_size,
    F: config.intermediate_size,
    V: config.vocab_size,
    P: config.max_position_embeddings,
    B: config.num_buckets,
    N: config.num_attention_heads,
  }
  return sizes[size]
}

/** A vector is a matrix of one column. */
function matrixOf(shape: readonly number[]): [height: number, width: number] {
  return [shape[0] ?? 1, shape[1] ?? 1]
}

/** The rows and columns of a rank, and how many rows of zeros follow. */
function partOf(divide: Division, height: number, width: number, rank: number, tp: number): [Range, Range, number] {
  const whole: Range = [0, width]
  if (divide === 'whole') return [[0, height], whole, 0]
  if (divide === 'columns') return [[0, height], [(width / tp) * rank, (width / tp) * (rank + 1)], 0]
  const share = Math.ceil(height / tp)
  const from = Math.min(share * rank, height)
  const to = Math.min(from + share, height)
  return [[from, to], whole, share - (to - from)]
}

function expectedShape(rule: TensorRule, sizes: readonly number[]): number[] {
  return sizes.map((size, i) => (i === 0 ? size + (rule.skipRows ?? 0) : size))
}

function alternatives(from: string, side: Side, layer: number): string[] {
  return from.split(' | ').map((name) => name.replace('{side}', side).replace('{i}', String(layer)))
}

function findTensor(context: PlanContext, names: readonly string[], shape: readonly number[]): WeightInfo {
  const info = names.map((name) => context.tensors.get(name)).find((found) => found !== undefined)
  if (info === undefined) {
    throw new TrtllmError('ERR_MODEL_INVALID', `${context.source} has no tensor ${names.join(' or ')}`)
  }
  if (!isWeight(info)) {
    throw new TrtllmError('ERR_UNSUPPORTED', `${info.file}: ${info.name} has the type ${info.dtype}`, {
      hint: 'quantised models cannot be converted: take float32, float16 or bfloat16 weights',
    })
  }
  if (info.shape.join() !== shape.join()) {
    const sizes = `the shape [${shape}], which the configuration says, but has [${info.shape}]`
    throw new TrtllmError('ERR_MODEL_INVALID', `${info.file}: ${info.name} must have ${sizes}`)
  }
  return info
}
