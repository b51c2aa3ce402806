/** BART and mBART. */

import { TrtllmError } from '../../errors.js'
import type { Side } from '../checkpoint-config.js'
import type { SettingsReader } from '../settings.js'
import { FAIRSEQ_LAYERS } from './fairseq-layers.js'
import type { Family, TensorRule } from './family.js'

/** In HF tables position p is row p + 2. */
const POSITION_OFFSET = 2
const EMBEDDING = '{side}.embed_tokens.weight | shared.weight'

/** activation_function -> the activation's name in a checkpoint. */
const ACTIVATIONS: Record<string, string> = {
  gelu: 'gelu',
  gelu_new: 'gelu_new',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
}

function activation(settings: SettingsReader): string {
  const name = settings.text('activation_function', 'gelu')
  const found = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined
  if (found !== undefined) return found
  throw new TrtllmError('ERR_UNSUPPORTED', `${settings.source}: activation_function '${name}' is not supported`, {
    hint: `there are: ${Object.keys(ACTIVATIONS).join(', ')}`,
  })
}

const TENSORS: readonly TensorRule[] = [
  { to: 'transformer.vocab_embedding.weight', from: [EMBEDDING], shape: ['V', 'H'], divide: 'whole' },
  {
    to: 'transformer.position_embedding.weight',
    from: ['{side}.embed_positions.weight'],
    shape: ['P', 'H'],
    skipRows: POSITION_OFFSET,
    divide: 'whole',
  },
  ...FAIRSEQ_LAYERS,
  {
    to: 'lm_head.weight',
    from: ['lm_head.weight | shared.weight | decoder.embed_tokens.weight'],
    shape: ['V', 'H'],
    divide: 'padded rows',
    side: 'decoder',
  },
]

const isMbart = (settings: SettingsReader) => settings.text('model_type') === 'mbart'

export const bart: Family = {
  name: 'BART',
  prefix: 'model.',
  fields: (settings: SettingsReader, side: Side) => {
    const hidden = settings.count('d_model')
    const heads = settings.count(`${side}_attention_heads`)
    return {
      num_hidden_layers: settings.count(`${side}_layers`),
      num_attention_heads: heads,
      head_size: hidden / heads,
      hidden_size: hidden,
      intermediate_size: settings.count(`${side}_ffn_dim`),
      vocab_size: settings.count('vocab_size'),
      max_position_embeddings: settings.count('max_position_embeddings'),
      position_embedding_type: 'learned_absolute',
      has_position_embedding: true,
      relative_attention: false,
      num_buckets: 0,
      max_distance: 0,
      hidden_act: activation(settings),
      gated_act: false,
      layernorm_type: 0,
      // Hugging Face's classes decide this by the type, whatever normalize_before says
      layernorm_position: isMbart(settings) ? 0 : 1,
      norm_epsilon: 1e-5,
      has_model_final_layernorm: isMbart(settings),
      has_embedding_layernorm: true,
      has_embedding_scale: settings.flag('scale_embedding', false),
      has_attention_qkvo_bias: true,
      has_mlp_bias: true,
      q_scaling: 1,
      model_type: 'bart',
    }
  },
  decoderFields: (settings) => ({
    rescale_before_lm_head: false,
    decoder_start_token_id: settings.tokenId('decoder_start_token_id', isMbart(settings) ? null : 2),
    eos_token_id: settings.tokenId('eos_token_id', 2),
    bos_token_id: settings.tokenId('bos_token_id', 0),
    pad_token_id: settings.tokenId('pad_token_id', 1),
  }),
  tensors: () => TENSORS,
  logitsBias: 'final_logits_bias',
  ignored: [/^(encoder|decoder)\.version$/],
  overflowsInFloat16: false,
}
