/** PEFT adapters for the tiny models of lora-models.ts, and what they do to a matrix. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Dtype } from '../../lib/convert/dtype.js'
import { EMBEDDED_LORA, type LoraTensors, prepareAdapter } from '../../lib/lora/index.js'
import { type ModelFolder, readModelFolder } from '../../lib/model-folder.js'
import {
  grid,
  keyOf,
  type Matrices,
  type Part,
  places,
  randomMatrices,
  type Side,
  shapeOf,
  type TestModel,
  writeCheckpoint,
} from './lora-models.js'
import { createRandom } from './random.js'
import { tempFolder } from './temp.js'
import { type TestTensor, writeTensors } from './tensor-files.js'

export interface TestPair {
  side: Side
  layer: number
  part: Part
  name: string
  rank: number
  /** [rank, in] and [out, rank] */
  a: Float32Array
  b: Float32Array
}

const T5_PATHS: Record<Part, [encoder: string, decoder: string]> = {
  q: ['layer.0.SelfAttention.q', 'layer.0.SelfAttention.q'],
  k: ['layer.0.SelfAttention.k', 'layer.0.SelfAttention.k'],
  v: ['layer.0.SelfAttention.v', 'layer.0.SelfAttention.v'],
  o: ['layer.0.SelfAttention.o', 'layer.0.SelfAttention.o'],
  xq: ['', 'layer.1.EncDecAttention.q'],
  xk: ['', 'layer.1.EncDecAttention.k'],
  xv: ['', 'layer.1.EncDecAttention.v'],
  xo: ['', 'layer.1.EncDecAttention.o'],
  fc: ['layer.1.DenseReluDense.wi', 'layer.2.DenseReluDense.wi'],
  gate: ['layer.1.DenseReluDense.wi_1', 'layer.2.DenseReluDense.wi_1'],
  proj: ['layer.1.DenseReluDense.wo', 'layer.2.DenseReluDense.wo'],
}
const BART_PATHS: Record<Part, string> = {
  q: 'self_attn.q_proj',
  k: 'self_attn.k_proj',
  v: 'self_attn.v_proj',
  o: 'self_attn.out_proj',
  xq: 'encoder_attn.q_proj',
  xk: 'encoder_attn.k_proj',
  xv: 'encoder_attn.v_proj',
  xo: 'encoder_attn.out_proj',
  fc: 'fc1',
  gate: '',
  proj: 'fc2',
}

/** Hugging Face's name of a matrix. */
export function nameOf({ family, gated }: TestModel, side: Side, layer: number, part: Part): string {
  if (family === 'bart') return `model.${side}.layers.${layer}.${BART_PATHS[part]}`
  const path = T5_PATHS[part][side === 'encoder' ? 0 : 1]
  return `${side}.block.${layer}.${path}${part === 'fc' && gated ? '_0' : ''}`
}

/** A random pair for each of the matrices that `take` wants. */
export function randomPairs(
  model: TestModel,
  {
    rank = () => 2,
    take = () => true,
    seed = 7,
  }: { rank?: RankOf; take?: (name: string) => boolean; seed?: number } = {},
): TestPair[] {
  const random = createRandom(seed)
  return places(model)
    .map(([side, layer, part]) => ({ side, layer, part, name: nameOf(model, side, layer, part) }))
    .filter(({ name }) => take(name))
    .map(({ side, layer, part, name }) => {
      const [out, input] = shapeOf(model, side, part)
      const r = rank(name)
      return { side, layer, part, name, rank: r, a: grid(random, r * input, 0.25), b: grid(random, out * r, 0.25) }
    })
}
type RankOf = (name: string) => number

export interface WrittenAdapter {
  config?: Record<string, unknown>
  /** Tensors instead of, or besides, those of the pairs; undefined leaves one out. */
  tensors?: Record<string, TestTensor | undefined>
  dtype?: Dtype
}

/** Writes an adapter folder with rank 2, alpha 6 and the pairs as targets, unless `config` says otherwise. */
export function writeAdapter(
  folder: string,
  model: TestModel,
  pairs: readonly TestPair[],
  { config = {}, tensors = {}, dtype = 'float32' }: WrittenAdapter = {},
): string {
  mkdirSync(folder, { recursive: true })
  const targets = pairs.map(({ name }) => name)
  const defaults = { peft_type: 'LORA', r: 2, lora_alpha: 6, target_modules: targets, bias: 'none' }
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...defaults, ...config }))
  const all: Record<string, TestTensor | undefined> = { ...pairTensors(model, pairs), ...tensors }
  const present = Object.entries(all).filter((entry): entry is [string, TestTensor] => entry[1] !== undefined)
  writeTensors(join(folder, 'adapter_model.safetensors'), Object.fromEntries(present), dtype)
  return folder
}

/** The same in a folder that goes away with the test. */
export function tempAdapter(model: TestModel, pairs: readonly TestPair[], options: WrittenAdapter = {}): string {
  return writeAdapter(join(tempFolder(), 'adapter'), model, pairs, options)
}

export function tempCheckpoint(model: TestModel): ModelFolder {
  return readModelFolder(writeCheckpoint(join(tempFolder(), 'checkpoint'), model, randomMatrices(model)))
}

/** The adapter's tensors for the embedded runtime. */
export function prepareFor(model: TestModel, adapter: string): Promise<LoraTensors> {
  return prepareAdapter(adapter, tempCheckpoint(model), { capabilities: EMBEDDED_LORA })
}

export const keyA = (name: string): string => `base_model.model.${name}.lora_A.weight`
export const keyB = (name: string): string => `base_model.model.${name}.lora_B.weight`

function pairTensors(model: TestModel, pairs: readonly TestPair[]): Record<string, TestTensor> {
  const entries = pairs.flatMap(({ side, part, name, rank, a, b }): [string, TestTensor][] => {
    const [out, input] = shapeOf(model, side, part)
    return [
      [keyA(name), { shape: [rank, input], values: a }],
      [keyB(name), { shape: [out, rank], values: b }],
    ]
  })
  return Object.fromEntries(entries)
}

/** W + scale · B·A, unrounded. */
export function updated({ shape: [, input = 0], values }: TestTensor, pair: TestPair, scale: number): number[] {
  return Array.from(values, (weight, index) => {
    const [row, column] = [Math.floor(index / input), index % input]
    let product = 0
    for (let k = 0; k < pair.rank; k++) {
      product += (pair.b[row * pair.rank + k] ?? 0) * (pair.a[k * input + column] ?? 0)
    }
    return weight + scale * product
  })
}

/** All matrices of the merged model, rounded to its type. */
export function mergedMatrices(
  model: TestModel,
  matrices: Matrices,
  pairs: readonly TestPair[],
  scaleOf: (pair: TestPair) => number = () => 3,
): Matrices {
  const merged: Matrices = new Map(matrices)
  for (const pair of pairs) {
    const key = keyOf(pair.side, pair.layer, pair.part)
    const matrix = matrices.get(key) as TestTensor
    const values = Float32Array.from(updated(matrix, pair, scaleOf(pair)), (value) => rounded(value, model.dtype))
    merged.set(key, { shape: matrix.shape, values })
  }
  return merged
}

const FRACTION_BITS: Record<Dtype, number> = { float32: 23, float16: 10, bfloat16: 7 }

/** The nearest number of a type, ties to even; for numbers that are neither tiny nor huge. */
export function rounded(value: number, dtype: Dtype): number {
  if (value === 0) return value
  const quantum = 2 ** (Math.floor(Math.log2(Math.abs(value))) - FRACTION_BITS[dtype])
  const [steps, rest] = [Math.floor(value / quantum), (value / quantum) % 1]
  const above = rest < 0 ? rest + 1 : rest
  return (steps + (above > 0.5 || (above === 0.5 && Math.abs(steps % 2) === 1) ? 1 : 0)) * quantum
}
