import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Engine, EngineOptions, Request, Result } from '../lib/index.js'
import { createRandom } from './helpers/random.js'
import { loadModel } from './helpers/runtime.js'
import { goldenModels, huggingFacePronunciations, loadSample, sampleCheckpoint } from './helpers/sample.js'

const random = createRandom(3)

/** What must not depend on the company that a request keeps. */
type Outcome = Pick<Result, 'outputTokenIds' | 'logProbs' | 'cumLogProb' | 'finishReason'>

function outcomeOf({ outputTokenIds, logProbs, cumLogProb, finishReason }: Result): Outcome {
  return {
    outputTokenIds,
    finishReason,
    ...(logProbs && { logProbs }),
    ...(cumLogProb !== undefined && { cumLogProb }),
  }
}

/** Requests of many lengths; some end by length, some never meet their end token. */
function makeRequests(vocabSize: number, count: number): Request[] {
  return Array.from({ length: count }, (_, i) => ({
    inputTokenIds: Array.from({ length: 1 + random.below(i % 5 === 0 ? 90 : 12) }, () => random.below(vocabSize)),
    maxTokens: 1 + random.below(40),
    endId: i % 3 === 0 ? null : 1,
    returnLogProbs: true,
  }))
}

type Order = (engine: Engine, requests: Request[]) => Promise<Result[]>

const ORDERS: Record<string, Order> = {
  'all at once': (engine, requests) => Promise.all(requests.map((request) => engine.generate(request))),
  shuffled: async (engine, requests) => {
    const order = random.shuffled([...requests.keys()])
    const results = await Promise.all(order.map((i) => engine.generate(requests[i] as Request)))
    return requests.map((_, i) => results[order.indexOf(i)] as Result)
  },
  'joining mid-flight, half of them streaming': (engine, requests) =>
    Promise.all(
      requests.map(async (request, i) => {
        await sleep(random.below(20))
        return i % 2 === 0 ? engine.generate(request) : engine.stream(request).result
      }),
    ),
}

async function oneByOne(engine: Engine, requests: Request[]): Promise<Result[]> {
  const results: Result[] = []
  for (const request of requests) results.push(await engine.generate(request))
  return results
}

async function withEngine<T>(folder: string, options: EngineOptions, use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await loadModel(folder, options)
  try {
    return await use(engine)
  } finally {
    await engine.close()
  }
}

describe('a request gives the same tokens and bits, whatever runs beside it', () => {
  test.each([sampleCheckpoint, ...goldenModels().slice(0, 2)])('%s', async (folder) => {
    const { encoderVocabSize } = await withEngine(folder, {}, async ({ limits }) => limits)
    const requests = makeRequests(encoderVocabSize, 48)
    const alone = await withEngine(folder, { threads: 1 }, (engine) => oneByOne(engine, requests))
    expect(alone.some(({ logProbs = [] }) => logProbs.some((value) => value < -0.01))).toBe(true)

    for (const threads of [1, 2]) {
      for (const [name, order] of Object.entries(ORDERS)) {
        const results = await withEngine(folder, { threads }, (engine) => order(engine, requests))
        expect(results.map(outcomeOf), `${name}, ${threads} threads`).toEqual(alone.map(outcomeOf))
      }
    }
  })
})

test('1,000 concurrent streams finish, each in order', async () => {
  const words = huggingFacePronunciations().slice(0, 1000)
  const engine = await loadSample({ weights: 'float32' })
  const texts = await Promise.all(
    words.map(async ({ word }) => {
      let text = ''
      for await (const chunk of engine.stream({ input: word })) text += chunk.text
      return text
    }),
  )
  await engine.close()
  expect(texts).toEqual(words.map(({ phonemes }) => phonemes))
})

test('requests of one tick are sent together, and the queue limit refuses what is too much', async () => {
  const engine = await loadSample({ maxQueueSize: 8, maxBatchSize: 2 })
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, () => engine.generate({ input: 'queue', endId: null, maxTokens: 60 })),
  )
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.length).toBeLessThan(40)
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'ERR_QUEUE_FULL' })
  expect(await engine.generate({ input: 'queue' })).toMatchObject({ finishReason: 'end-id' })
  await engine.close()
})

test('a higher priority starts first, equal ones in the order of arrival', async () => {
  const engine = await loadSample({ maxBatchSize: 1 })
  const priorities = { low: 0.1, first: undefined, second: undefined, high: 0.9 }
  const sent = Object.entries(priorities).map(async ([name, priority]) => {
    const { timings } = await engine.generate({ input: 'queue', priority })
    return { name, queuedMs: timings.queuedMs ?? -1 }
  })
  const started = (await Promise.all(sent)).toSorted((a, b) => a.queuedMs - b.queuedMs)
  expect(started.map(({ name }) => name)).toEqual(['high', 'first', 'second', 'low'])
  await engine.close()
})
