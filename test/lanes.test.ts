/** A runtime that holds one beam width at a time: others wait in fair order, and nobody's request fails. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { FlightEvents } from '../lib/flight.js'
import { createLanes } from '../lib/lanes.js'
import type { NativeAddon, RawEngine } from '../lib/native.js'
import type { RawRequest } from '../lib/raw-request.js'
import { RawResponseFlag } from '../lib/raw-response.js'
import { checkRequest } from '../lib/request.js'
import type { Outcome } from '../lib/response.js'
import { createFakeEngine } from './helpers/fake-engine.js'
import { createRandom, type Random } from './helpers/random.js'
import { requestContext } from './helpers/request-context.js'
import { onTensorrtLlm } from './helpers/runtime.js'
import { loadSample } from './helpers/sample.js'

interface Item {
  width: number
  gone?: boolean
}

const makeLanes = (mixed = false) =>
  createLanes<Item>({ widthOf: ({ width }) => width, isGone: ({ gone = false }) => gone, mixed })
const items = (...widths: number[]): Item[] => widths.map((width) => ({ width }))
const widthsOf = (entered: Item[]) => entered.map(({ width }) => width)

describe('lanes', () => {
  test('one width enters at once; another waits until all have left', () => {
    const lanes = makeLanes()
    lanes.add(items(1, 1, 4))
    expect(widthsOf(lanes.admit())).toEqual([1, 1])
    lanes.leave()
    expect(lanes.admit()).toEqual([])
    lanes.leave()
    expect(widthsOf(lanes.admit())).toEqual([4])
  })

  test('once one waits, all later ones queue behind it, and a run of equal width enters together', () => {
    const lanes = makeLanes()
    lanes.add(items(1))
    lanes.admit()
    lanes.add(items(4, 4, 1, 4))
    lanes.add(items(1))
    expect(lanes.admit()).toEqual([])
    const order: number[][] = []
    for (let inside = 1; inside > 0; inside = order.at(-1)?.length ?? 0) {
      for (let i = 0; i < inside; i++) lanes.leave()
      order.push(widthsOf(lanes.admit()))
    }
    expect(order).toEqual([[4, 4], [1], [4], [1], []])
  })

  test('one that does not want any more lets those behind it enter', () => {
    const lanes = makeLanes()
    lanes.add(items(1))
    lanes.admit()
    const [wide, narrow] = items(4, 1)
    lanes.add([wide as Item, narrow as Item])
    expect(lanes.admit()).toEqual([])
    ;(wide as Item).gone = true
    expect(lanes.admit()).toEqual([narrow])
  })

  test('a runtime that mixes widths keeps nobody waiting', () => {
    const lanes = makeLanes(true)
    lanes.add(items(1, 4, 2))
    expect(widthsOf(lanes.admit())).toEqual([1, 4, 2])
  })

  test('any order of arrivals and departures: never two widths inside, always first come, first served', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { arrived, entered, mixed } = simulate(createRandom(seed))
      expect(mixed).toBe(false)
      expect(entered).toEqual(arrived.slice(0, entered.length))
    }
  })
})

/** Arrivals and departures at random; `mixed`: two widths were inside at once, or somebody waited for nobody. */
function simulate(random: Random) {
  const lanes = makeLanes()
  const arrived: Item[] = []
  const entered: Item[] = []
  let inside: Item[] = []
  let mixed = false
  for (let step = 0; step < 60; step++) {
    if (random.next() < 0.5) {
      const fresh = items(...Array.from({ length: random.below(4) }, () => random.pick([1, 2, 4])))
      arrived.push(...fresh)
      lanes.add(fresh)
    } else if (inside.length > 0) {
      inside = inside.slice(1)
      lanes.leave()
    }
    const admitted = lanes.admit()
    inside.push(...admitted)
    entered.push(...admitted)
    mixed ||= new Set(widthsOf(inside)).size > 1 || (inside.length === 0 && entered.length < arrived.length)
  }
  return { arrived, entered, mixed }
}

describe('a fleet over a runtime of one width at a time', () => {
  const tick = () => new Promise((resolve) => setImmediate(resolve))

  function start({ fleet }: ReturnType<typeof createFakeEngine>, beamWidth: number, fields: object = {}) {
    const request = checkRequest({ inputTokenIds: [3], beamWidth, ...fields }, requestContext, false)
    const promise = new Promise<Outcome>((resolve, reject) => {
      const events: FlightEvents = { landed: resolve, failed: reject }
      fleet.start(request, events)
    })
    promise.catch(() => {})
    return promise
  }
  const widths = (sent: RawRequest[][]) => sent.map((batch) => batch.map((raw) => raw.samplingConfig?.beamWidth))

  test('sends another width when the last of the old one has ended', async () => {
    const engine = createFakeEngine(false)
    const all = [1, 1, 4, 4, 1].map((width) => start(engine, width))
    await tick()
    expect(widths(engine.sent)).toEqual([[1, 1]])
    engine.end(1)
    await tick()
    expect(engine.sent).toHaveLength(1)
    engine.end(2)
    await tick()
    expect(widths(engine.sent)).toEqual([
      [1, 1],
      [4, 4],
    ])
    for (const id of [3, 4]) engine.end(id)
    await tick()
    engine.end(5)
    expect(widths(engine.sent)).toEqual([[1, 1], [4, 4], [1]])
    for (const outcome of await Promise.all(all)) expect(outcome.sequences[0].outputTokenIds).toEqual([7])
  })

  test('an aborted or timed-out one that waits is never sent, and those behind it go on', async () => {
    const engine = createFakeEngine(false)
    const controller = new AbortController()
    const first = start(engine, 1)
    const aborted = start(engine, 4, { signal: controller.signal })
    const late = start(engine, 2, { timeoutMs: 5 })
    const last = start(engine, 1)
    await tick()
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    expect(await late).toMatchObject({ sequences: [{ finishReason: 'timed-out', outputTokenIds: [] }] })
    await tick()
    expect(widths(engine.sent)).toEqual([[1], [1]])
    expect(engine.cancelled).toEqual([])
    for (const id of [1, 2]) engine.end(id)
    await Promise.all([first, last])
  })

  test('one that is aborted while it runs counts until the runtime is done with it', async () => {
    const engine = createFakeEngine(false)
    const controller = new AbortController()
    const aborted = start(engine, 1, { signal: controller.signal })
    void start(engine, 4)
    await tick()
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    await tick()
    expect(widths(engine.sent)).toEqual([[1]])
    engine.end(1)
    await tick()
    expect(widths(engine.sent)).toEqual([[1], [4]])
  })

  test('a refused request leaves its place', async () => {
    const engine = createFakeEngine(false, (raw) =>
      raw.samplingConfig?.beamWidth === 4 ? '[ERR_QUEUE_FULL] full' : undefined,
    )
    const refused = start(engine, 4)
    const next = start(engine, 1)
    await expect(refused).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
    await tick()
    engine.end(1)
    expect(await next).toMatchObject({ sequences: [{ finishReason: 'end-id' }] })
  })

  test('closing fails those that wait', async () => {
    const engine = createFakeEngine(false)
    const all = [1, 4].map((width) => start(engine, width))
    await tick()
    engine.fleet.failAll(new Error('closed'))
    for (const outcome of await Promise.allSettled(all)) expect(outcome).toMatchObject({ status: 'rejected' })
    engine.end(1)
    await tick()
    expect(engine.sent).toHaveLength(1)
  })
})

const hidden = vi.hoisted(() => ({ widthsInside: [] as number[][] }))

/** The real addon without its capability, and a look at which widths it holds at each call. */
vi.mock('../lib/native.js', async (load) => {
  const native = await load<typeof import('../lib/native.js')>()
  return { ...native, loadAddon: () => withoutMixing(native.loadAddon()) }
})

function withoutMixing(addon: NativeAddon): NativeAddon {
  const inside = new Map<number, number>()
  return {
    ...addon,
    capabilities: addon.capabilities.filter((name) => name !== 'mixedBeamWidths'),
    async createEngine(options, onResponses, onLogits) {
      const raw = await addon.createEngine(
        options,
        (batch) => {
          for (const [i, id] of batch.ids.entries()) {
            if (((batch.flags[i] ?? 0) & RawResponseFlag.final) !== 0) inside.delete(id)
          }
          onResponses(batch)
        },
        onLogits,
      )
      const enqueue: RawEngine['enqueue'] = (requests) => {
        const replies = raw.enqueue(requests)
        for (const [i, id] of replies.entries()) inside.set(Number(id), requests[i]?.samplingConfig?.beamWidth ?? 1)
        hidden.widthsInside.push([...inside.values()])
        return replies
      }
      return {
        ...raw,
        enqueue,
        cancel: (ids) => raw.cancel(ids),
        releaseAdapters: (ids) => raw.releaseAdapters(ids),
        pinAdapter: (id, pinned) => raw.pinAdapter(id, pinned),
        snapshot: () => raw.snapshot(),
        close: () => raw.close(),
      }
    },
  }
}

describe.skipIf(onTensorrtLlm)('the real addon with the capability hidden', () => {
  afterEach(() => {
    hidden.widthsInside = []
  })

  test('requests of several widths all succeed, and never two widths run together', async () => {
    const engine = await loadSample()
    const words = ['queue', 'choir', 'rhythm', 'colonel', 'plough', 'yacht', 'island', 'subtle', 'receipt', 'bouquet']
    const results = await Promise.all(
      words.map((input, i) => engine.generate({ input, ...(i % 3 === 0 ? {} : { beamWidth: 2 * (i % 3) }) })),
    )
    await engine.close()
    expect(results.map(({ sequences }) => sequences.length)).toEqual(
      words.map((_, i) => (i % 3 === 0 ? 1 : 2 * (i % 3))),
    )
    expect(hidden.widthsInside.length).toBeGreaterThan(1)
    for (const widths of hidden.widthsInside) expect(new Set(widths).size).toBe(1)
  })
})
