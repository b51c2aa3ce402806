/** T5, T5 v1.1, Flan-T5, mT5, ByT5, UL2, Flan-UL2. */

import { TrtllmError } from '../../errors.js'
import type { CheckpointConfig } from '../checkpoint-config.js'
import type { SettingsReader } from '../settings.js'
import type { Family, TensorRule } from './family.js'

/** The second is what all files have; some have the first as well, which Hugging Face prefers where they differ. */
const EMBEDDING = '{side}.embed_tokens.weight | shared.weight'
const BLOCK = '{side}.block.{i}.layer'
const MLP = { encoder: `${BLOCK}.1`, decoder: `${BLOCK}.2` } as const
const TABLE = ['{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight']
const LAYER = 'transformer.layers.{i}'
const gated = (config: CheckpointConfig) => config.gated_act
const plain = (config: CheckpointConfig) => !config.gated_act

const attention = (to: string, from: string, side: 'encoder' | 'decoder'): TensorRule[] => [
  {
    to: `${LAYER}.${to}.qkv.weight`,
    from: ['q', 'k', 'v'].map((part) => `${BLOCK}.${from}.${part}.weight`),
    shape: ['A', 'H'],
    divide: 'rows',
    side,
  },
  {
    to: `${LAYER}.${to}.dense.weight`,
    from: [`${BLOCK}.${from}.o.weight`],
    shape: ['H', 'A'],
    divide: 'columns',
    side,
  },
]

const relativeTable = (to: string, side: 'encoder' | 'decoder'): TensorRule => {
  return { to, from: TABLE, shape: ['B', 'N'], transpose: true, divide: 'rows', side }
}

const norm = (to: string, from: string, side?: 'encoder' | 'decoder'): TensorRule => {
  return { to: `${to}.weight`, from: [`${from}.weight`], shape: ['H'], divide: 'whole', ...(side && { side }) }
}

const mlp = (side: 'encoder' | 'decoder'): TensorRule[] => {
  const dense = `${MLP[side]}.DenseReluDense`
  return [
    norm(`${LAYER}.mlp_layernorm`, `${MLP[side]}.layer_norm`, side),
    {
      to: `${LAYER}.mlp.fc.weight`,
      from: [`${dense}.wi.weight`],
      shape: ['F', 'H'],
      divide: 'rows',
      side,
      when: plain,
    },
    {
      to: `${LAYER}.mlp.fc.weight`,
      from: [`${dense}.wi_0.weight`],
      shape: ['F', 'H'],
      divide: 'rows',
      side,
      when: gated,
    },
    {
      to: `${LAYER}.mlp.gate.weight`,
      from: [`${dense}.wi_1.weight`],
      shape: ['F', 'H'],
      divide: 'rows',
      side,
      when: gated,
    },
    { to: `${LAYER}.mlp.proj.weight`, from: [`${dense}.wo.weight`], shape: ['H', 'F'], divide: 'columns', side },
  ]
}

const TENSORS: readonly TensorRule[] = [
  { to: 'transformer.vocab_embedding.weight', from: [EMBEDDING], shape: ['V', 'H'], divide: 'whole' },
  ...attention('attention', '0.SelfAttention', 'encoder'),
  relativeTable(`${LAYER}.attention.rel_attn_table`, 'encoder'),
  norm(`${LAYER}.attention_layernorm`, `${BLOCK}.0.layer_norm`, 'encoder'),
  ...mlp('encoder'),
  ...attention('self_attention', '0.SelfAttention', 'decoder'),
  relativeTable(`${LAYER}.self_attention.rel_attn_table`, 'decoder'),
  norm(`${LAYER}.self_attention_layernorm`, `${BLOCK}.0.layer_norm`, 'decoder'),
  ...attention('cross_attention', '1.EncDecAttention', 'decoder'),
  norm(`${LAYER}.cross_attention_layernorm`, `${BLOCK}.1.layer_norm`, 'decoder'),
  ...mlp('decoder'),
  relativeTable('rel_attn_table', 'decoder'),
  norm('transformer.ln_f', '{side}.final_layer_norm'),
  {
    to: 'lm_head.weight',
    from: ['lm_head.weight | shared.weight | decoder.embed_tokens.weight'],
    shape: ['V', 'H'],
    divide: 'padded rows',
    side: 'decoder',
  },
]

/** feed_forward_proj -> the activation's name in a checkpoint; 'gated-' before it means two branches. */
const ACTIVATIONS: Record<string, string> = {
  relu: 'relu',
  gelu: 'gelu',
  gelu_new: 'gelu_new',
  silu: 'silu',
  'gated-gelu': 'gelu_new', // Hugging Face's exception
  'gated-gelu_new': 'gelu_new',
  'gated-silu': 'silu',
  'gated-relu': 'relu',
}

function feedForward(settings: SettingsReader): { hidden_act: string; gated_act: boolean } {
  const fallback = settings.text('model_type') === 'mt5' ? 'gated-gelu' : 'relu'
  const kind = settings.text('feed_forward_proj', fallback)
  const hidden_act = Object.hasOwn(ACTIVATIONS, kind) ? ACTIVATIONS[kind] : undefined
  if (hidden_act !== undefined) return { hidden_act, gated_act: kind.startsWith('gated-') }
  throw new TrtllmError('ERR_UNSUPPORTED', `${settings.source}: feed_forward_proj '${kind}' is not supported`, {
    hint: `there are: ${Object.keys(ACTIVATIONS).join(', ')}`,
  })
}

/**
 * Whether the head's input is divided by the root of its size, as in T5 v1.0. Versions of transformers tell it apart:
 * from 5 on T5 has scale_decoder_outputs and mT5 never scales; before, both scaled if the head was tied.
 */
function rescales(settings: SettingsReader): boolean {
  const tied = settings.flag('tie_word_embeddings', true)
  if (settings.text('model_type') === 't5') return settings.flag('scale_decoder_outputs', tied)
  const major = Number.parseInt(settings.text('transformers_version', '4'), 10)
  return major < 5 && settings.has('tie_word_embeddings') && tied
}

export const t5: Family = {
  name: 'T5',
  fields: (settings, side) => ({
    num_hidden_layers:
      side === 'encoder'
        ? settings.count('num_layers')
        : settings.count('num_decoder_layers', settings.count('num_layers')),
    num_attention_heads: settings.count('num_heads'),
    head_size: settings.count('d_kv'),
    hidden_size: settings.count('d_model'),
    intermediate_size: settings.count('d_ff'),
    vocab_size: settings.count('vocab_size'),
    max_position_embeddings: settings.count('n_positions', 512),
    position_embedding_type: 'relative',
    has_position_embedding: false,
    relative_attention: true,
    num_buckets: settings.count('relative_attention_num_buckets', 32),
    max_distance: settings.count('relative_attention_max_distance', 128),
    ...feedForward(settings),
    layernorm_type: 1,
    layernorm_position: 0,
    norm_epsilon: settings.positive('layer_norm_epsilon', 1e-6),
    has_model_final_layernorm: true,
    has_embedding_layernorm: false,
    has_embedding_scale: false,
    has_attention_qkvo_bias: false,
    has_mlp_bias: false,
    q_scaling: settings.count('d_kv') ** -0.5,
    model_type: 't5',
  }),
  decoderFields: (settings) => ({
    rescale_before_lm_head: rescales(settings),
    decoder_start_token_id: settings.tokenId('decoder_start_token_id', settings.tokenId('pad_token_id', 0)),
    eos_token_id: settings.tokenId('eos_token_id', 1),
    bos_token_id: settings.tokenId('bos_token_id'),
    pad_token_id: settings.tokenId('pad_token_id', 0),
  }),
  tensors: () => TENSORS,
  ignored: [/^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/],
  overflowsInFloat16: true,
}
