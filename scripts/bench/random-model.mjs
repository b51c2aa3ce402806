// Checkpoints of a given shape with random weights, for benchmarks of speed: what they generate means nothing.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../steps.mjs'

/** Sizes of published models. */
export const SHAPES = {
  't5-small': { hidden: 512, heads: 8, headSize: 64, ffn: 2048, layers: 6, vocab: 32128, gated: false },
}

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

function configOf(part, { hidden, heads, headSize, ffn, layers, vocab, gated }) {
  return {
    architecture: part === 'encoder' ? 'EncoderModel' : 'DecoderModel',
    dtype: 'bfloat16',
    logits_dtype: 'float32',
    model_type: 't5',
    num_hidden_layers: layers,
    num_attention_heads: heads,
    head_size: headSize,
    hidden_size: hidden,
    intermediate_size: ffn,
    vocab_size: vocab,
    encoder_hidden_size: hidden,
    position_embedding_type: 'relative',
    has_position_embedding: false,
    relative_attention: true,
    num_buckets: 32,
    max_distance: 128,
    hidden_act: gated ? 'gelu_new' : 'relu',
    gated_act: gated,
    layernorm_type: 1,
    layernorm_position: 0,
    norm_epsilon: 1e-6,
    has_model_final_layernorm: true,
    q_scaling: headSize ** -0.5,
    rescale_before_lm_head: !gated,
    decoder_start_token_id: 0,
    eos_token_id: 1,
    pad_token_id: 0,
  }
}

/** Names and shapes as the TensorRT-LLM converter writes them. */
function tensorsOf(part, { hidden, heads, headSize, ffn, layers, vocab, gated }) {
  const width = heads * headSize
  const attentions = part === 'encoder' ? ['attention'] : ['self_attention', 'cross_attention']
  const tensors = [
    ['transformer.vocab_embedding.weight', [vocab, hidden]],
    ['transformer.ln_f.weight', [hidden]],
  ]
  if (part === 'decoder') tensors.push(['lm_head.weight', [vocab, hidden]], ['rel_attn_table', [heads, 32]])
  for (let i = 0; i < layers; i++) {
    const layer = `transformer.layers.${i}.`
    for (const attention of attentions) {
      tensors.push([`${layer}${attention}.qkv.weight`, [3 * width, hidden]])
      tensors.push([`${layer}${attention}.dense.weight`, [hidden, width]])
      tensors.push([`${layer}${attention}_layernorm.weight`, [hidden]])
    }
    tensors.push([`${layer}${attentions[0]}.rel_attn_table`, [heads, 32]])
    tensors.push([`${layer}mlp_layernorm.weight`, [hidden]])
    for (const matrix of gated ? ['fc', 'gate'] : ['fc']) tensors.push([`${layer}mlp.${matrix}.weight`, [ffn, hidden]])
    tensors.push([`${layer}mlp.proj.weight`, [hidden, ffn]])
  }
  return tensors
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
