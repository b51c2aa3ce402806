/** One request between the call and its end: gathers what arrives, watches its deadline and its signal. */
import { setMaxListeners } from 'node:events'
import type { AdapterUse } from './adapters.js'
import { createDrafts, type Drafts, toTensor } from './drafts.js'
import { inputLength } from './encoder-inputs.js'
import { AbortError, toTrtllmError } from './errors.js'
import type { RawRequest } from './raw-request.js'
import type { CheckedRequest } from './request.js'
import type { FinishReason, Outcome, ResponseSink, ResponseView, RuntimeTimings } from './response.js'

/** What happens to a flight; after `landed` or `failed` nothing else does. */
export interface FlightEvents {
  /**
   * A streaming request's new tokens, and their log-probabilities if asked for: those of the first sample, or those of
   * the best beam that never change again, which may be none. When it lands, they are all of its first sequence.
   */
  tokens?(ids: ArrayLike<number>, logProbs: ArrayLike<number>, beam?: Beam): void
  landed(outcome: Outcome): void
  failed(error: Error): void
}

/** The best beam so far; the first `stable` of its tokens never change again. */
export interface Beam {
  outputTokenIds: number[]
  stable: number
}

export interface Flight extends ResponseSink {
  readonly raw: RawRequest
  /** Of the request's adapter, until it is over. */
  readonly adapter: AdapterUse | undefined
  /** Given by the runtime; undefined while the request was not sent. */
  id: number | undefined
  isOver(): boolean
  /** Ends it from our side, with what it generated so far. Does nothing if it is over. */
  end(reason: FinishReason): void
}

/** `release` is called once, when the flight is over; `early` if the runtime does not know that yet. */
export function createFlight(
  { raw, signal, timeoutMs, adapter }: CheckedRequest,
  events: FlightEvents,
  release: (flight: Flight, early: boolean) => void,
): Flight {
  const startedAt = performance.now()
  const drafts = createDrafts(raw)
  const tell = raw.streaming ? createTeller(raw, drafts, events) : undefined
  const inputTensors: Pick<Outcome, 'contextLogits' | 'encoderOutput'> = {}
  let timings: RuntimeTimings = {}
  let over = false

  const onAbort = () => finish(true, () => events.failed(new AbortError(signal?.reason)))
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => flight.end('timed-out'), timeoutMs)
  if (signal !== undefined) {
    setMaxListeners(0, signal) // many requests may share a signal
    signal.addEventListener('abort', onAbort, { once: true })
  }

  function finish(early: boolean, settle: () => void): void {
    if (over) return
    over = true
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    flight.adapter?.leave()
    release(flight, early)
    try {
      settle()
    } catch (error) {
      events.failed(toTrtllmError(error)) // a tokenizer that throws
    }
  }

  function land(reason: FinishReason): void {
    tell?.rest()
    events.landed(outcome(reason))
  }

  function outcome(reason: FinishReason): Outcome {
    const sequences = drafts.finish(reason)
    const outputTokens = sequences.reduce((sum, { outputTokenIds }) => sum + outputTokenIds.length, 0)
    return {
      sequences,
      usage: { inputTokens: inputLength(raw) || raw.inputTokenIds.length, outputTokens }, // or of a decoder-only model
      timings: { totalMs: performance.now() - startedAt, ...timings },
      ...inputTensors,
    }
  }

  const flight: Flight = {
    raw,
    adapter: adapter?.board(),
    id: undefined,
    isOver: () => over,
    update(response) {
      if (over) return
      timings = response.timings
      drafts.take(response)
      for (const tensor of response.tensors) {
        if (tensor.name !== 'generationLogits') inputTensors[tensor.name] = toTensor(tensor)
      }
      if (response.final) finish(false, () => land('cancelled'))
      else tell?.news(response)
    },
    fail: (error) => finish(true, () => events.failed(error)),
    end: (reason) => finish(true, () => land(reason)),
  }
  return flight
}

interface Teller {
  news(response: ResponseView): void
  /** All that was not told yet. */
  rest(): void
}

/** Tells a streaming request's listener of new tokens, each once. */
function createTeller({ samplingConfig }: RawRequest, drafts: Drafts, events: FlightEvents): Teller {
  const isBeamSearch = (samplingConfig?.beamWidth ?? 1) > 1
  let told = 0

  function tellUpTo(end: number): void {
    const { tokens, logProbs } = drafts.first()
    const start = told
    told = Math.max(start, end)
    const beam = isBeamSearch ? { outputTokenIds: tokens.slice(), stable: told } : undefined
    events.tokens?.(tokens.slice(start, told), logProbs.subarray(start, told), beam)
  }

  return {
    news({ stable }) {
      const { length } = drafts.first().tokens
      if (isBeamSearch) tellUpTo(stable)
      else if (length > told) tellUpTo(length)
    },
    rest() {
      const { length } = drafts.first().tokens
      if (length > told) tellUpTo(length)
    },
  }
}
