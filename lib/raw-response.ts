/** What the addon brings: responses and logits, as flat typed arrays. */

/**
 * All responses that were ready at one moment, as flat arrays. A response has one row per returned beam: response r
 * owns the rows `rowOffsets[r]` … `rowOffsets[r + 1]` (exclusive; none for an error).
 */
export interface RawResponseBatch {
  /** [responses] request ids, in the order of arrival per id. */
  ids: Float64Array
  /** [responses] bits of RawResponseFlag. */
  flags: Uint8Array
  /** [responses] which of the request's return sequences. */
  sequenceIndices: Uint32Array
  /** [responses + 1] */
  rowOffsets: Uint32Array
  /** [rows] values of FINISH_REASONS. */
  finishReasons: Uint8Array
  /** [rows + 1] into `tokens`. */
  tokenOffsets: Uint32Array
  tokens: Int32Array
  /** [rows + 1] into `logProbs`; a streaming response carries the complete list so far. */
  logProbOffsets: Uint32Array
  logProbs: Float32Array
  /** [rows] NaN where the request did not ask for log-probabilities. */
  cumLogProbs: Float32Array
  /**
   * [responses × 7] milliseconds from the arrival to the start, the end of the encoder pass, the first and the last
   * token; iterations of the request's decoder, numbers of the first and the last that ran it. NaN where it was not
   * reached or not asked for.
   */
  timings: Float64Array
  /** [responses] generated tokens at the beginning of the best beam that no later response changes; -1: unknown. */
  stable: Int32Array
  /** One message per response with the error flag, in order. */
  errors: string[]
  /** Those that were asked for. */
  tensors: RawTensor[]
}

/** Always float32. */
export interface RawTensor {
  /** Index of the response that brought it. */
  response: number
  /** Index of the row that it belongs to; 0 for what belongs to the whole request. */
  beam: number
  /** Generation logits: a row for each token of the response; the other two come with the last response. */
  name: 'contextLogits' | 'generationLogits' | 'encoderOutput'
  shape: number[]
  data: Float32Array
}

/**
 * The logits of all requests of one iteration that have a logits processor. Request r owns the rows `rowOffsets[r]` …
 * `rowOffsets[r + 1]` (exclusive), one for each beam.
 */
export interface RawLogitsBatch {
  /** [requests] RawRequestExtras.logitsProcessor; samples of one request have the same key. */
  keys: Float64Array
  /** [requests + 1] */
  rowOffsets: Uint32Array
  /** [rows + 1] into `tokens` */
  tokenOffsets: Uint32Array
  /** What each row has generated so far. */
  tokens: Int32Array
  vocabSize: number
  /** [rows × vocabSize], to be changed in place; the memory is reused by the next batch. */
  logits: Float32Array
}

export const RawResponseFlag = { final: 1, sequenceFinal: 2, error: 4 } as const

/** Names of the values in {@link RawResponseBatch.finishReasons}; 0 is "not finished yet". */
export const FINISH_REASONS = [undefined, 'end-id', 'stop-words', 'length', 'timed-out', 'cancelled'] as const
