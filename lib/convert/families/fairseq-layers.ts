/** The layers of BART, which came from fairseq, and of fairseq's translation models: the same names. */
import type { CheckpointConfig, Side } from '../checkpoint-config.js'
import type { Size, TensorRule } from './family.js'

const LAYER = 'transformer.layers.{i}'
const SOURCE = '{side}.layers.{i}'

/** A matrix [out, in] and its bias; a column-wise divided matrix has its bias whole on each rank. */
const linear = (
  to: string,
  from: readonly string[],
  [rows, columns]: readonly [Size, Size],
  divide: 'rows' | 'columns',
  side?: Side,
): TensorRule[] => [
  {
    to: `${LAYER}.${to}.weight`,
    from: from.map((name) => `${SOURCE}.${name}.weight`),
    shape: [rows, columns],
    divide,
    ...(side && { side }),
  },
  {
    to: `${LAYER}.${to}.bias`,
    from: from.map((name) => `${SOURCE}.${name}.bias`),
    shape: [rows],
    divide: divide === 'rows' ? 'rows' : 'whole',
    ...(side && { side }),
  },
]

const norm = (to: string, from: string, more: Pick<TensorRule, 'side' | 'when'> = {}): TensorRule[] =>
  ['weight', 'bias'].map((part) => ({
    to: `${to}.${part}`,
    from: [`${from}.${part}`],
    shape: ['H'],
    divide: 'whole',
    ...more,
  }))

const attention = (to: string, from: string, side: Side): TensorRule[] => [
  ...linear(`${to}.qkv`, [`${from}.q_proj`, `${from}.k_proj`, `${from}.v_proj`], ['A', 'H'], 'rows', side),
  ...linear(`${to}.dense`, [`${from}.out_proj`], ['H', 'A'], 'columns', side),
  ...norm(`${LAYER}.${to}_layernorm`, `${SOURCE}.${from}_layer_norm`, { side }),
]

export const FAIRSEQ_LAYERS: readonly TensorRule[] = [
  ...norm('transformer.ln_embed', '{side}.layernorm_embedding', {
    when: (config: CheckpointConfig) => config.has_embedding_layernorm,
  }),
  ...attention('attention', 'self_attn', 'encoder'),
  ...attention('self_attention', 'self_attn', 'decoder'),
  ...attention('cross_attention', 'encoder_attn', 'decoder'),
  ...linear('mlp.fc', ['fc1'], ['F', 'H'], 'rows'),
  ...linear('mlp.proj', ['fc2'], ['H', 'F'], 'columns'),
  ...norm(`${LAYER}.mlp_layernorm`, `${SOURCE}.final_layer_norm`),
  ...norm('transformer.ln_f', '{side}.layer_norm', {
    when: (config: CheckpointConfig) => config.has_model_final_layernorm,
  }),
]
