/** Sends requests and cancellations of one engine, each as one call per tick. */
import { errorFromNative, toTrtllmError } from './errors.js'
import { createFlight, type Flight, type FlightEvents } from './flight.js'
import type { RawEngine } from './native.js'
import type { CheckedRequest } from './request.js'
import type { Dispatcher } from './response.js'

/** All requests of an engine that are in flight. */
export interface Fleet {
  start(request: CheckedRequest, events: FlightEvents): Flight
  failAll(error: Error): void
}

/** Requests that start in the same tick are sent with one call, and so are cancellations. */
export function createFleet(raw: RawEngine, dispatcher: Dispatcher): Fleet {
  const flights = new Set<Flight>()
  let starting: Flight[] = []
  let ending: number[] = []

  function queue<T>(list: T[], item: T, run: () => void): void {
    if (list.push(item) === 1) queueMicrotask(run)
  }

  function send(): void {
    const batch = starting.filter((flight) => !flight.isOver())
    starting = []
    if (batch.length === 0) return
    let replies: (number | string)[]
    try {
      replies = raw.enqueue(batch.map((flight) => flight.raw))
    } catch (error) {
      for (const flight of batch) flight.fail(toTrtllmError(error))
      return
    }
    for (const [index, flight] of batch.entries()) take(flight, replies[index] ?? 'no answer from the runtime')
  }

  function take(flight: Flight, reply: number | string): void {
    if (typeof reply === 'string') {
      flight.fail(errorFromNative(reply))
    } else {
      flight.id = reply
      dispatcher.add(reply, flight)
    }
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
    if (!early || flight.id === undefined) return
    dispatcher.remove(flight.id)
    queue(ending, flight.id, sendCancellations)
  }

  return {
    start(request, events) {
      const flight = createFlight(request, events, release)
      flights.add(flight)
      queue(starting, flight, send)
      return flight
    },
    failAll(error) {
      for (const flight of [...flights]) flight.fail(error)
    },
  }
}
