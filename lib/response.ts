/** What comes back: the result type, and the dispatcher that hands native responses to the requests they belong to. */
import { errorFromNative, toTrtllmError } from './errors.js'
import { FINISH_REASONS, type RawResponseBatch, RawResponseFlag } from './native.js'

/**
 * Why generation ended: 'end-id' the end token was drawn; 'stop-words' a stop word was; 'length' maxTokens were
 * generated; 'timed-out' timeoutMs were over; 'cancelled' the reader left the stream.
 */
export type FinishReason = 'end-id' | 'stop-words' | 'length' | 'timed-out' | 'cancelled'

/** What a request gave. */
export interface Result {
  /** Text of `outputTokenIds`; '' if the engine has no tokenizer. */
  text: string
  /** Generated tokens, without decoder prompt and end token. */
  outputTokenIds: number[]
  finishReason: FinishReason
  usage: Usage
  timings: Timings
  /** With `returnLogProbs`: natural log-probability of each generated token. */
  logProbs?: number[]
  /** With `returnLogProbs`: their sum, the end token's included. */
  cumLogProb?: number
}

export interface Usage {
  /** Tokens that the encoder read. */
  inputTokens: number
  /** Length of `outputTokenIds`. */
  outputTokens: number
}

/**
 * Milliseconds. `totalMs` counts from the call to the end; the others from the arrival in the runtime, and are absent
 * where the request did not get that far.
 */
export interface Timings {
  totalMs: number
  /** Until it started: the time in the queue. */
  queuedMs?: number
  /** Until its input was encoded; absent if the runtime does not tell. */
  encodedMs?: number
  firstTokenMs?: number
  lastTokenMs?: number
}

/** The part of the timings that the runtime measures. */
export type RuntimeTimings = Omit<Timings, 'totalMs'>

/** One sequence in one response. The arrays are views of memory that all responses of a batch share. */
export interface ResponseRow {
  /** Streaming: the new tokens; else all. */
  tokens: Int32Array
  /** All so far, also when streaming; empty if not asked for. */
  logProbs: Float32Array
  /** NaN if not asked for. */
  cumLogProb: number
  finishReason: FinishReason | undefined
}

/** Where the responses of one request go. */
export interface ResponseSink {
  /** `final`: no more responses follow. */
  update(rows: ResponseRow[], timings: RuntimeTimings, final: boolean): void
  fail(error: Error): void
}

export interface Dispatcher {
  add(id: number, sink: ResponseSink): void
  /** Later responses of this request are dropped. */
  remove(id: number): void
  /** Takes what the addon calls back with. Never throws: an exception there would be lost, and promises would hang. */
  onResponses(batch: RawResponseBatch): void
}

export function createDispatcher(): Dispatcher {
  const sinks = new Map<number, ResponseSink>()

  function dispatch(batch: RawResponseBatch, index: number, error: string | undefined): void {
    const id = batch.ids[index] ?? -1
    const sink = sinks.get(id)
    if (sink === undefined) return
    const final = (at(batch.flags, index) & RawResponseFlag.final) !== 0 || error !== undefined
    if (final) sinks.delete(id)
    try {
      if (error !== undefined) sink.fail(errorFromNative(error))
      else sink.update(rowsOf(batch, index), timingsOf(batch, index), final)
    } catch (caught) {
      sink.fail(toTrtllmError(caught))
    }
  }

  return {
    add: (id, sink) => sinks.set(id, sink),
    remove: (id) => sinks.delete(id),
    onResponses(batch) {
      let errors = 0
      for (let index = 0; index < batch.ids.length; index++) {
        const failed = (at(batch.flags, index) & RawResponseFlag.error) !== 0
        dispatch(batch, index, failed ? (batch.errors[errors++] ?? 'unknown error') : undefined)
      }
    },
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

const TIMINGS = ['queuedMs', 'encodedMs', 'firstTokenMs', 'lastTokenMs'] as const

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
