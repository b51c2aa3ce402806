/** Requests, loads, replacements, unloads, aborts and evictions at random: nothing fails but what was asked to. */
import { expect, test } from 'vitest'
import { EMBEDDED_LORA, type LoraTensors, prepareAdapter } from '../lib/lora/index.js'
import type { RawLoraConfig } from '../lib/raw-request.js'
import { adapter, LOST, setup, tick } from './helpers/fake-adapters.js'
import { createRandom, type Random } from './helpers/random.js'

const NAMES = ['a', 'b', 'c']
const CACHE_SIZE = 2

type Engine = ReturnType<typeof setup>

/** A runtime with room for two adapters that starts waiting requests in any order. */
function createRuntime({ enqueued, cancelled, end, fail }: Engine, random: Random) {
  const cached = new Set<number>()
  const waiting = new Map<number, RawLoraConfig>()
  const active = new Map<number, number>()
  let seen = 0
  let lastId = 0

  function fetch(): void {
    for (; seen < enqueued.length; seen++) {
      for (const { loraConfig } of enqueued[seen] ?? []) waiting.set(++lastId, loraConfig as RawLoraConfig)
    }
  }

  function finish(id: number): void {
    waiting.delete(id)
    active.delete(id)
    end(id)
  }

  function evict(): void {
    for (const task of cached) {
      if (![...active.values()].includes(task) && cached.size >= CACHE_SIZE) cached.delete(task)
    }
  }

  /** One more starts, if its adapter is there or fits. */
  function admit(): void {
    const id = random.pick([...waiting.keys()])
    const { taskId, weights } = waiting.get(id) as RawLoraConfig
    if (weights === undefined && !cached.has(taskId)) {
      waiting.delete(id)
      fail(id, LOST)
      return
    }
    if (!cached.has(taskId)) evict()
    if (!cached.has(taskId) && cached.size >= CACHE_SIZE) return
    waiting.delete(id)
    cached.add(taskId)
    active.set(id, taskId)
  }

  return {
    step() {
      fetch()
      for (const id of cancelled.splice(0)) finish(id)
      if (waiting.size > 0) admit()
      if (active.size > 0 && random.next() < 0.6) finish(random.pick([...active.keys()]))
    },
    isIdle: () => seen === enqueued.length && waiting.size + active.size === 0,
  }
}

/** What users do in one step. */
function act({ loras, start }: Engine, sources: LoraTensors[], random: Random, promises: Promise<unknown>[]): void {
  const name = random.pick(NAMES)
  const isLoaded = loras.list().some((info) => info.name === name)
  const choice = random.next()
  if (!isLoaded || choice < 0.1) {
    promises.push(loras.load(name, random.pick(sources)))
  } else if (choice < 0.15) {
    promises.push(loras.unload(name))
  } else if (choice < 0.25) {
    const controller = new AbortController()
    promises.push(start({ lora: name, signal: controller.signal }).catch(({ code }) => expect(code).toBe('ABORT_ERR')))
    setTimeout(() => controller.abort(), random.below(3))
  } else {
    promises.push(start({ lora: name }))
  }
}

test.each([1, 2, 3, 4, 5, 6])('seed %i', async (seed) => {
  const random = createRandom(seed)
  const engine = setup()
  const prepared = (each: number) =>
    prepareAdapter(adapter(each), engine.model, { capabilities: EMBEDDED_LORA, dtype: 'float32' })
  const sources = await Promise.all([1, 2].map(prepared))
  const runtime = createRuntime(engine, random)
  const promises: Promise<unknown>[] = []
  for (let step = 0; step < 200; step++) {
    act(engine, sources, random, promises)
    await tick()
    runtime.step()
    if (random.next() < 0.5) runtime.step()
  }
  for (let quiet = 0; quiet < 5; quiet = runtime.isIdle() ? quiet + 1 : 0) {
    await tick()
    runtime.step()
  }
  for (const { status } of await Promise.allSettled(promises)) expect(status).toBe('fulfilled')
  const current = engine.loras.list().map(({ taskId }) => taskId)
  const loads = Math.max(...current, ...engine.released)
  expect([...engine.released, ...current].sort((a, b) => a - b)).toEqual(Array.from({ length: loads }, (_, i) => i + 1))
  for (const { requestsInFlight } of engine.loras.list()) expect(requestsInFlight).toBe(0)
  const withTensors = engine.enqueued.flat().filter(({ loraConfig }) => loraConfig?.weights !== undefined).length
  expect(withTensors).toBeGreaterThan(loads) // evicted ones came again
})
