/** One version of an adapter at the border: its task in the runtime, its tensors, and the requests that use it. */
import { TrtllmError } from './errors.js'
import type { LoraTensors } from './lora/tensors.js'
import type { RawLoraConfig } from './raw-request.js'

export interface Adapter {
  readonly taskId: number
  /** Requests that use it and have not ended. */
  requestsInFlight(): number
  board(): AdapterUse
  /** No more requests will board. Resolves when the last has left and the tensors are let go. */
  retire(): Promise<void>
}

/** One request's use of an adapter. */
export interface AdapterUse {
  /** For the request that is sent now: with the tensors, unless the runtime has them or another request brings them. */
  toRaw(): RawLoraConfig
  /** Whether the request failed only because the runtime does not have the adapter any more: send it again. */
  isLost(error: Error): boolean
  /** The request has ended. */
  leave(): void
}

/** So often a request relies on the tensors that another one brings; then it brings them itself. */
const MOST_WAITS = 2

/** `release` is called once, when nobody will use the adapter any more. */
export function createAdapter(taskId: number, tensors: LoraTensors, release: () => void): Adapter {
  let held: LoraTensors | undefined = tensors
  let wereSent = false
  /** The request that brought the tensors last, until it ends: those that start after it find them. */
  let carrier: AdapterUse | undefined
  let inFlight = 0
  let retired: { promise: Promise<void>; resolve(): void } | undefined

  function letGoIfUnused(): void {
    if (retired === undefined || inFlight > 0 || held === undefined) return
    held = undefined
    release()
    retired.resolve()
  }

  return {
    taskId,
    requestsInFlight: () => inFlight,
    board() {
      inFlight++
      let waits = 0
      let carries = false
      const use: AdapterUse = {
        toRaw() {
          carries = !wereSent || waits >= MOST_WAITS || (waits > 0 && carrier === undefined)
          if (!carries) return { taskId }
          wereSent = true
          carrier = use
          return { taskId, ...held }
        },
        isLost(error) {
          if (carries || !(error instanceof TrtllmError) || error.code !== 'ERR_LORA_NOT_FOUND') return false
          waits++
          return true
        },
        leave() {
          inFlight--
          if (carrier === use) carrier = undefined
          letGoIfUnused()
        },
      }
      return use
    },
    retire() {
      if (retired === undefined) {
        retired = withResolver()
        letGoIfUnused()
      }
      return retired.promise
    },
  }
}

function withResolver(): { promise: Promise<void>; resolve(): void } {
  let resolve = () => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
