/** The config.json of a checkpoint: the fields that TensorRT-LLM's loader for encoder-decoder models reads. */
import type { Dtype } from './dtype.js'

export type Side = 'encoder' | 'decoder'

/** What is the same for a family's encoder and decoder, or differs by side; decided by the family's table. */
export interface ComponentFields {
  num_hidden_layers: number
  num_attention_heads: number
  /** heads × head_size may differ from hidden_size. */
  head_size: number
  hidden_size: number
  /** Width of the feed-forward layer. */
  intermediate_size: number
  vocab_size: number
  /** Rows of the position table; with relative positions only a default for building engines. */
  max_position_embeddings: number
  /** 'learned_absolute' also for sinusoids, which are stored as a table. */
  position_embedding_type: 'relative' | 'learned_absolute'
  has_position_embedding: boolean
  relative_attention: boolean
  /** Of the relative position bias; 0 without. */
  num_buckets: number
  max_distance: number
  hidden_act: string
  gated_act: boolean
  /** 0: LayerNorm, 1: RMSNorm. */
  layernorm_type: 0 | 1
  /** 0: before each sublayer, 1: after its residual sum. */
  layernorm_position: 0 | 1
  norm_epsilon: number
  has_model_final_layernorm: boolean
  has_embedding_layernorm: boolean
  /** Embeddings are multiplied by the root of hidden_size. */
  has_embedding_scale: boolean
  has_attention_qkvo_bias: boolean
  has_mlp_bias: boolean
  /** Scores are divided by q_scaling × the root of head_size. */
  q_scaling: number
  model_type: 't5' | 'bart' | 'nmt'
}

/** What only the decoder's file has. */
export interface DecoderFields {
  /** The last hidden state is divided by the root of hidden_size before the head. */
  rescale_before_lm_head: boolean
  decoder_start_token_id: number | null
  eos_token_id: number | null
  bos_token_id: number | null
  pad_token_id: number | null
}

/** One component's complete config.json, in the order of the documentation. */
export interface CheckpointConfig extends ComponentFields, Partial<DecoderFields> {
  architecture: 'EncoderModel' | 'DecoderModel'
  dtype: Dtype
  logits_dtype: 'float32'
  num_key_value_heads?: number
  /** 0: plain, 1: gated. */
  mlp_type: 0 | 1
  use_implicit_relative_attention?: false
  encoder_hidden_size?: number
  encoder_num_heads?: number
  encoder_head_size?: number
  skip_cross_kv?: false
  /** Whether there is lm_head.bias. Written only if true, as the converter of TensorRT-LLM never writes it. */
  has_lm_head_bias?: true
  quantization: { quant_algo: null; kv_cache_quant_algo: null }
  mapping: { world_size: number; tp_size: number; pp_size: number }
  use_parallel_embedding: false
  embedding_sharding_dim: 0
}

/** How a checkpoint is spread over GPUs: tp ranks share each layer, pp stages share the layers. */
export interface Split {
  tp: number
  pp: number
}

interface Common {
  dtype: Dtype
  split: Split
  hasLogitsBias: boolean
}

export function encoderConfig(fields: ComponentFields, { dtype, split }: Common): CheckpointConfig {
  return {
    architecture: 'EncoderModel',
    ...leading(dtype),
    ...fields,
    num_key_value_heads: fields.num_attention_heads,
    ...trailing(fields, split),
  }
}

export function decoderConfig(
  fields: ComponentFields & DecoderFields,
  encoder: ComponentFields,
  { dtype, split, hasLogitsBias }: Common,
): CheckpointConfig {
  return {
    architecture: 'DecoderModel',
    ...leading(dtype),
    ...fields,
    use_implicit_relative_attention: false,
    encoder_hidden_size: encoder.hidden_size,
    encoder_num_heads: encoder.num_attention_heads,
    encoder_head_size: encoder.head_size,
    skip_cross_kv: false,
    ...(hasLogitsBias ? { has_lm_head_bias: true } : {}),
    ...trailing(fields, split),
  }
}

const leading = (dtype: Dtype) => ({ dtype, logits_dtype: 'float32' }) as const

function trailing({ gated_act }: ComponentFields, { tp, pp }: Split) {
  return {
    mlp_type: gated_act ? 1 : 0,
    quantization: { quant_algo: null, kv_cache_quant_algo: null },
    mapping: { world_size: tp * pp, tp_size: tp, pp_size: pp },
    use_parallel_embedding: false,
    embedding_sharding_dim: 0,
  } as const
}
