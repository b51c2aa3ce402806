/**
 * Hugging Face folders whose weights tell where they come from: element [row, column] of tensor t is
 * t × 10000 + row × 100 + column, exactly representable, so that the place of each number in a checkpoint can be stated.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempFolder } from './temp.js'
import { type TestTensors, writeTensors } from './tensors.js'

export type Shapes = Record<string, number[]>

/** Number of a tensor: its place among the names. */
export function numberOf(shapes: Shapes, name: string): number {
  const number = Object.keys(shapes).indexOf(name)
  if (number < 0) throw new Error(`the model has no ${name}`)
  return number
}

/** The element of a tensor. */
export function element(shapes: Shapes, name: string, row: number, column = 0): number {
  return numberOf(shapes, name) * 10000 + row * 100 + column
}

export function markedTensors(shapes: Shapes): TestTensors {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const [rows = 1, columns = 1] = shape
      const values = Array.from({ length: rows * columns }, (_, i) =>
        element(shapes, name, Math.floor(i / columns), i % columns),
      )
      return [name, { shape, values }]
    }),
  )
}

/** A folder with config.json and model.safetensors. */
export function writeModel(config: object, shapes: Shapes): string {
  const folder = join(tempFolder(), 'model')
  mkdirSync(folder)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  writeTensors(join(folder, 'model.safetensors'), markedTensors(shapes))
  return folder
}

/** heads 2 × d_kv 3 = 6 is not d_model 4. */
export const T5_CONFIG = {
  model_type: 't5',
  vocab_size: 7,
  d_model: 4,
  d_kv: 3,
  num_heads: 2,
  d_ff: 8,
  num_layers: 2,
  num_decoder_layers: 4,
  relative_attention_num_buckets: 5,
  relative_attention_max_distance: 20,
  layer_norm_epsilon: 1e-6,
  feed_forward_proj: 'gated-gelu',
  tie_word_embeddings: false,
  decoder_start_token_id: 0,
  eos_token_id: 1,
  pad_token_id: 0,
}

/** The tensors of {@link T5_CONFIG}, as Hugging Face names them. */
export function t5Shapes({ gated = true, head = true } = {}): Shapes {
  const shapes: Shapes = { 'shared.weight': [7, 4], ...(head ? { 'lm_head.weight': [7, 4] } : {}) }
  for (const side of ['encoder', 'decoder'] as const) {
    const layers = side === 'encoder' ? 2 : 4
    for (let i = 0; i < layers; i++) Object.assign(shapes, t5Layer(`${side}.block.${i}.layer`, side, gated))
    shapes[`${side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`] = [5, 2]
    shapes[`${side}.final_layer_norm.weight`] = [4]
  }
  return shapes
}

function t5Layer(prefix: string, side: 'encoder' | 'decoder', gated: boolean): Shapes {
  const attention = (name: string): Shapes => ({
    [`${prefix}.${name}.q.weight`]: [6, 4],
    [`${prefix}.${name}.k.weight`]: [6, 4],
    [`${prefix}.${name}.v.weight`]: [6, 4],
    [`${prefix}.${name}.o.weight`]: [4, 6],
  })
  const mlp = `${prefix}.${side === 'encoder' ? 1 : 2}`
  return {
    ...attention('0.SelfAttention'),
    [`${prefix}.0.layer_norm.weight`]: [4],
    ...(side === 'decoder' ? { ...attention('1.EncDecAttention'), [`${prefix}.1.layer_norm.weight`]: [4] } : {}),
    ...(gated
      ? { [`${mlp}.DenseReluDense.wi_0.weight`]: [8, 4], [`${mlp}.DenseReluDense.wi_1.weight`]: [8, 4] }
      : { [`${mlp}.DenseReluDense.wi.weight`]: [8, 4] }),
    [`${mlp}.DenseReluDense.wo.weight`]: [4, 8],
    [`${mlp}.layer_norm.weight`]: [4],
  }
}

export const BART_CONFIG = {
  model_type: 'bart',
  vocab_size: 7,
  d_model: 4,
  encoder_layers: 2,
  decoder_layers: 2,
  encoder_attention_heads: 2,
  decoder_attention_heads: 4,
  encoder_ffn_dim: 6,
  decoder_ffn_dim: 8,
  max_position_embeddings: 5,
  activation_function: 'gelu',
  scale_embedding: false,
  normalize_before: false,
  decoder_start_token_id: 2,
  bos_token_id: 0,
  eos_token_id: 2,
  pad_token_id: 1,
}

/** The tensors of {@link BART_CONFIG} or, with `finalNorm`, of an mBART of that size. */
export function bartShapes({ prefix = 'model.', finalNorm = false, logitsBias = true } = {}): Shapes {
  const shapes: Shapes = {
    ...(logitsBias ? { final_logits_bias: [1, 7] } : {}),
    [`${prefix}shared.weight`]: [7, 4],
  }
  for (const side of ['encoder', 'decoder'] as const) {
    const part = `${prefix}${side}`
    shapes[`${part}.embed_positions.weight`] = [7, 4]
    Object.assign(shapes, withBias(`${part}.layernorm_embedding`, [4]))
    for (let i = 0; i < 2; i++) Object.assign(shapes, bartLayer(`${part}.layers.${i}`, side))
    if (finalNorm) Object.assign(shapes, withBias(`${part}.layer_norm`, [4]))
  }
  return shapes
}

function bartLayer(prefix: string, side: 'encoder' | 'decoder'): Shapes {
  const ffn = side === 'encoder' ? 6 : 8
  const attention = (name: string): Shapes => ({
    ...withBias(`${prefix}.${name}.k_proj`, [4, 4]),
    ...withBias(`${prefix}.${name}.v_proj`, [4, 4]),
    ...withBias(`${prefix}.${name}.q_proj`, [4, 4]),
    ...withBias(`${prefix}.${name}.out_proj`, [4, 4]),
    ...withBias(`${prefix}.${name}_layer_norm`, [4]),
  })
  return {
    ...attention('self_attn'),
    ...(side === 'decoder' ? attention('encoder_attn') : {}),
    ...withBias(`${prefix}.fc1`, [ffn, 4]),
    ...withBias(`${prefix}.fc2`, [4, ffn]),
    ...withBias(`${prefix}.final_layer_norm`, [4]),
  }
}

function withBias(name: string, shape: number[]): Shapes {
  return { [`${name}.weight`]: shape, [`${name}.bias`]: shape.slice(0, 1) }
}
