import { afterAll, describe, expect, test } from 'vitest'
import type { Engine, EngineStats, RequestStats } from '../lib/index.js'
import { createStatsReader } from '../lib/stats.js'
import { onTensorrtLlm } from './helpers/runtime.js'
import { loadSample } from './helpers/sample.js'

const engines: Engine[] = []

async function load(options: Parameters<typeof loadSample>[0]): Promise<Engine> {
  const engine = await loadSample(options)
  engines.push(engine)
  return engine
}

afterAll(() => Promise.all(engines.map((engine) => engine.close())))

async function collect(stats: AsyncIterable<EngineStats>): Promise<EngineStats[]> {
  const all: EngineStats[] = []
  for await (const one of stats) all.push(one)
  return all
}

const sum = (all: EngineStats[], of: (one: EngineStats) => number) => all.reduce((total, one) => total + of(one), 0)

describe('engine.stats', () => {
  test('every reader gets every iteration, and the counts add up', async () => {
    const engine = await load({ maxBatchSize: 4, requestStatsMaxIterations: 1000, kvCache: { reuseEncoder: false } })
    const readers = [collect(engine.stats()), collect(engine.stats())]
    const words = ['rhythm', 'yacht', 'queue', 'island', 'tough', 'plough', 'receipt', 'subtle']
    const results = await Promise.all(words.map((input) => engine.generate({ input })))
    await engine.close()
    const [stats = [], again] = await Promise.all(readers)
    expect(again).toEqual(stats)
    expect(sum(stats, (one) => one.numNewActiveRequests)).toBe(words.length)
    expect(sum(stats, (one) => one.numCompletedRequests)).toBe(words.length)
    // One decoder step for each generated token, and one that draws the end token.
    const steps = results.reduce((total, { usage }) => total + usage.outputTokens + 1, 0)
    expect(sum(stats, (one) => one.inflightBatchingStats?.numScheduledRequests ?? 0)).toBe(steps)
    expect(Math.max(...stats.map((one) => one.numActiveRequests))).toBe(4)
    expect(stats.at(-1)?.crossKvCacheStats).toMatchObject({ usedNumBlocks: 0, reusedBlocks: 0, allocNewBlocks: 8 })
    const last = stats.flatMap((one) => one.requestStats ?? []).filter(({ id }) => id === 8)
    expect(last[0]).toMatchObject({ stage: 'queued', scheduled: false })
    expect(last.at(-1)).toMatchObject({
      stage: 'generation-complete',
      numGeneratedTokens: results.at(-1)?.usage.outputTokens,
    })
  })

  test('leaving the loop ends one reader only', async () => {
    const engine = await load({})
    const whole = collect(engine.stats())
    const left = (async () => {
      for await (const _ of engine.stats()) break
    })()
    await engine.generate({ input: 'queue' })
    await left
    await engine.generate({ input: 'yacht' })
    await engine.close()
    expect(sum(await whole, (one) => one.numCompletedRequests)).toBe(2)
  })

  test('a closed engine has none', async () => {
    const engine = await load({})
    await engine.close()
    expect(() => engine.stats()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  })

  test('requests that are read ahead of their iteration are joined to it', async () => {
    const of = (iter: number) => ({ iter, requestStats: [{ id: iter } as RequestStats] })
    const given = [
      { iterations: [], requests: [] },
      { iterations: [{ iter: 1 } as EngineStats], requests: [of(1), of(2)] },
      { iterations: [{ iter: 2 } as EngineStats], requests: [] },
    ]
    const reader = createStatsReader({ takeStats: () => given.shift() ?? { iterations: [], requests: [] } })
    const all = collect(reader.subscribe())
    await expect.poll(() => given).toEqual([])
    reader.close()
    expect(await all).toEqual([of(1), of(2)])
  })

  test('a slow reader loses the oldest', async () => {
    const records = Array.from({ length: 10_005 }, (_, iter) => ({ iter }) as EngineStats)
    const given = [[], records]
    const reader = createStatsReader({ takeStats: () => ({ iterations: given.shift() ?? [], requests: [] }) })
    const subscription = reader.subscribe()
    reader.close()
    const kept = await collect(subscription)
    expect([kept.length, kept[0]?.iter, kept.at(-1)?.iter]).toEqual([10_000, 5, 10_004])
  })
})

describe.skipIf(onTensorrtLlm)('encoder reuse', () => {
  const equal = ['rhythm', 'rhythm', 'rhythm', 'yacht'].map((input) => ({ input, returnLogProbs: true }))

  test('equal inputs share one encoder pass, in flight and afterwards', async () => {
    const engine = await load({})
    const first = await Promise.all(equal.map((request) => engine.generate(request)))
    expect(engine.snapshot()).toMatchObject({ encoderReuseHits: 2, encoderReuseMisses: 2, usedCrossBlocks: 0 })
    expect(await engine.generate(equal[0] ?? {})).toMatchObject({ logProbs: first[0]?.logProbs })
    expect(engine.snapshot()).toMatchObject({ encoderReuseHits: 3, encoderReuseMisses: 2, retainedCrossBlocks: 2 })
  })

  test('can be switched off, and changes no bit', async () => {
    const outcomes = []
    for (const reuseEncoder of [true, false]) {
      const engine = await load({ kvCache: { reuseEncoder } })
      const results = await Promise.all(equal.map((request) => engine.generate(request)))
      outcomes.push(results.map(({ text, logProbs, cumLogProb }) => ({ text, logProbs, cumLogProb })))
      if (!reuseEncoder) expect(engine.snapshot()).toMatchObject({ encoderReuseHits: 0, retainedCrossBlocks: 0 })
    }
    expect(outcomes[0]).toEqual(outcomes[1])
  })
})

test('timings tell the stages in their order', async () => {
  const engine = await load({})
  const { timings } = await engine.generate({ input: 'worcestershire' })
  // TensorRT-LLM does not tell when an input was encoded
  const {
    queuedMs = -1,
    encodedMs = onTensorrtLlm ? queuedMs : -1,
    firstTokenMs = -1,
    lastTokenMs = -1,
    totalMs,
  } = timings
  const order = [0, queuedMs, encodedMs, firstTokenMs, lastTokenMs, totalMs]
  expect(order).toEqual(order.toSorted((a, b) => a - b))
})

test('iterations: one for each token, the end token included', async () => {
  const engine = await load({})
  const { timings, outputTokenIds, finishReason } = await engine.generate({ input: 'worcestershire' })
  const { decodingIter, firstIter = 0, lastIter = 0 } = timings
  expect(finishReason).toBe('end-id')
  expect(decodingIter).toBe(outputTokenIds.length + 1)
  expect(lastIter - firstIter).toBeGreaterThanOrEqual(outputTokenIds.length)
})

test.skipIf(onTensorrtLlm)('the engine reports the memory that it reserved', async () => {
  const { limits } = await load({ kvCache: { maxTokens: 320, tokensPerBlock: 16 } })
  // 320 tokens in blocks of 16; keys and values of 3 layers of 4 heads of 64 in float32.
  const bytes = 320 * 2 * 3 * 4 * 64 * 4
  expect(limits).toMatchObject({ numSelfBlocks: 20, numCrossBlocks: 20, tokensPerBlock: 16 })
  expect(limits).toMatchObject({ selfCacheBytes: bytes, crossCacheBytes: bytes })
})
