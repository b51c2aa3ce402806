/** Forced tokens and allowed sequences: what is generated, and what it costs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, Request, Sequence } from '../lib/index.js'
import { createRandom } from './helpers/random.js'
import { loadSample } from './helpers/sample.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
})
afterAll(() => engine.close())

const END = 1
const random = createRandom(17)
const phoneme = () => 51 + random.below(69)

describe('allowedSequences', () => {
  /** Many beginnings in common, some sequences that begin others, some twice. */
  const lists = Array.from({ length: 12 }, () => {
    const sequences = Array.from({ length: 1 + random.below(12) }, () =>
      Array.from({ length: 1 + random.below(6) }, () => 51 + random.below(3)),
    )
    return [...sequences, sequences[0] ?? [51]]
  })
  const KINDS: [string, Partial<Request>][] = [
    ['greedy', {}],
    ['sampled', { topK: 50, temperature: 3, numReturnSequences: 6 }],
    ['beams', { beamWidth: 4 }],
    ['a wide beam', { beamWidth: 16, lengthPenalty: 1, earlyStopping: 0 }],
  ]

  test.each(KINDS)('%s: only allowed ones come out, each ended by the end token', async (_, fields) => {
    const results = await Promise.all(
      lists.map((allowedSequences) => engine.generate({ input: 'rhythm', allowedSequences, ...fields })),
    )
    for (const [i, { sequences }] of results.entries()) {
      const allowed = lists[i]?.map((ids) => ids.join())
      for (const { outputTokenIds, finishReason } of sequences) {
        expect(allowed).toContain(outputTokenIds.join())
        expect(finishReason).toBe('end-id')
      }
    }
  })

  test('a beam as wide as the list ranks all of it, each once', async () => {
    const allowedSequences = [[65, 103], [65, 103, 54], [65, 103, 54, 81, 61], [59], [60, 61]]
    const { sequences } = await engine.generate({
      input: 'rhythm',
      allowedSequences,
      beamWidth: 5,
      earlyStopping: 0,
      returnLogProbs: true,
    })
    const found = sequences.map(({ outputTokenIds }) => outputTokenIds.join()).sort()
    expect(found).toEqual(allowedSequences.map((ids) => ids.join()).sort())
    expect(sequences[0]?.outputTokenIds).toEqual([65, 103, 54, 81, 61])
  })

  test('scores are renormalised over what is allowed: a single sequence has log-probability 0', async () => {
    const { logProbs = [], cumLogProb } = await engine.generate({
      input: 'rhythm',
      allowedSequences: [[59, 60, 61]],
      returnLogProbs: true,
    })
    expect(logProbs).toEqual([0, 0, 0].map(() => expect.closeTo(0, 6)))
    expect(cumLogProb).toBeCloseTo(0, 6)
  })

  test('the probabilities of all allowed sequences add up to 1', async () => {
    const allowedSequences = [[65], [65, 103], [65, 102], [59, 60, 61]]
    const { sequences } = await engine.generate({
      input: 'rhythm',
      allowedSequences,
      beamWidth: 4,
      earlyStopping: 0,
      returnLogProbs: true,
    })
    const total = sequences.reduce((sum, { cumLogProb = 0 }) => sum + Math.exp(cumLogProb), 0)
    expect(sequences).toHaveLength(4)
    expect(total).toBeCloseTo(1, 4)
  })

  test('a sequence that just fits into maxTokens ends by length', async () => {
    const request = { input: 'rhythm', allowedSequences: [[59, 60]], maxTokens: 2 }
    expect(await engine.generate(request)).toMatchObject({ outputTokenIds: [59, 60], finishReason: 'length' })
  })

  test('thousands of sequences', async () => {
    const allowedSequences = Array.from({ length: 20_000 }, () => Array.from({ length: 5 }, phoneme))
    const { outputTokenIds } = await engine.generate({ input: 'rhythm', allowedSequences })
    expect(allowedSequences.map((ids) => ids.join())).toContain(outputTokenIds.join())
  })

  test('as text', async () => {
    const own = await loadSample({
      tokenizer: {
        encode: (word) => engine.tokenizer?.encode(word) ?? [],
        encodePlain: (text) => (text === 'yes' ? [59, 60] : [61]),
        decode: (ids) => (ids.length === 2 ? 'yes' : 'no'),
      },
    })
    const { text } = await own.generate({ input: 'rhythm', allowedSequences: ['yes', 'no'] })
    expect(['yes', 'no']).toContain(text)
    await own.close()
  })
})

describe('forced tokens', () => {
  test('the first one, in greedy, sampled and beam search', async () => {
    for (const fields of [{}, { topK: 50, temperature: 2, numReturnSequences: 4 }, { beamWidth: 4 }]) {
      const { sequences } = await engine.generate({
        input: 'rhythm',
        forcedFirstTokenId: 59,
        returnLogProbs: true,
        ...fields,
      })
      for (const { outputTokenIds, logProbs } of sequences) {
        expect(outputTokenIds[0]).toBe(59)
        expect(logProbs?.[0]).toBeCloseTo(0, 6)
      }
    }
  })

  test('after a forced token the rest is what follows it', async () => {
    const { outputTokenIds } = await engine.generate({ input: 'rhythm', forcedFirstTokenId: 59 })
    const continued = await engine.generate({ input: 'rhythm', decoderInputTokenIds: [0, 59] })
    expect(outputTokenIds.slice(1)).toEqual(continued.outputTokenIds)
  })

  test('the last one stands where maxTokens ends, if the sequence gets there', async () => {
    const cut = await engine.generate({ input: 'massachusetts', maxTokens: 4, forcedLastTokenId: 60 })
    expect(cut).toMatchObject({ finishReason: 'length', usage: { outputTokens: 4 } })
    expect(cut.outputTokenIds[3]).toBe(60)
    const ended = await engine.generate({ input: 'massachusetts', maxTokens: 4, forcedLastTokenId: END })
    expect(ended).toMatchObject({ finishReason: 'end-id', outputTokenIds: cut.outputTokenIds.slice(0, 3) })
    const short: Sequence = await engine.generate({ input: 'queue', maxTokens: 20, forcedLastTokenId: 60 })
    expect(short).toMatchObject({ finishReason: 'end-id', text: 'K Y UW1' })
  })
})
