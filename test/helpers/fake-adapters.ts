/** Adapters by name over a runtime that only takes notes. */
import { createLoras } from '../../lib/loras.js'
import type { NativeAddon } from '../../lib/native.js'
import { checkRequest, type Request } from '../../lib/request.js'
import type { Outcome } from '../../lib/response.js'
import { createFakeEngine } from './fake-engine.js'
import { randomPairs, tempAdapter, tempCheckpoint } from './lora-adapters.js'
import { T5 } from './lora-models.js'
import { requestContext } from './request-context.js'

/** What the runtime says to a request whose adapter it does not have. */
export const LOST = '[ERR_LORA_NOT_FOUND] task is not cached'
export const tick = () => new Promise((resolve) => setImmediate(resolve))

interface Setup extends Partial<Pick<NativeAddon, 'runtime' | 'capabilities'>> {
  mixedBeamWidths?: boolean
  maxAdapterRank?: number
}

/** A model, an engine that takes notes, and its adapters. */
export function setup({ mixedBeamWidths = true, maxAdapterRank = 64, ...addon }: Setup = {}) {
  const engine = createFakeEngine(mixedBeamWidths)
  const raw = { ...engine.raw, limits: { ...engine.raw.limits, maxAdapterRank } }
  const model = tempCheckpoint(T5)
  const registry = createLoras(raw, model, { runtime: 'embedded', capabilities: ['pinAdapter'], ...addon })
  const context = { ...requestContext, findAdapter: registry.find }

  function start(fields: Partial<Request> = {}): Promise<Outcome> {
    const request = checkRequest({ inputTokenIds: [3], ...fields }, context, false)
    const outcome = new Promise<Outcome>((landed, failed) => engine.fleet.start(request, { landed, failed }))
    outcome.catch(() => {})
    return outcome
  }
  function close(): void {
    engine.fleet.failAll(new Error('closed'))
    registry.close()
  }
  /** For each call of enqueue and each of its requests: the task, and whether its tensors came along. */
  const sent = () =>
    engine.sent.map((batch) => batch.map(({ loraConfig: lora }) => lora && `${lora.taskId}${lora.weights ? '+' : ''}`))
  return { ...engine, enqueued: engine.sent, model, context, loras: registry.loras, start, close, sent }
}

/** A folder whose adapter differs with the seed. */
export const adapter = (seed = 1) =>
  tempAdapter(T5, randomPairs(T5, { seed, take: (name) => name.startsWith('decoder.block.0') }))

export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const other = {}
  await tick()
  return (await Promise.race([promise, Promise.resolve(other)])) !== other
}
