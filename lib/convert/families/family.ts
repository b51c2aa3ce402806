/** What the table of a model family says: its config fields and where each checkpoint tensor comes from. */
import type { CheckpointConfig, ComponentFields, DecoderFields, Side } from '../checkpoint-config.js'
import type { SettingsReader } from '../settings.js'

/**
 * Sizes in the shapes of tensors: H hidden, A heads × head size, F feed-forward, V vocabulary, P positions, B buckets of
 * relative positions, N heads.
 */
export type Size = 'H' | 'A' | 'F' | 'V' | 'P' | 'B' | 'N'

/**
 * How tensor parallelism divides a tensor. whole: on every rank; rows: outputs, first dimension; columns: inputs,
 * second dimension; padded rows: rows, filled up with zeros where they do not divide.
 */
export type Division = 'whole' | 'rows' | 'columns' | 'padded rows'

/** One line of a family's table. In names {side} is encoder or decoder, {i} the number of the layer. */
export interface TensorRule {
  /** Name in the checkpoint; with {i} for each layer. */
  to: string
  /** Names in the model; several are stacked by rows. 'a | b': the first that is there. */
  from: readonly string[]
  /** Of each tensor in the model. */
  shape: readonly Size[]
  divide: Division
  /** So many first rows of the model's tensor, beyond `shape`, are left out. */
  skipRows?: number
  /** Stored transposed; divided afterwards. */
  transpose?: true
  /** Instead of a tensor of the model: a table of sinusoids for the positions from here on, always float32. */
  sinusoidsFrom?: number
  /** Only for this component. */
  side?: Side
  /** Only where the config says so. */
  when?: (config: CheckpointConfig) => boolean
}

export interface Family {
  /** For people. */
  name: string
  fields(settings: SettingsReader, side: Side): ComponentFields
  decoderFields(settings: SettingsReader): DecoderFields
  tensors(settings: SettingsReader): readonly TensorRule[]
  /** Taken off the beginning of the model's tensor names where it is there. */
  prefix?: string
  /** The model's bias of the logits, if it may have one: [V] or [1, V]. */
  logitsBias?: string
  /** Tensors of the model that are known to mean nothing. */
  ignored: readonly RegExp[]
  /** Whether float16 overflows in its layers. */
  overflowsInFloat16: boolean
}
