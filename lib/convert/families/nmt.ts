/** Translation models of fairseq (transformer). */

import { TrtllmError } from '../../errors.js'
import type { Side } from '../checkpoint-config.js'
import type { SettingsReader } from '../settings.js'
import { FAIRSEQ_LAYERS } from './fairseq-layers.js'
import type { Family, TensorRule } from './family.js'

/** fairseq counts positions from its padding id 1 plus one. */
const FIRST_POSITION = 2

/** activation_fn -> the activation's name in a checkpoint. */
const ACTIVATIONS: Record<string, string> = {
  relu: 'relu',
  gelu: 'gelu',
  gelu_accurate: 'gelu_new',
  gelu_fast: 'gelu_new',
  swish: 'silu',
}

/** Settings that change what the model computes, and the only value that is supported; absent means that value. */
const REFUSED: Record<string, unknown> = {
  adaptive_input: false,
  adaptive_softmax_cutoff: null,
  cross_self_attention: false,
  no_cross_attention: false,
  scale_attn: false,
  scale_fc: false,
  scale_heads: false,
  scale_resids: false,
}

function activation(settings: SettingsReader): string {
  const name = settings.text('activation_fn', 'relu')
  const found = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined
  if (found !== undefined) return found
  throw unsupported(settings, `activation_fn '${name}'`)
}

function checkSettings(settings: SettingsReader): void {
  const arch = settings.text('arch', settings.text('_name', 'transformer'))
  if (!arch.startsWith('transformer') || arch.startsWith('transformer_lm')) {
    throw unsupported(settings, `the architecture '${arch}'`)
  }
  for (const [name, value] of Object.entries(REFUSED)) {
    const found = settings.value(name) ?? value
    if (found !== value) throw unsupported(settings, `${name} ${JSON.stringify(found)}`)
  }
  const [encoder, decoder] = [settings.count('encoder_embed_dim'), settings.count('decoder_embed_dim')]
  if (encoder !== decoder)
    throw unsupported(settings, `encoder_embed_dim ${encoder} beside decoder_embed_dim ${decoder}`)
}

function unsupported(settings: SettingsReader, what: string): TrtllmError {
  return new TrtllmError('ERR_UNSUPPORTED', `${settings.source}: ${what} is not supported`)
}

/** Tables are stored for learned positions only; sinusoids are computed. */
function positions(settings: SettingsReader, side: Side): TensorRule {
  const learned = settings.flag(`${side}_learned_pos`, false)
  return {
    to: 'transformer.position_embedding.weight',
    from: learned ? [`${side}.embed_positions.weight`] : [],
    shape: ['P', 'H'],
    divide: 'whole',
    side,
    when: (config) => config.has_position_embedding,
    ...(learned ? { skipRows: FIRST_POSITION } : { sinusoidsFrom: FIRST_POSITION }),
  }
}

/** A head of its own, under its name of today or of long ago, or the decoder's embedding. */
function head(settings: SettingsReader): string {
  const own = 'decoder.output_projection.weight | decoder.embed_out'
  const shared =
    settings.flag('share_decoder_input_output_embed', false) || settings.flag('share_all_embeddings', false)
  return shared ? `${own} | decoder.embed_tokens.weight` : own
}

/** Needs {encoder,decoder}_vocab_size beside fairseq's own settings: the sizes of the embeddings. */
export const nmt: Family = {
  name: 'fairseq translation',
  prefix: 'models.0.',
  fields: (settings, side) => {
    checkSettings(settings)
    const hidden = settings.count(`${side}_embed_dim`)
    const heads = settings.count(`${side}_attention_heads`)
    const preNorm = settings.flag(`${side}_normalize_before`, false)
    const finalNorm = side === 'encoder' || !settings.flag('no_decoder_final_norm', false)
    return {
      num_hidden_layers: settings.count(`${side}_layers`),
      num_attention_heads: heads,
      head_size: hidden / heads,
      hidden_size: hidden,
      intermediate_size: settings.count(`${side}_ffn_embed_dim`),
      vocab_size: settings.count(`${side}_vocab_size`),
      max_position_embeddings: settings.count(
        side === 'encoder' ? 'max_source_positions' : 'max_target_positions',
        1024,
      ),
      position_embedding_type: 'learned_absolute',
      has_position_embedding: !settings.flag('no_token_positional_embeddings', false),
      relative_attention: false,
      num_buckets: 0,
      max_distance: 0,
      hidden_act: activation(settings),
      gated_act: false,
      layernorm_type: 0,
      layernorm_position: preNorm ? 0 : 1,
      norm_epsilon: 1e-5,
      has_model_final_layernorm: preNorm && finalNorm,
      has_embedding_layernorm: settings.flag('layernorm_embedding', false),
      has_embedding_scale: !settings.flag('no_scale_embedding', false),
      has_attention_qkvo_bias: true,
      has_mlp_bias: true,
      q_scaling: 1,
      model_type: 'nmt',
    }
  },
  // the ids of fairseq's Dictionary, which its files do not say
  decoderFields: () => ({
    rescale_before_lm_head: false,
    decoder_start_token_id: 2,
    eos_token_id: 2,
    bos_token_id: 0,
    pad_token_id: 1,
  }),
  tensors: (settings) => [
    {
      to: 'transformer.vocab_embedding.weight',
      from: ['{side}.embed_tokens.weight'],
      shape: ['V', 'H'],
      divide: 'whole',
    },
    positions(settings, 'encoder'),
    positions(settings, 'decoder'),
    ...FAIRSEQ_LAYERS,
    { to: 'lm_head.weight', from: [head(settings)], shape: ['V', 'H'], divide: 'padded rows', side: 'decoder' },
  ],
  ignored: [/^(encoder|decoder)\.version$/, /^(encoder|decoder)\.embed_positions\._float_tensor$/],
  overflowsInFloat16: false,
}
