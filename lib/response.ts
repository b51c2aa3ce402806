/** What comes back: the result type, and the dispatcher that hands native responses to the requests they belong to. */
import { errorFromNative, toTrtllmError } from './errors.js'
import { FINISH_REASONS, type RawResponseBatch, RawResponseFlag, type RawTensor } from './raw-response.js'
import type { Tensor } from './tensor.js'

/**
 * Why generation ended: 'end-id' the end token was drawn; 'stop-words' a stop word was; 'length' maxTokens were
 * generated; 'timed-out' timeoutMs were over; 'cancelled' the reader left the stream.
 */
export type FinishReason = 'end-id' | 'stop-words' | 'length' | 'timed-out' | 'cancelled'

/** One of the sequences that a request gave. */
export interface Sequence {
  /** Text of `outputTokenIds`; '' if the engine has no tokenizer. */
  text: string
  /** Generated tokens, without decoder prompt and end token. */
  outputTokenIds: number[]
  finishReason: FinishReason
  /** With `returnLogProbs`: natural log-probability of each generated token. */
  logProbs?: number[]
  /** With `returnLogProbs`: their sum, the end token's included. */
  cumLogProb?: number
  /** With `returnGenerationLogits`: [tokens, vocabulary], a row that each token was chosen from. */
  generationLogits?: Tensor
}

/** What a request gave. The fields of {@link Sequence} are those of the first of `sequences`. */
export interface Result extends Sequence {
  /** Beam search: the best first. Samples: in the order of their seeds. Else there is one. */
  sequences: Sequence[]
  usage: Usage
  timings: Timings
  /** With `returnContextLogits`: [decoder prompt, vocabulary]. Absent if the request ended before its time. */
  contextLogits?: Tensor
  /** With `returnEncoderOutput`: [input, hidden size]. Absent if the request ended before its time. */
  encoderOutput?: Tensor
}

/** A result before its tokens were decoded. */
export interface Outcome extends Omit<Result, keyof Sequence | 'sequences'> {
  sequences: [Omit<Sequence, 'text'>, ...Omit<Sequence, 'text'>[]]
}

export function toResult({ sequences, ...rest }: Outcome, textOf: (ids: number[], index: number) => string): Result {
  const [first, ...others] = sequences
  const best = { text: textOf(first.outputTokenIds, 0), ...first }
  const texts = others.map((other, i) => ({ text: textOf(other.outputTokenIds, i + 1), ...other }))
  return { ...best, sequences: [best, ...texts], ...rest }
}

export interface Usage {
  /** Tokens that the encoder read. */
  inputTokens: number
  /** Generated tokens of all sequences. */
  outputTokens: number
}

/**
 * Milliseconds. `totalMs` counts from the call to the end; the others from the arrival in the runtime. Those of stages
 * that the request did not reach are absent. Beside them, iterations.
 */
export interface Timings {
  totalMs: number
  /** Until it started: the time in the queue. */
  queuedMs?: number
  /** Until its input was encoded; absent if the runtime does not tell. */
  encodedMs?: number
  firstTokenMs?: number
  lastTokenMs?: number
  /** Iterations in which the decoder ran it. */
  decodingIter?: number
  /** The first iteration that ran it, as `iter` of `engine.stats()`. */
  firstIter?: number
  /** The iteration that ended it. */
  lastIter?: number
}

/** The part of the timings that the runtime measures. */
export type RuntimeTimings = Omit<Timings, 'totalMs'>

/** One sequence in one response. The arrays are views of memory that all responses of a batch share. */
export interface ResponseRow {
  /** Streaming, unless these are beams: the new tokens; else all. */
  tokens: Int32Array
  /** All so far, also when streaming; empty if not asked for. */
  logProbs: Float32Array
  /** NaN if not asked for. */
  cumLogProb: number
  finishReason: FinishReason | undefined
}

/** One response of a request. */
export interface ResponseView {
  /** The beams, or one sample. */
  rows: ResponseRow[]
  /** Which sample; 0 for beams. */
  sequenceIndex: number
  /** So many tokens of the best beam never change again; -1 if the runtime does not tell. */
  stable: number
  timings: RuntimeTimings
  tensors: readonly RawTensor[]
  /** No more responses follow. */
  final: boolean
}

/** Where the responses of one request go. */
export interface ResponseSink {
  update(response: ResponseView): void
  fail(error: Error): void
}

export interface Dispatcher {
  /** `left` is called once, when the runtime is done with the request. */
  add(id: number, sink: ResponseSink, left: () => void): void
  /** Takes what the addon calls back with. Never throws: an exception there would be lost, and promises would hang. */
  onResponses(batch: RawResponseBatch): void
}

export function createDispatcher(): Dispatcher {
  const sinks = new Map<number, { sink: ResponseSink; left(): void }>()

  function dispatch(batch: RawResponseBatch, index: number, error: string | undefined): void {
    const id = batch.ids[index] ?? -1
    const entry = sinks.get(id)
    if (entry === undefined) return
    const final = (at(batch.flags, index) & RawResponseFlag.final) !== 0 || error !== undefined
    if (final) sinks.delete(id)
    try {
      if (error !== undefined) entry.sink.fail(errorFromNative(error))
      else entry.sink.update(viewOf(batch, index, final))
    } catch (caught) {
      entry.sink.fail(toTrtllmError(caught))
    }
    if (final) entry.left()
  }

  return {
    add: (id, sink, left) => sinks.set(id, { sink, left }),
    onResponses(batch) {
      let errors = 0
      for (let index = 0; index < batch.ids.length; index++) {
        const failed = (at(batch.flags, index) & RawResponseFlag.error) !== 0
        dispatch(batch, index, failed ? (batch.errors[errors++] ?? 'unknown error') : undefined)
      }
    },
  }
}

const NO_TENSORS: readonly RawTensor[] = []

function viewOf(batch: RawResponseBatch, index: number, final: boolean): ResponseView {
  return {
    rows: rowsOf(batch, index),
    sequenceIndex: at(batch.sequenceIndices, index),
    stable: batch.stable[index] ?? -1,
    timings: timingsOf(batch, index),
    tensors: batch.tensors.length === 0 ? NO_TENSORS : batch.tensors.filter(({ response }) => response === index),
    final,
  }
}

function rowsOf(batch: RawResponseBatch, index: number): ResponseRow[] {
  const rows: ResponseRow[] = []
  for (let row = at(batch.rowOffsets, index); row < at(batch.rowOffsets, index + 1); row++) {
    rows.push({
      tokens: batch.tokens.subarray(batch.tokenOffsets[row], batch.tokenOffsets[row + 1]),
      logProbs: batch.logProbs.subarray(batch.logProbOffsets[row], batch.logProbOffsets[row + 1]),
      cumLogProb: batch.cumLogProbs[row] ?? Number.NaN,
      finishReason: FINISH_REASONS[at(batch.finishReasons, row)],
    })
  }
  return rows
}

const TIMINGS = [
  'queuedMs',
  'encodedMs',
  'firstTokenMs',
  'lastTokenMs',
  'decodingIter',
  'firstIter',
  'lastIter',
] as const

function timingsOf({ timings }: RawResponseBatch, index: number): RuntimeTimings {
  const known: RuntimeTimings = {}
  for (const [offset, name] of TIMINGS.entries()) {
    const time = timings[index * TIMINGS.length + offset] ?? Number.NaN
    if (!Number.isNaN(time)) known[name] = time
  }
  return known
}

function at(array: Uint8Array | Uint32Array, index: number): number {
  return array[index] ?? 0
}
