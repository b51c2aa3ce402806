/** Beam search through the whole package: order, streaming, cancellation. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FlightEvents } from '../lib/flight.js'
import { createFlight } from '../lib/flight.js'
import type { Engine, StreamChunk } from '../lib/index.js'
import { checkRequest } from '../lib/request.js'
import { createDispatcher } from '../lib/response.js'
import { createTextStream } from '../lib/stream.js'
import { type FakeResponse, responses } from './helpers/fake-engine.js'
import { requestContext } from './helpers/request-context.js'
import { onTensorrtLlm } from './helpers/runtime.js'
import { loadSample } from './helpers/sample.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
})
afterAll(() => engine.close())

async function expectIdle(): Promise<void> {
  const idle = { numQueuedRequests: 0, numActiveRequests: 0, usedSelfBlocks: 0, usedCrossBlocks: 0 }
  await expect.poll(() => engine.snapshot(), { timeout: 5000 }).toMatchObject(idle)
}

const WORDS = ['massachusetts', 'worcestershire', 'colonel', 'psychology', 'thorough', 'queue']

test('all beams come, the best first, and no beam is as good as the greedy one without being it', async () => {
  for (const input of WORDS) {
    const { sequences, cumLogProb = 0 } = await engine.generate({ input, beamWidth: 5, returnLogProbs: true })
    const scores = sequences.map((sequence) => sequence.cumLogProb ?? 0)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(new Set(sequences.map(({ outputTokenIds }) => outputTokenIds.join())).size).toBe(5)
    const greedy = await engine.generate({ input, returnLogProbs: true })
    expect(cumLogProb).toBeGreaterThanOrEqual((greedy.cumLogProb ?? 0) - 1e-4)
    const two = await engine.generate({ input, beamWidth: 5, numReturnSequences: 2 })
    expect(two.sequences.map(({ text }) => text)).toEqual(sequences.slice(0, 2).map(({ text }) => text))
  }
})

test.skipIf(onTensorrtLlm)('a beam is never wider than what one iteration holds', async () => {
  const own = await loadSample({ maxNumTokens: 12 })
  expect(own.limits.maxBeamWidth).toBe(12)
  expect(await own.generate({ input: 'queue', beamWidth: 12 })).toMatchObject({ text: 'K Y UW1' })
  const message = 'beamWidth must be an integer from 1 to 12 (limits.maxBeamWidth), got 13'
  await expect(own.generate({ input: 'queue', beamWidth: 13 })).rejects.toMatchObject({ message })
  await own.close()
})

describe('streamed beams', () => {
  test('chunks concatenate to the final text, with their log-probabilities, and stable tokens never change', async () => {
    for (const input of WORDS) {
      const request = { input, beamWidth: 4, returnLogProbs: true }
      const stream = engine.stream(request)
      const chunks: StreamChunk[] = []
      for await (const chunk of stream) chunks.push(structuredClone(chunk))
      const result = await stream.result
      expect(chunks.map(({ text }) => text).join('')).toBe(result.text)
      expect(chunks.flatMap(({ outputTokenIds }) => outputTokenIds)).toEqual(result.outputTokenIds)
      expect(chunks.flatMap(({ logProbs = [] }) => logProbs)).toEqual(result.logProbs)
      for (const { best } of chunks) {
        expect(best?.text).toBe(engine.tokenizer?.decode(best?.outputTokenIds ?? []))
        expect(best?.outputTokenIds.slice(0, best.stable)).toEqual(result.outputTokenIds.slice(0, best?.stable))
      }
      const { sequences } = await engine.generate(request)
      expect(result.sequences).toEqual(sequences)
    }
  })

  test('left early, a stream gives the best beam so far, and its blocks come back', async () => {
    const stream = engine.stream({ input: 'massachusetts', beamWidth: 8, endId: null, maxTokens: 2000 })
    let text = ''
    for await (const chunk of stream) {
      text += chunk.text
      if ((chunk.best?.outputTokenIds.length ?? 0) > 5) stream.cancel()
    }
    const result = await stream.result
    expect(result).toMatchObject({ finishReason: 'cancelled', text })
    expect(result.outputTokenIds.length).toBeGreaterThan(5)
    await expectIdle()
  })
})

describe('what a flight makes of responses', () => {
  /** Feeds responses of request 1, and gives what the stream's reader and its result say. */
  async function fly(fields: object, sent: Omit<FakeResponse, 'id'>[]) {
    const tokenizer = { encode: () => [3], decode: (ids: number[]) => ids.map((id) => `t${id} `).join('') }
    const { stream, events } = createTextStream(tokenizer, () => {})
    const seen: unknown[][] = []
    const noting: FlightEvents = {
      ...events,
      tokens(ids, logProbs, beam) {
        seen.push([Array.from(ids), Array.from(logProbs), beam?.outputTokenIds, beam?.stable])
        events.tokens?.(ids, logProbs, beam)
      },
    }
    const dispatcher = createDispatcher()
    const request = checkRequest({ inputTokenIds: [3], ...fields }, requestContext, true)
    dispatcher.add(
      1,
      createFlight(request, noting, () => {}),
      () => {},
    )
    dispatcher.onResponses(responses(sent.map((response) => ({ id: 1, ...response }))))
    return { seen, result: await stream.result }
  }

  test('beams: what is stable is told once; the rest at the end', async () => {
    const { seen, result } = await fly({ beamWidth: 2, returnLogProbs: true }, [
      { tokens: [[5], [6]], logProbs: [[-1], [-2]], stable: 0 },
      {
        tokens: [
          [6, 7],
          [6, 8],
        ],
        logProbs: [
          [-2, -3],
          [-2, -4],
        ],
        stable: 1,
      },
      {
        tokens: [
          [6, 8, 9],
          [6, 8, 4],
        ],
        logProbs: [
          [-2, -4, -5],
          [-2, -4, -6],
        ],
        final: true,
      },
    ])
    expect(seen).toEqual([
      [[], [], [5], 0],
      [[6], [-2], [6, 7], 1],
      [[8, 9], [-4, -5], [6, 8, 9], 3],
    ])
    expect(result).toMatchObject({ text: 't6 t8 t9 ', usage: { outputTokens: 6 } })
    expect(result.sequences.map(({ outputTokenIds }) => outputTokenIds)).toEqual([
      [6, 8, 9],
      [6, 8, 4],
    ])
  })

  test('beams of a runtime that tells nothing: all at the end', async () => {
    const { seen } = await fly({ beamWidth: 2 }, [
      { tokens: [[5], [6]] },
      {
        tokens: [
          [6, 7],
          [6, 8],
        ],
        final: true,
      },
    ])
    expect(seen).toEqual([
      [[], [], [5], 0],
      [[6, 7], [], [6, 7], 2],
    ])
  })

  test('samples: each sequence gathers its own; the first is told', async () => {
    const { seen, result } = await fly({ numReturnSequences: 3 }, [
      { tokens: [[5]], sequenceIndex: 0 },
      { tokens: [[6]], sequenceIndex: 2 },
      { tokens: [[7]], sequenceIndex: 1 },
      { tokens: [[8]], sequenceIndex: 0 },
      { tokens: [[9]], sequenceIndex: 2, final: true },
    ])
    expect(seen.map(([ids]) => ids)).toEqual([[5], [8]])
    expect(result.sequences.map(({ outputTokenIds }) => outputTokenIds)).toEqual([[5, 8], [7], [6, 9]])
  })
})

describe('ending a beam search early', () => {
  const endless = { input: 'rhythm', beamWidth: 8, endId: null, maxTokens: 2000 }

  test('by its signal', async () => {
    const controller = new AbortController()
    const all = Array.from({ length: 20 }, () => engine.generate({ ...endless, signal: controller.signal }))
    await expect.poll(() => engine.snapshot().usedSelfBlocks).toBeGreaterThan(0)
    controller.abort()
    for (const outcome of await Promise.allSettled(all)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } })
    }
    await expectIdle()
  })

  test('by time: all beams as far as they came', async () => {
    const { finishReason, sequences } = await engine.generate({ ...endless, timeoutMs: 60 })
    expect(finishReason).toBe('timed-out')
    expect(sequences).toHaveLength(8)
    for (const sequence of sequences) {
      expect(sequence.finishReason).toBe('timed-out')
      expect(sequence.outputTokenIds.length).toBeGreaterThan(0)
    }
    await expectIdle()
  })
})
