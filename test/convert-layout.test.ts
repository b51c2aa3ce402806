/**
 * The documented layout, tensor by tensor. Each row of a table says where element [row, column] of a checkpoint tensor
 * comes from; models are marked so that each number tells its tensor, row and column.
 */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { convertModel } from '../lib/convert/convert.js'
import { tempFolder } from './helpers/temp.js'
import { type ReadTensor, readTensors } from './helpers/tensors.js'
import {
  BART_CONFIG,
  bartShapes,
  element,
  type Shapes,
  T5_CONFIG,
  t5Shapes,
  writeModel,
} from './helpers/tiny-models.js'

/** A tensor's name in the model, and the row and column there. */
type Origin = [name: string, row: number, column?: number]
/** Checkpoint tensor -> its shape, and where an element comes from; 0 is a zero that fills up. */
type Layout = Record<string, { shape: number[]; from: (row: number, column: number) => Origin | 0 }>

async function convert(folder: string, options: { tp?: number; pp?: number } = {}): Promise<string> {
  const out = join(tempFolder(), 'checkpoint')
  await convertModel(folder, out, options)
  return out
}

function expectLayout(found: Record<string, ReadTensor>, layout: Layout, shapes: Shapes): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(layout).sort())
  for (const [name, { shape, from }] of Object.entries(layout)) {
    const [rows = 1, columns = 1] = shape
    const values = Array.from({ length: rows * columns }, (_, i) => {
      const origin = from(Math.floor(i / columns), i % columns)
      return origin === 0 ? 0 : element(shapes, ...origin)
    })
    expect({ name, ...found[name] }).toEqual({ name, dtype: 'F32', shape, values })
  }
}

/** The same element of one tensor. */
const same =
  (name: string) =>
  (row: number, column: number): Origin => [name, row, column]
const norm = (name: string) => ({ shape: [4], from: same(name) })

describe('T5', () => {
  const shapes = t5Shapes()

  /** [3A, H]: the rows of q, then of k, then of v; A = 6. */
  const qkv =
    (prefix: string) =>
    (row: number, column: number): Origin => {
      return [`${prefix}.${'qkv'[Math.floor(row / 6)]}.weight`, row % 6, column]
    }
  /** [heads, buckets]: the transpose of block 0's table. */
  const table = (side: string) => ({
    shape: [2, 5],
    from: (row: number, column: number): Origin => [
      `${side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`,
      column,
      row,
    ],
  })
  const layer = (side: string, i: number, cross: boolean): Layout => {
    const to = `transformer.layers.${i}`
    const from = `${side}.block.${i}.layer`
    const self = cross ? 'self_attention' : 'attention'
    const mlp = `${from}.${cross ? 2 : 1}`
    return {
      [`${to}.${self}.qkv.weight`]: { shape: [18, 4], from: qkv(`${from}.0.SelfAttention`) },
      [`${to}.${self}.dense.weight`]: { shape: [4, 6], from: same(`${from}.0.SelfAttention.o.weight`) },
      [`${to}.${self}.rel_attn_table`]: table(side),
      [`${to}.${self}_layernorm.weight`]: norm(`${from}.0.layer_norm.weight`),
      ...(cross && {
        [`${to}.cross_attention.qkv.weight`]: { shape: [18, 4], from: qkv(`${from}.1.EncDecAttention`) },
        [`${to}.cross_attention.dense.weight`]: { shape: [4, 6], from: same(`${from}.1.EncDecAttention.o.weight`) },
        [`${to}.cross_attention_layernorm.weight`]: norm(`${from}.1.layer_norm.weight`),
      }),
      [`${to}.mlp_layernorm.weight`]: norm(`${mlp}.layer_norm.weight`),
      [`${to}.mlp.fc.weight`]: { shape: [8, 4], from: same(`${mlp}.DenseReluDense.wi_0.weight`) },
      [`${to}.mlp.gate.weight`]: { shape: [8, 4], from: same(`${mlp}.DenseReluDense.wi_1.weight`) },
      [`${to}.mlp.proj.weight`]: { shape: [4, 8], from: same(`${mlp}.DenseReluDense.wo.weight`) },
    }
  }
  const encoder: Layout = {
    'transformer.vocab_embedding.weight': { shape: [7, 4], from: same('shared.weight') },
    ...layer('encoder', 0, false),
    ...layer('encoder', 1, false),
    'transformer.ln_f.weight': norm('encoder.final_layer_norm.weight'),
  }
  const decoder: Layout = {
    'transformer.vocab_embedding.weight': { shape: [7, 4], from: same('shared.weight') },
    ...[0, 1, 2, 3].reduce((all, i) => Object.assign(all, layer('decoder', i, true)), {} as Layout),
    rel_attn_table: table('decoder'),
    'transformer.ln_f.weight': norm('decoder.final_layer_norm.weight'),
    'lm_head.weight': { shape: [7, 4], from: same('lm_head.weight') },
  }

  test('one rank', async () => {
    const out = await convert(writeModel(T5_CONFIG, shapes))
    expectLayout(readTensors(join(out, 'encoder/rank0.safetensors')), encoder, shapes)
    expectLayout(readTensors(join(out, 'decoder/rank0.safetensors')), decoder, shapes)
  })

  test('tied head: the embedding', async () => {
    const tied = t5Shapes({ head: false })
    const out = await convert(writeModel({ ...T5_CONFIG, tie_word_embeddings: true }, tied))
    const layout = { ...decoder, 'lm_head.weight': { shape: [7, 4], from: same('shared.weight') } }
    expectLayout(readTensors(join(out, 'decoder/rank0.safetensors')), layout, tied)
  })

  test('plain feed-forward: wi is fc, and there is no gate', async () => {
    const plain = t5Shapes({ gated: false })
    const out = await convert(writeModel({ ...T5_CONFIG, feed_forward_proj: 'relu' }, plain))
    const found = readTensors(join(out, 'encoder/rank0.safetensors'))
    const layout = Object.entries(encoder).filter(([name]) => !name.includes('gate'))
    const fc = [0, 1].map((i) => [
      `transformer.layers.${i}.mlp.fc.weight`,
      { shape: [8, 4], from: same(`encoder.block.${i}.layer.1.DenseReluDense.wi.weight`) },
    ])
    expectLayout(found, Object.fromEntries([...layout, ...fc]), plain)
  })

  test('tp 2 × pp 2: rank R = stage × 2 + part', async () => {
    const out = await convert(writeModel(T5_CONFIG, shapes), { tp: 2, pp: 2 })
    for (const [stage, part] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const file = `decoder/rank${stage * 2 + part}.safetensors`
      expectLayout(readTensors(join(out, file)), decoderPart(stage, part), shapes)
    }
  })

  /** Stage s has the layers 2s and 2s + 1 as 0 and 1; part p of 2 has one head of 2, 4 of 8 outputs. */
  function decoderPart(stage: number, part: number): Layout {
    /** 3 rows of q, 3 of k, 3 of v: each divided alone. */
    const qkvPart = (prefix: string) => ({
      shape: [9, 4],
      from: (row: number, column: number): Origin => [
        `${prefix}.${'qkv'[Math.floor(row / 3)]}.weight`,
        3 * part + (row % 3),
        column,
      ],
    })
    const rows = (name: string, shape: number[]) => ({
      shape,
      from: (row: number, column: number): Origin => [name, (shape[0] ?? 0) * part + row, column],
    })
    const columns = (name: string, shape: number[]) => ({
      shape,
      from: (row: number, column: number): Origin => [name, row, (shape[1] ?? 0) * part + column],
    })
    const tablePart = {
      shape: [1, 5],
      from: (_: number, column: number): Origin => [
        'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
        column,
        part,
      ],
    }
    const layers = [0, 1].map((i): Layout => {
      const to = `transformer.layers.${i}`
      const from = `decoder.block.${2 * stage + i}.layer`
      return {
        [`${to}.self_attention.qkv.weight`]: qkvPart(`${from}.0.SelfAttention`),
        [`${to}.self_attention.dense.weight`]: columns(`${from}.0.SelfAttention.o.weight`, [4, 3]),
        [`${to}.self_attention.rel_attn_table`]: tablePart,
        [`${to}.self_attention_layernorm.weight`]: norm(`${from}.0.layer_norm.weight`),
        [`${to}.cross_attention.qkv.weight`]: qkvPart(`${from}.1.EncDecAttention`),
        [`${to}.cross_attention.dense.weight`]: columns(`${from}.1.EncDecAttention.o.weight`, [4, 3]),
        [`${to}.cross_attention_layernorm.weight`]: norm(`${from}.1.layer_norm.weight`),
        [`${to}.mlp_layernorm.weight`]: norm(`${from}.2.layer_norm.weight`),
        [`${to}.mlp.fc.weight`]: rows(`${from}.2.DenseReluDense.wi_0.weight`, [4, 4]),
        [`${to}.mlp.gate.weight`]: rows(`${from}.2.DenseReluDense.wi_1.weight`, [4, 4]),
        [`${to}.mlp.proj.weight`]: columns(`${from}.2.DenseReluDense.wo.weight`, [4, 4]),
      }
    })
    return {
      'transformer.vocab_embedding.weight': { shape: [7, 4], from: same('shared.weight') },
      ...layers[0],
      ...layers[1],
      rel_attn_table: tablePart,
      'transformer.ln_f.weight': norm('decoder.final_layer_norm.weight'),
      // 7 rows on two ranks: 4 and 3, and one of zeros
      'lm_head.weight': {
        shape: [4, 4],
        from: (row, column) => (4 * part + row < 7 ? ['lm_head.weight', 4 * part + row, column] : 0),
      },
    }
  }
})

describe('BART and mBART', () => {
  const linear = (to: string, from: string, shape: number[]): Layout => ({
    [`${to}.weight`]: { shape, from: same(`${from}.weight`) },
    [`${to}.bias`]: { shape: shape.slice(0, 1), from: same(`${from}.bias`) },
  })
  const qkv = (to: string, from: string): Layout => ({
    [`${to}.qkv.weight`]: {
      shape: [12, 4],
      from: (row, column) => [`${from}.${'qkv'[Math.floor(row / 4)]}_proj.weight`, row % 4, column],
    },
    [`${to}.qkv.bias`]: { shape: [12], from: (row) => [`${from}.${'qkv'[Math.floor(row / 4)]}_proj.bias`, row % 4] },
  })
  const attention = (to: string, from: string): Layout => ({
    ...qkv(to, from),
    ...linear(`${to}.dense`, `${from}.out_proj`, [4, 4]),
    ...linear(`${to}_layernorm`, `${from}_layer_norm`, [4]),
  })
  const component = (side: 'encoder' | 'decoder', prefix: string, finalNorm: boolean): Layout => {
    const ffn = side === 'encoder' ? 6 : 8
    const part = `${prefix}${side}`
    const layers = [0, 1].map((i): Layout => {
      const [to, from] = [`transformer.layers.${i}`, `${part}.layers.${i}`]
      return {
        ...attention(`${to}.${side === 'encoder' ? 'attention' : 'self_attention'}`, `${from}.self_attn`),
        ...(side === 'decoder' ? attention(`${to}.cross_attention`, `${from}.encoder_attn`) : {}),
        ...linear(`${to}.mlp.fc`, `${from}.fc1`, [ffn, 4]),
        ...linear(`${to}.mlp.proj`, `${from}.fc2`, [4, ffn]),
        ...linear(`${to}.mlp_layernorm`, `${from}.final_layer_norm`, [4]),
      }
    })
    return {
      'transformer.vocab_embedding.weight': { shape: [7, 4], from: same(`${prefix}shared.weight`) },
      // position p is row p + 2 of the model's table
      'transformer.position_embedding.weight': {
        shape: [5, 4],
        from: (row, column) => [`${part}.embed_positions.weight`, row + 2, column],
      },
      ...linear('transformer.ln_embed', `${part}.layernorm_embedding`, [4]),
      ...layers[0],
      ...layers[1],
      ...(finalNorm ? linear('transformer.ln_f', `${part}.layer_norm`, [4]) : {}),
    }
  }
  const head = (prefix: string): Layout => ({
    'lm_head.weight': { shape: [7, 4], from: same(`${prefix}shared.weight`) },
  })
  const bias: Layout = { 'lm_head.bias': { shape: [7], from: (row) => ['final_logits_bias', 0, row] } }

  test.each([
    ['BART', {}, 'model.', false],
    ['BART saved without its head', {}, '', false],
    ['mBART: final norms', { model_type: 'mbart', normalize_before: true }, 'model.', true],
  ])('%s', async (_, config, prefix, finalNorm) => {
    const shapes = bartShapes({ prefix, finalNorm })
    const out = await convert(writeModel({ ...BART_CONFIG, ...config }, shapes))
    const encoder = readTensors(join(out, 'encoder/rank0.safetensors'))
    expectLayout(encoder, component('encoder', prefix, finalNorm), shapes)
    const decoder = { ...component('decoder', prefix, finalNorm), ...head(prefix), ...bias }
    expectLayout(readTensors(join(out, 'decoder/rank0.safetensors')), decoder, shapes)
  })

  test('no logits bias: none is written', async () => {
    const shapes = bartShapes({ logitsBias: false })
    const out = await convert(writeModel(BART_CONFIG, shapes))
    const layout = { ...component('decoder', 'model.', false), ...head('model.') }
    expectLayout(readTensors(join(out, 'decoder/rank0.safetensors')), layout, shapes)
  })

  test('tp 2: biases of outputs are divided, those of inputs are whole on both', async () => {
    const shapes = bartShapes()
    const out = await convert(writeModel(BART_CONFIG, shapes), { tp: 2 })
    const from = 'model.encoder.layers.1'
    for (const part of [0, 1]) {
      const found = readTensors(join(out, `encoder/rank${part}.safetensors`))
      const parts: Layout = {
        'attention.qkv.bias': {
          shape: [6],
          from: (row) => [`${from}.self_attn.${'qkv'[Math.floor(row / 2)]}_proj.bias`, 2 * part + (row % 2)],
        },
        'attention.dense.bias': { shape: [4], from: same(`${from}.self_attn.out_proj.bias`) },
        'mlp.fc.bias': { shape: [3], from: (row) => [`${from}.fc1.bias`, 3 * part + row] },
        'mlp.proj.bias': { shape: [4], from: same(`${from}.fc2.bias`) },
        'mlp.proj.weight': { shape: [4, 3], from: (row, column) => [`${from}.fc2.weight`, row, 3 * part + column] },
      }
      const prefix = 'transformer.layers.1.'
      const ofLayer = Object.entries(found).flatMap(([name, tensor]) => {
        const short = name.slice(prefix.length)
        return name.startsWith(prefix) && short in parts ? [[short, tensor] as const] : []
      })
      expectLayout(Object.fromEntries(ofLayer), parts, shapes)
    }
    const last = readTensors(join(out, 'decoder/rank1.safetensors'))
    expect(last['lm_head.bias']).toMatchObject({
      shape: [4],
      values: [4, 5, 6].map((i) => element(shapes, 'final_logits_bias', 0, i)).concat(0),
    })
  })
})
