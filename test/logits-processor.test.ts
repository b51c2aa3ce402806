/** Logits processors in JavaScript: one call for all, failures of one alone, ends of every kind. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, LogitsContext, Request } from '../lib/index.js'
import { createLogitsDispatcher } from '../lib/logits-processor.js'
import { loadAddon } from '../lib/native.js'
import { type RawLogitsBatch, RawResponseFlag } from '../lib/raw-response.js'
import { loadSample, sampleModel } from './helpers/sample.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
})
afterAll(() => engine.close())

const BAN = Number.NEGATIVE_INFINITY
const endless = { input: 'rhythm', endId: null, maxTokens: 3000 }
const nothing = () => {}
const unexpected = (error: Error) => {
  throw error
}

describe('the dispatcher', () => {
  /** Requests with so many beams each, two tokens of vocabulary. */
  function makeBatch(keys: number[], beams = 1): RawLogitsBatch {
    const rows = keys.length * beams
    return {
      keys: Float64Array.from(keys),
      rowOffsets: Uint32Array.from({ length: keys.length + 1 }, (_, i) => i * beams),
      tokenOffsets: Uint32Array.from({ length: rows + 1 }, (_, i) => i),
      tokens: Int32Array.from({ length: rows }, (_, i) => 10 + i),
      vocabSize: 2,
      logits: Float32Array.from({ length: rows * 2 }, (_, i) => i),
    }
  }

  test('gives each processor the tokens and logits of its beams', () => {
    const dispatcher = createLogitsDispatcher()
    const seen: LogitsContext[] = []
    const keys = [0, 1].map(() => dispatcher.add((context) => void seen.push(context), unexpected))
    dispatcher.onLogits(makeBatch(keys, 2))
    expect(seen.map(({ outputTokenIds }) => outputTokenIds.map((ids) => [...ids]))).toEqual([
      [[10], [11]],
      [[12], [13]],
    ])
    expect(seen.map(({ logits }) => logits.map((row) => [...row]))).toEqual([
      [
        [0, 1],
        [2, 3],
      ],
      [
        [4, 5],
        [6, 7],
      ],
    ])
  })

  test.each<[string, Request['logitsProcessor'] | (() => unknown), string]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
      'logitsProcessor threw: no',
    ],
    [
      'throws no Error',
      () => {
        throw 'no'
      },
      'logitsProcessor threw: no',
    ],
    ['is async', async () => {}, 'logitsProcessor must not be async: it returned a promise'],
    [
      'is async and rejects',
      async () => {
        throw new Error('no')
      },
      'logitsProcessor must not be async',
    ],
  ])('one that %s fails its request, once, and no other', (_, processor, message) => {
    const dispatcher = createLogitsDispatcher()
    const failures: Error[] = []
    let others = 0
    const bad = dispatcher.add(processor as () => void, (error) => failures.push(error))
    const good = dispatcher.add(() => void others++, unexpected)
    dispatcher.onLogits(makeBatch([bad, good]))
    dispatcher.onLogits(makeBatch([bad, good]))
    expect(others).toBe(2)
    expect(failures).toEqual([expect.objectContaining({ code: 'ERR_LOGITS_PROCESSOR' })])
    expect(failures[0]?.message).toContain(message)
  })

  test('memory that is given away fails all who needed it', () => {
    const dispatcher = createLogitsDispatcher()
    const failed: string[] = []
    const first = dispatcher.add(nothing, () => failed.push('first'))
    const thief = dispatcher.add(
      ({ logits: [row] }) => void structuredClone(row, { transfer: [row?.buffer as ArrayBuffer] }),
      () => failed.push('thief'),
    )
    dispatcher.onLogits(makeBatch([first, thief]))
    expect(failed).toEqual(['first', 'thief'])
  })

  test('keys of requests that are over are passed over', () => {
    const dispatcher = createLogitsDispatcher()
    const key = dispatcher.add(() => expect.unreachable(), unexpected)
    dispatcher.remove(key)
    dispatcher.onLogits(makeBatch([key, 99]))
  })
})

describe('on an engine', () => {
  test('sees the tokens so far and changes what is generated', async () => {
    const plain = await engine.generate({ input: 'massachusetts' })
    const seen: number[][] = []
    const watched = await engine.generate({
      input: 'massachusetts',
      logitsProcessor: ({ outputTokenIds: [tokens], logits }) => {
        seen.push([...(tokens ?? [])])
        expect(logits.map(({ length }) => length)).toEqual([engine.limits.decoderVocabSize])
      },
    })
    expect(watched.outputTokenIds).toEqual(plain.outputTokenIds)
    expect(seen).toEqual(seen.map((_, i) => plain.outputTokenIds.slice(0, i)))
    expect(seen).toHaveLength(plain.outputTokenIds.length + 1)

    const second = plain.outputTokenIds[1] ?? 0
    const banning: Request = {
      input: 'massachusetts',
      logitsProcessor: ({ logits: [row] }) => row?.fill(BAN, second, second + 1),
    }
    const banned = await engine.generate({ input: 'massachusetts', badWords: [[second]] })
    expect((await engine.generate(banning)).outputTokenIds).toEqual(banned.outputTokenIds)
  })

  test('beams: one row for each that has logits, with the tokens of that beam', async () => {
    let most = 0
    const { sequences } = await engine.generate({
      input: 'massachusetts',
      beamWidth: 4,
      logitsProcessor({ outputTokenIds, logits }) {
        expect(logits).toHaveLength(outputTokenIds.length)
        expect(new Set(outputTokenIds.map((ids) => ids.join())).size).toBe(outputTokenIds.length)
        most = Math.max(most, logits.length)
        for (const row of logits) row[66] = BAN
      },
    })
    expect(most).toBe(4)
    for (const { outputTokenIds } of sequences) expect(outputTokenIds).not.toContain(66)
  })

  test('runs after constraints, which it sees', async () => {
    const seen: number[] = []
    await engine.generate({
      input: 'rhythm',
      allowedSequences: [[59, 60]],
      logitsProcessor: ({ logits: [row] }) => void seen.push(row?.findIndex((logit) => logit > BAN) ?? -1),
    })
    expect(seen).toEqual([59, 60, engine.model.specialTokenIds.end])
  })

  test('each sample of a request is shown on its own', async () => {
    const first = new Set<string>()
    await engine.generate({
      input: 'massachusetts',
      numReturnSequences: 4,
      topK: 50,
      temperature: 3,
      logitsProcessor: ({ outputTokenIds }) => {
        expect(outputTokenIds).toHaveLength(1)
        if (outputTokenIds[0]?.length === 3) first.add(outputTokenIds[0].join())
      },
    })
    expect(first.size).toBeGreaterThan(1)
  })

  test('one that throws fails alone; the others of the batch go on', async () => {
    const cause = new Error('out of ideas')
    let calls = 0
    const throwing = engine.generate({
      ...endless,
      logitsProcessor: () => {
        if (++calls === 3) throw cause
      },
    })
    const async = engine.generate({ ...endless, logitsProcessor: (async () => {}) as () => void })
    const stream = engine.stream({
      ...endless,
      logitsProcessor: ({ outputTokenIds: [ids] }) => {
        if ((ids?.length ?? 0) > 3) throw cause
      },
    })
    const neighbours = ['queue', 'choir'].map((input) => engine.generate({ input, logitsProcessor: nothing }))
    await Promise.all([
      expect(throwing).rejects.toMatchObject({ code: 'ERR_LOGITS_PROCESSOR', cause }),
      expect(async).rejects.toMatchObject({ code: 'ERR_LOGITS_PROCESSOR' }),
      expect(stream.result).rejects.toMatchObject({ code: 'ERR_LOGITS_PROCESSOR', cause }),
    ])
    expect(calls).toBe(3)
    for (const neighbour of neighbours) expect(await neighbour).toMatchObject({ finishReason: 'end-id' })
    await expect.poll(() => engine.snapshot().numActiveRequests).toBe(0)
  })

  test('may start requests and end its own', async () => {
    const controller = new AbortController()
    let inner: Promise<unknown> | undefined
    const outer = engine.generate({
      ...endless,
      signal: controller.signal,
      logitsProcessor: () => {
        expect(engine.snapshot()).toHaveProperty('iteration')
        inner ??= engine.generate({ input: 'queue', logitsProcessor: nothing })
        void inner.then(() => controller.abort())
      },
    })
    await expect(outer).rejects.toMatchObject({ name: 'AbortError' })
    expect(await inner).toMatchObject({ finishReason: 'end-id' })
  })
})

describe('closing an engine', () => {
  test('while processors are called settles every promise, and soon', async () => {
    const own = await loadSample()
    const all = Array.from({ length: 10 }, () => own.generate({ ...endless, logitsProcessor: nothing }))
    const settled = Promise.allSettled(all)
    await sleep(20)
    const started = performance.now()
    await own.close()
    expect(performance.now() - started).toBeLessThan(3000)
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } })
    }
  })

  test('from inside a processor', async () => {
    const own = await loadSample()
    let closed: Promise<void> | undefined
    const request = own.generate({
      ...endless,
      logitsProcessor: () => {
        closed ??= own.close()
      },
    })
    await expect(request).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await closed
  })
})

test('the runtime calls once per iteration for all requests that want it', async () => {
  const calls: number[][] = []
  let ended = 0
  const raw = await loadAddon().createEngine(
    {
      model: { encoderPath: `${sampleModel}/encoder`, decoderPath: `${sampleModel}/decoder` },
      config: { kvCacheConfig: { crossKvCacheFraction: 0.5 } },
      runtime: {},
    },
    (batch) => {
      for (const flags of batch.flags) ended += (flags & RawResponseFlag.final) === 0 ? 0 : 1
    },
    ({ keys, tokenOffsets }) => calls.push([...keys, tokenOffsets.at(-1) ?? 0]),
  )
  const request = {
    inputTokenIds: new Int32Array([0]),
    encoderInputTokenIds: new Int32Array([5, 6, 1]),
    maxTokens: 12,
    streaming: false,
    outputConfig: {},
  }
  const keys = [3, 5, 8]
  const ids = raw.enqueue([...keys.map((logitsProcessor) => ({ ...request, extras: { logitsProcessor } })), request])
  expect(ids.every((id) => typeof id === 'number')).toBe(true)
  await expect.poll(() => ended).toBe(4)
  await raw.close()
  expect(calls).toEqual(Array.from({ length: 12 }, (_, step) => [...keys, keys.length * step]))
})
