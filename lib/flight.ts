/** One request between the call and its end: gathers what arrives, watches its deadline and its signal. */
import { setMaxListeners } from 'node:events'
import { AbortError, toTrtllmError } from './errors.js'
import type { RawRequest } from './native.js'
import type { CheckedRequest } from './request.js'
import type { FinishReason, ResponseRow, ResponseSink, Result, RuntimeTimings } from './response.js'

/** What happens to a flight; after `landed` or `failed` nothing else does. */
export interface FlightEvents {
  /** New tokens of a streaming request, and their log-probabilities if asked for. */
  tokens?(ids: Int32Array, logProbs: Float32Array): void
  landed(result: Omit<Result, 'text'>): void
  failed(error: Error): void
}

export interface Flight extends ResponseSink {
  readonly raw: RawRequest
  /** Given by the runtime; undefined while the request was not sent. */
  id: number | undefined
  isOver(): boolean
  /** Ends it from our side, with what it generated so far. Does nothing if it is over. */
  end(reason: FinishReason): void
}

/** `release` is called once, when the flight is over; `early` if the runtime does not know that yet. */
export function createFlight(
  { raw, signal, timeoutMs }: CheckedRequest,
  events: FlightEvents,
  release: (flight: Flight, early: boolean) => void,
): Flight {
  const startedAt = performance.now()
  const outputTokenIds: number[] = []
  let logProbs: Float32Array = new Float32Array()
  let cumLogProb = Number.NaN
  let timings: RuntimeTimings = {}
  let over = false

  const onAbort = () => finish(true, () => events.failed(new AbortError(signal?.reason)))
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => flight.end('timed-out'), timeoutMs)
  if (signal !== undefined) {
    setMaxListeners(0, signal) // many requests may share a signal
    signal.addEventListener('abort', onAbort, { once: true })
  }

  function finish(early: boolean, tell: () => void): void {
    if (over) return
    over = true
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    release(flight, early)
    try {
      tell()
    } catch (error) {
      events.failed(toTrtllmError(error)) // a tokenizer that throws
    }
  }

  function add(row: ResponseRow): void {
    const before = outputTokenIds.length
    for (const id of row.tokens) outputTokenIds.push(id)
    if (row.logProbs.length > 0) logProbs = row.logProbs
    cumLogProb = row.cumLogProb
    if (row.tokens.length === 0 || !raw.streaming) return
    events.tokens?.(row.tokens, logProbs.subarray(before))
  }

  function result(finishReason: FinishReason): Omit<Result, 'text'> {
    return {
      outputTokenIds,
      finishReason,
      usage: { inputTokens: raw.encoderInputTokenIds.length, outputTokens: outputTokenIds.length },
      timings: { totalMs: performance.now() - startedAt, ...timings },
      ...(raw.outputConfig.returnLogProbs ? { logProbs: Array.from(logProbs), cumLogProb } : {}),
    }
  }

  const flight: Flight = {
    raw,
    id: undefined,
    isOver: () => over,
    update(rows, newTimings, final) {
      const row = rows[0]
      if (over) return
      timings = newTimings
      if (row !== undefined) add(row)
      if (final) finish(false, () => events.landed(result(row?.finishReason ?? 'cancelled')))
    },
    fail: (error) => finish(true, () => events.failed(error)),
    end: (reason) => finish(true, () => events.landed(result(reason))),
  }
  return flight
}
