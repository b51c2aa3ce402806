/** What a request can say to the encoder and cross attention beside tokens: features, a mask, a language adapter. */
import { TrtllmError } from './errors.js'
import type { RawLimits } from './native.js'
import type { RawInputTensor, RawRequest } from './raw-request.js'
import type { Tensor } from './tensor.js'
import { defined, type FieldValidators, integer, invalid, isRecord, type Validator } from './validate.js'

/** Which encoder tokens each decoder position sees. */
export interface CrossAttentionMask {
  /** [rows, encoder tokens] */
  readonly shape: readonly number[]
  /** Row by row; true or 1: seen. Each row has at least one. */
  readonly data: Uint8Array | readonly boolean[]
}

export interface EncoderInputOptions {
  /**
   * Instead of `input` and `inputTokenIds`, [tokens, hidden size]. For a decoder alone the output of its encoder, as
   * `embed` gives it; else what an encoder reads that was built for features (TensorRT-LLM only).
   */
  encoderInputFeatures?: Tensor | undefined
  /** Tokens of the encoder's output, if it shortens what it reads (TensorRT-LLM only). @default as many as the input has */
  encoderOutputLength?: number | undefined
  /**
   * Row r is for position r of the decoder, its prompt included; positions past the last row have that row. The encoder
   * itself sees everything. @default every position sees all
   */
  crossAttentionMask?: CrossAttentionMask | undefined
  /** Which language adapter of the model runs, >= 0 (TensorRT-LLM only). @default none */
  languageAdapterUid?: number | undefined
}

const tensor: Validator<Tensor> = (value, path) => {
  if (isTensor(value)) return value
  throw invalid(path, '{ shape: [tokens, hidden size], data: a Float32Array of as many numbers }', value)
}

const mask: Validator<CrossAttentionMask> = (value, path) => {
  if (isMask(value)) return value
  throw invalid(path, '{ shape: [rows, encoder tokens], data: as many booleans, or a Uint8Array of 0 and 1 }', value)
}

const isTensor = (value: unknown): value is Tensor =>
  isRecord(value) && value.data instanceof Float32Array && isMatrix(value.shape, value.data)

const isMask = (value: unknown): value is CrossAttentionMask =>
  isRecord(value) && isFlags(value.data) && isMatrix(value.shape, value.data)

function isFlags(data: unknown): data is CrossAttentionMask['data'] {
  if (data instanceof Uint8Array) return data.every((flag) => flag <= 1)
  return Array.isArray(data) && data.every((flag) => typeof flag === 'boolean')
}

function isMatrix(shape: unknown, { length }: ArrayLike<unknown>): boolean {
  return (
    Array.isArray(shape) &&
    shape.length === 2 &&
    shape.every((extent) => Number.isInteger(extent) && extent >= 1) &&
    shape[0] * shape[1] === length
  )
}

export const ENCODER_INPUT_FIELDS: FieldValidators<EncoderInputOptions> = {
  encoderInputFeatures: tensor,
  encoderOutputLength: integer(1),
  crossAttentionMask: mask,
  languageAdapterUid: integer(0),
}

/** How features fit a model. */
export interface FeatureRules {
  /** Columns that a decoder alone takes; null: not known. */
  featureSize: number | null
  /** Whether its encoder may read features instead of tokens. */
  encoderTakesFeatures: boolean
}

export const isDecoderAlone = ({ encoderVocabSize }: RawLimits): boolean => encoderVocabSize === 0

/**
 * The features of a request, which has no other input; undefined if it has none.
 * @throws TrtllmError ERR_INVALID_ARGUMENT
 */
export function toFeatures(
  { encoderInputFeatures: features }: EncoderInputOptions,
  otherInput: string | undefined,
  { limits, featureSize, encoderTakesFeatures }: FeatureRules & { limits: RawLimits },
): RawInputTensor | undefined {
  const alone = isDecoderAlone(limits)
  if (alone && otherInput !== undefined) {
    throw refused(`${otherInput} must not be given: the model is a decoder alone, which takes encoderInputFeatures`)
  }
  if (features === undefined) {
    if (alone) throw refused('encoderInputFeatures must be given: the model is a decoder alone')
    return undefined
  }
  if (otherInput !== undefined) throw refused(`encoderInputFeatures cannot be combined with ${otherInput}`)
  if (!alone && !encoderTakesFeatures) {
    throw refused('encoderInputFeatures must not be given: the encoder of this model takes token ids')
  }
  return toRawFeatures(features, limits, alone ? featureSize : null)
}

function toRawFeatures({ shape, data }: Tensor, { maxInputLength }: RawLimits, size: number | null): RawInputTensor {
  const [tokens = 0, width = 0] = shape
  if (tokens > maxInputLength) {
    const expected = `1 to ${maxInputLength} tokens (limits.maxInputLength)`
    throw refused(`encoderInputFeatures must have ${expected}, got ${tokens}`)
  }
  if (size !== null && width !== size) {
    throw refused(`encoderInputFeatures must have the encoder's hidden size, ${size} columns, got ${width}`)
  }
  const odd = data.findIndex((value) => !Number.isFinite(value))
  if (odd >= 0) throw refused(`encoderInputFeatures must be finite, number ${odd} is ${data[odd]}`)
  return { shape: Int32Array.of(tokens, width), data: data.slice() } // it is sent later
}

/** What the encoder reads, and what goes with it. */
export type RawEncoderInput = Pick<
  RawRequest,
  'encoderInputTokenIds' | 'encoderInputFeatures' | 'encoderOutputLength' | 'crossAttentionMask' | 'languageAdapterUid'
>

/** Tokens, or rows of features. */
export const inputLength = ({ encoderInputTokenIds, encoderInputFeatures }: RawEncoderInput): number =>
  encoderInputTokenIds?.length ?? encoderInputFeatures?.shape[0] ?? 0

/**
 * The input with what else the request says about it.
 * @throws TrtllmError ERR_INVALID_ARGUMENT
 */
export function withEncoderOptions(
  { encoderOutputLength, crossAttentionMask, languageAdapterUid }: EncoderInputOptions,
  input: RawEncoderInput,
  limits: RawLimits,
): RawEncoderInput {
  if (encoderOutputLength !== undefined && encoderOutputLength > limits.maxInputLength) {
    const expected = `<= ${limits.maxInputLength} (limits.maxInputLength)`
    throw invalid('encoderOutputLength', expected, encoderOutputLength)
  }
  const length = encoderOutputLength ?? inputLength(input)
  const mask = crossAttentionMask && toRawMask(crossAttentionMask, length, limits)
  return { ...input, ...defined({ encoderOutputLength, crossAttentionMask: mask, languageAdapterUid }) }
}

function toRawMask({ shape, data }: CrossAttentionMask, encoderLength: number, limits: RawLimits): RawInputTensor {
  const [rows = 0, columns = 0] = shape
  if (columns !== encoderLength) {
    throw refused(
      `crossAttentionMask must have a column for each of the ${encoderLength} encoder tokens, got ${columns}`,
    )
  }
  if (rows > limits.maxSequenceLength) {
    const expected = `1 to ${limits.maxSequenceLength} rows (limits.maxSequenceLength)`
    throw refused(`crossAttentionMask must have ${expected}, got ${rows}`)
  }
  const flags = Uint8Array.from(data, Number)
  for (let row = 0; row < rows; row++) {
    if (flags.subarray(row * columns, (row + 1) * columns).includes(1)) continue
    throw refused(`crossAttentionMask must have a true value in each row, row ${row} has none`)
  }
  return { shape: Int32Array.of(rows, columns), data: flags }
}

const refused = (message: string): TrtllmError => new TrtllmError('ERR_INVALID_ARGUMENT', message)
