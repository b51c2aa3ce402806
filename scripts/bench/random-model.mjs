// Checkpoints of a given shape with random weights, for benchmarks of speed: what they generate means nothing.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../steps.mjs'

/** Sizes of published models, and of a small one as people train it for words. */
export const SHAPES = {
  g2p: { family: 't5', hidden: 256, heads: 4, headSize: 64, ffn: 1024, layers: 4, vocab: 120, gated: true },
  't5-small': { family: 't5', hidden: 512, heads: 8, headSize: 64, ffn: 2048, layers: 6, vocab: 32128, gated: false },
  't5-base': { family: 't5', hidden: 768, heads: 12, headSize: 64, ffn: 2048, layers: 12, vocab: 32128, gated: true },
  'bart-base': {
    family: 'bart',
    hidden: 768,
    heads: 12,
    headSize: 64,
    ffn: 3072,
    layers: 6,
    vocab: 50265,
    gated: false,
  },
}
const BART_POSITIONS = 1024

/** The folder of a checkpoint in BF16 with that shape; made on first use under build/. */
export function randomModel(name) {
  const folder = join(root, 'build/bench-models', name)
  if (existsSync(folder)) return folder
  const unfinished = `${folder}.${process.pid}`
  rmSync(unfinished, { recursive: true, force: true })
  for (const part of ['encoder', 'decoder']) writePart(join(unfinished, part), part, SHAPES[name])
  renameSync(unfinished, folder)
  return folder
}

function writePart(folder, part, shape) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(configOf(part, shape), null, 2))
  writeFileSync(join(folder, 'rank0.safetensors'), safetensors(tensorsOf(part, shape)))
}

function configOf(part, shape) {
  const { hidden, heads, headSize, ffn, layers, vocab, gated } = shape
  return {
    architecture: part === 'encoder' ? 'EncoderModel' : 'DecoderModel',
    dtype: 'bfloat16',
    logits_dtype: 'float32',
    model_type: shape.family,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    head_size: headSize,
    hidden_size: hidden,
    intermediate_size: ffn,
    vocab_size: vocab,
    encoder_hidden_size: hidden,
    gated_act: gated,
    mlp_type: gated ? 1 : 0,
    ...(shape.family === 't5' ? t5Fields(shape) : BART_FIELDS),
  }
}

const t5Fields = ({ headSize, gated }) => ({
  position_embedding_type: 'relative',
  has_position_embedding: false,
  relative_attention: true,
  num_buckets: 32,
  max_distance: 128,
  hidden_act: gated ? 'gelu_new' : 'relu',
  layernorm_type: 1,
  layernorm_position: 0,
  norm_epsilon: 1e-6,
  has_model_final_layernorm: true,
  q_scaling: headSize ** -0.5,
  rescale_before_lm_head: !gated,
  decoder_start_token_id: 0,
  eos_token_id: 1,
  pad_token_id: 0,
})

const BART_FIELDS = {
  position_embedding_type: 'learned_absolute',
  has_position_embedding: true,
  max_position_embeddings: BART_POSITIONS,
  relative_attention: false,
  hidden_act: 'gelu',
  layernorm_type: 0,
  layernorm_position: 1,
  norm_epsilon: 1e-5,
  has_embedding_layernorm: true,
  has_model_final_layernorm: false,
  has_attention_qkvo_bias: true,
  has_mlp_bias: true,
  q_scaling: 1,
  decoder_start_token_id: 2,
  eos_token_id: 2,
  bos_token_id: 0,
  pad_token_id: 1,
}

/** Names and shapes as the TensorRT-LLM converter writes them. */
function tensorsOf(part, shape) {
  return [
    ...outerTensors(part, shape),
    ...Array.from({ length: shape.layers }, (_, i) => layerTensors(part, shape, `transformer.layers.${i}.`)).flat(),
  ]
}

const linear = ({ family }, name, rows, cols) => [
  [`${name}.weight`, [rows, cols]],
  ...(family === 'bart' ? [[`${name}.bias`, [rows]]] : []),
]

const norm = ({ family, hidden }, name) => [
  [`${name}.weight`, [hidden]],
  ...(family === 'bart' ? [[`${name}.bias`, [hidden]]] : []),
]

function outerTensors(part, shape) {
  const { family, hidden, heads, vocab } = shape
  const tensors = [['transformer.vocab_embedding.weight', [vocab, hidden]]]
  if (part === 'decoder') tensors.push(['lm_head.weight', [vocab, hidden]])
  if (family === 'bart') {
    const positions = ['transformer.position_embedding.weight', [BART_POSITIONS, hidden]]
    return [...tensors, positions, ...norm(shape, 'transformer.ln_embed')]
  }
  if (part === 'decoder') tensors.push(['rel_attn_table', [heads, 32]])
  return [...tensors, ['transformer.ln_f.weight', [hidden]]]
}

function layerTensors(part, shape, layer) {
  const { family, hidden, heads, headSize, ffn, gated } = shape
  const width = heads * headSize
  const attentions = part === 'encoder' ? ['attention'] : ['self_attention', 'cross_attention']
  const inner = gated ? ['fc', 'gate'] : ['fc']
  return [
    ...attentions.flatMap((attention) => [
      ...linear(shape, `${layer}${attention}.qkv`, 3 * width, hidden),
      ...linear(shape, `${layer}${attention}.dense`, hidden, width),
      ...norm(shape, `${layer}${attention}_layernorm`),
    ]),
    ...(family === 'bart' ? [] : [[`${layer}${attentions[0]}.rel_attn_table`, [heads, 32]]]),
    ...norm(shape, `${layer}mlp_layernorm`),
    ...inner.flatMap((matrix) => linear(shape, `${layer}mlp.${matrix}`, ffn, hidden)),
    ...linear(shape, `${layer}mlp.proj`, hidden, ffn),
  ]
}

function safetensors(tensors) {
  let offset = 0
  const header = {}
  for (const [name, shape] of tensors) {
    const bytes = 2 * shape.reduce((size, extent) => size * extent, 1)
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, offset + bytes] }
    offset += bytes
  }
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, randomBf16(offset / 2)])
}

/** Small values of both signs from a fixed xorshift sequence. */
function randomBf16(count) {
  const values = new Uint16Array(count)
  let state = 0x9e3779b9
  for (let i = 0; i < count; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    // sign, an exponent of 2^-6 to 2^-3, 7 bits of fraction
    values[i] = (state & 0x8000) | ((121 + (state & 3)) << 7) | ((state >>> 8) & 0x7f)
  }
  return Buffer.from(values.buffer)
}
