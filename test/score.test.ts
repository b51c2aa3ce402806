/** Scores of given targets and embeddings of inputs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../lib/index.js'
import { huggingFacePronunciations, loadSample } from './helpers/sample.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample({ weights: 'float32' })
})
afterAll(() => engine.close())

const WORDS = huggingFacePronunciations()
  .slice(0, 40)
  .map(({ word }) => word)
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)

describe('score', () => {
  test('of what was generated equals its log-probabilities, the end token included', async () => {
    const generated = await Promise.all(WORDS.map((input) => engine.generate({ input, returnLogProbs: true })))
    const scores = await Promise.all(
      generated.map(({ outputTokenIds }, i) => engine.score({ input: WORDS[i], targetTokenIds: outputTokenIds })),
    )
    for (const [i, { logProbs, sum: total, endLogProb = 0, tokens }] of scores.entries()) {
      const expected = generated[i]
      expect(tokens).toEqual(expected?.outputTokenIds)
      expect(logProbs).toEqual(expected?.logProbs?.map((logProb) => expect.closeTo(logProb, 4)))
      expect(total).toBeCloseTo(sum(logProbs), 6)
      expect(total + endLogProb).toBeCloseTo(expected?.cumLogProb ?? 0, 3)
    }
  })

  test('of any target equals what a processor that forces it token by token sees', async () => {
    const target = [65, 102, 53, 81, 61, 59]
    const { logProbs } = await engine.score({ input: 'rhythm', targetTokenIds: target })
    const seen: number[] = []
    await engine.generate({
      input: 'rhythm',
      maxTokens: target.length,
      logitsProcessor({ outputTokenIds: [tokens], logits: [row] }) {
        if (row === undefined || tokens === undefined) throw new Error('no beam')
        const token = target[tokens.length] ?? 0
        const largest = Math.max(...row)
        seen.push((row[token] ?? 0) - largest - Math.log(sum(Array.from(row, (logit) => Math.exp(logit - largest)))))
        row.fill(Number.NEGATIVE_INFINITY)
        row[token] = 0
      },
    })
    expect(logProbs).toEqual(seen.map((logProb) => expect.closeTo(logProb, 4)))
  })

  test('the better a pronunciation, the higher its score', async () => {
    const [right, wrong] = await Promise.all(
      [
        [65, 103, 54, 81, 61],
        [59, 60, 61],
      ].map((targetTokenIds) => engine.score({ input: 'rhythm', targetTokenIds })),
    )
    expect(right?.sum).toBeGreaterThan(wrong?.sum ?? 0)
  })

  test('a target as text', async () => {
    const own = await loadSample({
      tokenizer: {
        encode: (word) => engine.tokenizer?.encode(word) ?? [],
        encodePlain: () => [65, 103],
        decode: () => '',
      },
    })
    expect(await own.score({ input: 'rhythm', target: 'rih' })).toMatchObject({ tokens: [65, 103] })
    await own.close()
  })

  test('signal and timeoutMs', async () => {
    const request = { input: 'rhythm', targetTokenIds: [65] }
    await expect(engine.score({ ...request, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    const busy = Array.from({ length: 64 }, () => engine.stream({ input: 'rhythm', endId: null, maxTokens: 3000 }))
    await sleep(5)
    await expect(engine.score({ ...request, timeoutMs: 20 })).rejects.toMatchObject({ code: 'ERR_TIMED_OUT' })
    for (const stream of busy) stream.cancel()
  })

  test('a closed engine refuses', async () => {
    const own = await loadSample()
    await own.close()
    await expect(own.score({ input: 'a', targetTokenIds: [65] })).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(own.embed({ input: 'a' })).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})

describe('embed', () => {
  test('the mean is the mean of the rows, whatever else is asked for at the same time', async () => {
    const all = await Promise.all(
      WORDS.map(async (input) => ({
        rows: await engine.embed({ input }),
        mean: await engine.embed({ input, pooling: 'mean' }),
        whole: await engine.generate({ input, returnEncoderOutput: true }),
      })),
    )
    for (const { rows, mean, whole } of all) {
      const [length = 0, width = 0] = rows.shape
      expect(length).toBe(whole.usage.inputTokens)
      expect(rows).toEqual(whole.encoderOutput)
      expect(mean.shape).toEqual([width])
      for (const [i, value] of mean.data.entries()) {
        const column = Array.from({ length }, (_, row) => rows.data[row * width + i] ?? 0)
        expect(value).toBeCloseTo(sum(column) / length, 5)
      }
    }
  })

  test('token ids do as well', async () => {
    const ids = Array.from(engine.tokenizer?.encode('queue') ?? [])
    expect(await engine.embed({ inputTokenIds: ids })).toEqual(await engine.embed({ input: 'queue' }))
  })
})
