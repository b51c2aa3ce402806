/** Long loops over numbers let the event loop run in between: adapters are loaded while others are served. */
import { setImmediate } from 'node:timers/promises'

/** Numbers between two pauses: a few milliseconds. */
const INTERVAL = 1 << 17

/** @returns a function to call with the count of numbers that were handled since its last call */
export function createPauses(): (numbers: number) => Promise<void> {
  let sum = 0
  return async (numbers) => {
    sum += numbers
    if (sum < INTERVAL) return
    sum = 0
    await setImmediate()
  }
}
