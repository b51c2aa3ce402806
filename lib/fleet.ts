/** Sends requests and cancellations of one engine, each as one call per tick. */
import { errorFromNative, toTrtllmError } from './errors.js'
import { createFlight, type Flight, type FlightEvents } from './flight.js'
import { createLanes } from './lanes.js'
import type { LogitsDispatcher } from './logits-processor.js'
import type { RawEngine } from './native.js'
import type { RawRequest } from './raw-request.js'
import type { CheckedRequest } from './request.js'
import type { Dispatcher, ResponseSink } from './response.js'

/** All requests of an engine that are in flight. */
export interface Fleet {
  start(request: CheckedRequest, events: FlightEvents): Flight
  failAll(error: Error): void
}

/** What brings the engine's answers, and whether it runs several beam widths side by side. */
export interface FleetSupport {
  dispatcher: Dispatcher
  processors: LogitsDispatcher
  mixedBeamWidths: boolean
}

/** Requests that start in the same tick are sent with one call, and so are cancellations. */
export function createFleet(raw: RawEngine, { dispatcher, processors, mixedBeamWidths }: FleetSupport): Fleet {
  const flights = new Set<Flight>()
  const lanes = createLanes<Flight>({
    widthOf: (flight) => flight.raw.samplingConfig?.beamWidth ?? 1,
    isGone: (flight) => flight.isOver(),
    mixed: mixedBeamWidths,
  })
  let starting: Flight[] = []
  let ending: number[] = []
  const sendSoon = oncePerTick(send)
  const cancelSoon = oncePerTick(sendCancellations)

  function send(): void {
    lanes.add(starting)
    starting = []
    const batch = lanes.admit()
    if (batch.length === 0) return
    let replies: (number | string)[] = []
    try {
      replies = raw.enqueue(batch.map(toRaw))
    } catch (error) {
      const message = toTrtllmError(error)
      for (const flight of batch) flight.fail(message)
    }
    for (const [index, flight] of batch.entries()) take(flight, replies[index] ?? 'no answer from the runtime')
  }

  function take(flight: Flight, reply: number | string): void {
    if (typeof reply === 'string') {
      lanes.leave()
      flight.fail(errorFromNative(reply))
    } else {
      flight.id = reply
      dispatcher.add(reply, sinkOf(flight), onLeft)
    }
  }

  /** A request whose adapter the runtime has evicted fails before it starts: it is sent again, and nobody sees it. */
  function sinkOf(flight: Flight): ResponseSink {
    const { adapter } = flight
    if (adapter === undefined) return flight
    const fail = (error: Error) => (adapter.isLost(error) ? sendAgain(flight) : flight.fail(error))
    return { update: flight.update, fail }
  }

  function sendAgain(flight: Flight): void {
    flight.id = undefined
    starting.push(flight)
    sendSoon()
  }

  function onLeft(): void {
    lanes.leave()
    if (!mixedBeamWidths) sendSoon()
  }

  function sendCancellations(): void {
    const ids = ending
    ending = []
    try {
      raw.cancel(ids)
    } catch {
      // the engine is closing, which cancels everything
    }
  }

  function release(flight: Flight, early: boolean): void {
    flights.delete(flight)
    if (flight.id === undefined) {
      sendSoon() // it may have been the one that others waited for
    } else if (early) {
      ending.push(flight.id)
      cancelSoon()
    }
  }

  /** The addon brings the logits of a request under a key. */
  function withProcessor(request: CheckedRequest, fail: (error: Error) => void): [CheckedRequest, () => void] {
    const { raw, logitsProcessor } = request
    if (logitsProcessor === undefined) return [request, () => {}]
    const key = processors.add(logitsProcessor, fail)
    const keyed = { ...request, raw: { ...raw, extras: { ...raw.extras, logitsProcessor: key } } }
    return [keyed, () => processors.remove(key)]
  }

  return {
    start(request, events) {
      const [keyed, forget] = withProcessor(request, (error) => flight.fail(error))
      const flight = createFlight(keyed, events, (over, early) => {
        forget()
        release(over, early)
      })
      flights.add(flight)
      starting.push(flight)
      sendSoon()
      return flight
    },
    failAll(error) {
      for (const flight of [...flights]) flight.fail(error)
    },
  }
}

function toRaw({ raw, adapter }: Flight): RawRequest {
  return adapter === undefined ? raw : { ...raw, loraConfig: adapter.toRaw() }
}

function oncePerTick(run: () => void): () => void {
  let scheduled = false
  return () => {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      run()
    })
  }
}
