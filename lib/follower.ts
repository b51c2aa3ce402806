/** A rank that is not the leader: it runs its part of the model for as long as the leader has it open. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RawEngine } from './native.js'

const POLL_MS = 50

/** Resolves when the leader has closed, with what stands for this rank's engine then: only `close` of it may be called. */
export async function followLeader(follower: RawEngine): Promise<RawEngine> {
  while (follower.hasEnded?.() === false) await sleep(POLL_MS)
  return { ...follower, close: async () => {} }
}
