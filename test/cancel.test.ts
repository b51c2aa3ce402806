import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../lib/index.js'
import { loadSample } from './helpers/sample.js'

const endless = { input: 'rhythm', endId: null, maxTokens: 3000 }
let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
})
afterAll(() => engine.close())

/** All blocks come back, soon after the last request has ended. */
async function expectIdle(): Promise<void> {
  const idle = { numQueuedRequests: 0, numActiveRequests: 0, usedSelfBlocks: 0, usedCrossBlocks: 0 }
  await expect.poll(() => engine.snapshot(), { timeout: 5000 }).toMatchObject(idle)
}

describe('signal', () => {
  test('aborted before the call: nothing is done', async () => {
    const signal = AbortSignal.abort('too late')
    const before = engine.snapshot().iteration
    await expect(engine.generate({ ...endless, signal })).rejects.toMatchObject({
      name: 'AbortError',
      cause: 'too late',
    })
    const stream = engine.stream({ ...endless, signal })
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ name: 'AbortError', cause: 'too late' })
    await expect(stream.result).rejects.toMatchObject({ name: 'AbortError' })
    expect(engine.snapshot().iteration).toBe(before)
  })

  test('aborted in the tick of the call', async () => {
    const controller = new AbortController()
    const promise = engine.generate({ ...endless, signal: controller.signal })
    controller.abort()
    await expect(promise).rejects.toMatchObject({ name: 'AbortError' })
    await expectIdle()
  })

  test('one signal for 100 requests, aborted while they run: blocks come back', async () => {
    const controller = new AbortController()
    const warnings: Error[] = []
    process.on('warning', (warning) => warnings.push(warning))
    const requests = Array.from({ length: 100 }, () => engine.generate({ ...endless, signal: controller.signal }))
    await expect.poll(() => engine.snapshot().usedSelfBlocks).toBeGreaterThan(0)
    expect(engine.snapshot().usedCrossBlocks).toBeGreaterThan(0)
    controller.abort()
    for (const outcome of await Promise.allSettled(requests)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
    }
    await expectIdle()
    expect(warnings).toEqual([])
  })

  test('aborted while a stream is read', async () => {
    const controller = new AbortController()
    const stream = engine.stream({ ...endless, signal: controller.signal })
    const read = async () => {
      for await (const _ of stream) controller.abort('enough')
    }
    await expect(read()).rejects.toMatchObject({ name: 'AbortError', cause: 'enough' })
    await expectIdle()
  })

  test('aborted after the end: no effect', async () => {
    const controller = new AbortController()
    const result = await engine.generate({ input: 'queue', signal: controller.signal })
    controller.abort()
    expect(result.finishReason).toBe('end-id')
  })
})

describe('timeoutMs', () => {
  test('generate gives what there is', async () => {
    const { finishReason, outputTokenIds, timings } = await engine.generate({ ...endless, timeoutMs: 40 })
    expect(finishReason).toBe('timed-out')
    expect(outputTokenIds.length).toBeGreaterThan(0)
    expect(outputTokenIds.length).toBeLessThan(3000)
    expect(timings.totalMs).toBeGreaterThan(35)
    const { outputTokenIds: all } = await engine.generate({ ...endless, maxTokens: outputTokenIds.length })
    expect(outputTokenIds).toEqual(all)
    await expectIdle()
  })

  test('a stream ends', async () => {
    const stream = engine.stream({ ...endless, timeoutMs: 40 })
    let text = ''
    for await (const chunk of stream) text += chunk.text
    expect(await stream.result).toMatchObject({ finishReason: 'timed-out', text })
    await expectIdle()
  })

  test('time in the queue counts', async () => {
    const busy = Array.from({ length: engine.limits.maxBatchSize }, () => engine.stream(endless))
    const { timings, finishReason } = await engine.generate({ input: 'queue', timeoutMs: 30 })
    for (const stream of busy) stream.cancel()
    expect(timings.totalMs).toBeLessThan(1000)
    expect(['timed-out', 'end-id']).toContain(finishReason)
    await expectIdle()
  })

  test('not reached: no effect', async () => {
    const { timings: _, ...plain } = await engine.generate({ input: 'queue' })
    expect(await engine.generate({ input: 'queue', timeoutMs: 60_000 })).toMatchObject(plain)
  })
})

describe('close', () => {
  test('with 100 requests in flight settles every promise', async () => {
    const own = await loadSample()
    const promises = Array.from({ length: 50 }, () => own.generate(endless))
    const streams = Array.from({ length: 50 }, () => own.stream(endless))
    await sleep(20)
    const unsent = own.generate(endless)
    const closing = own.close()
    const outcomes = await Promise.allSettled([...promises, unsent, ...streams.map(({ result }) => result)])
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } })
    await closing
    expect(own.close()).toBe(closing)
  })

  test('a closed engine refuses by name', async () => {
    const own = await loadSample()
    await own[Symbol.asyncDispose]()
    const closed = { code: 'ERR_CLOSED' }
    await expect(own.generate({ input: 'queue' })).rejects.toMatchObject(closed)
    expect(() => own.stream({ input: 'queue' })).toThrow(expect.objectContaining(closed))
    expect(() => own.snapshot()).toThrow(expect.objectContaining(closed))
  })

  test('other engines go on', async () => {
    const own = await loadSample()
    const running = engine.generate({ ...endless, maxTokens: 100 })
    await own.close()
    expect(await running).toMatchObject({ finishReason: 'length' })
  })
})
