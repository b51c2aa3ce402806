/** Requests at the native border. Names are the executor's, without `set`; native/addon/request.cpp reads them. */

import type { LoraConfigTensor, LoraWeights } from './lora/tensors.js'

/** One request as the addon takes it. Names are the executor's, without `set`. */
export interface RawRequest {
  /** Decoder prompt, at least one token. */
  inputTokenIds: Int32Array
  /** Like the features none for a decoder-only model. */
  encoderInputTokenIds?: Int32Array
  /** [encoder tokens, features] */
  encoderInputFeatures?: RawInputTensor
  encoderOutputLength?: number
  /** BOOL [rows, encoder tokens] */
  crossAttentionMask?: RawInputTensor
  languageAdapterUid?: number
  maxTokens: number
  streaming: boolean
  returnAllGeneratedTokens?: boolean
  endId?: number
  padId?: number
  priority?: number
  samplingConfig?: RawSamplingConfig
  badWords?: Int32Array[]
  stopWords?: Int32Array[]
  /** [decoder vocabulary] */
  embeddingBias?: Float32Array
  loraConfig?: RawLoraConfig
  outputConfig: RawOutputConfig
  extras?: RawRequestExtras
}

/** In row-major order: FP32, or BOOL as zeros and ones. */
export interface RawInputTensor {
  shape: Int32Array
  data: Float32Array | Uint8Array
}

/** Which adapter. The tensors come with a request while the runtime does not have them. */
export interface RawLoraConfig {
  taskId: number
  weights?: LoraWeights
  config?: LoraConfigTensor
}

export interface RawSamplingConfig {
  beamWidth?: number
  topK?: number
  topP?: number
  topPMin?: number
  topPResetIds?: number
  topPDecay?: number
  seed?: number | bigint
  temperature?: number
  minTokens?: number
  beamSearchDiversityRate?: number
  repetitionPenalty?: number
  presencePenalty?: number
  frequencyPenalty?: number
  promptIgnoreLength?: number
  lengthPenalty?: number
  earlyStopping?: number
  noRepeatNgramSize?: number
  numReturnSequences?: number
  minP?: number
}

/** What the addon does for a request, beside what the executor does. */
export interface RawRequestExtras {
  /** The output is one of them, then the end id. */
  allowedSequences?: Int32Array[]
  forcedFirstTokenId?: number
  /** The token number maxTokens. */
  forcedLastTokenId?: number
  suppressedFirstTokenIds?: Int32Array
  /** Key of a processor; the logits come to `onLogits` under it. */
  logitsProcessor?: number
  /**
   * So many tokens at the end of the decoder prompt get scores. Then the last response has no tokens but one row whose
   * logProbs are theirs, and the end id's if there is one. Needs returnContextLogits.
   */
  scoreLength?: number
  /** The encoder output comes as the mean of its rows. */
  poolEncoderOutput?: 'mean'
}

export interface RawOutputConfig {
  returnLogProbs?: boolean
  returnContextLogits?: boolean
  returnGenerationLogits?: boolean
  returnEncoderOutput?: boolean
  returnPerfMetrics?: boolean
  excludeInputFromOutput?: boolean
}
