/** Sampling, beams and constraints through the whole package: mixed in one batch, seeds, samples, words, tensors. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, Request, Result } from '../lib/index.js'
import { createRandom } from './helpers/random.js'
import { huggingFacePronunciations, loadSample } from './helpers/sample.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample({ gatherGenerationLogits: true })
})
afterAll(() => engine.close())

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
const idsOf = ({ sequences }: Result) => sequences.map(({ outputTokenIds }) => outputTokenIds)

describe('each request of a mixed batch equals its run alone, bit for bit', () => {
  const forbidVowelAtStart: Request['logitsProcessor'] = ({ outputTokenIds, logits }) => {
    for (const [beam, tokens] of outputTokenIds.entries()) {
      if (tokens.length === 0) logits[beam]?.fill(Number.NEGATIVE_INFINITY, 75)
    }
  }
  const KINDS: ((i: number) => Partial<Request>)[] = [
    () => ({}),
    (i) => ({ topK: 8, temperature: 1.3, seed: i }),
    (i) => ({ topP: 0.9, topPDecay: 0.9, topPMin: 0.3, seed: BigInt(i) << 40n }),
    (i) => ({ topK: 20, minP: 0.05, seed: i, numReturnSequences: 3 }),
    () => ({ beamWidth: 2 }),
    () => ({ beamWidth: 4, lengthPenalty: 1, earlyStopping: 0 }),
    () => ({ beamWidth: 7, beamSearchDiversityRate: 0.3, numReturnSequences: 2 }),
    () => ({ repetitionPenalty: 1.2, presencePenalty: 0.3, frequencyPenalty: 0.2 }),
    () => ({ noRepeatNgramSize: 2, minTokens: 6, maxTokens: 12 }),
    () => ({ badWords: [[65], [81, 61]], stopWords: [[53]] }),
    () => ({ embeddingBias: { 60: 3, 61: Number.NEGATIVE_INFINITY } }),
    () => ({ allowedSequences: [[65, 103], [65, 103, 54, 81, 61], [59]], beamWidth: 3 }),
    () => ({ forcedFirstTokenId: 59, forcedLastTokenId: 1, maxTokens: 8 }),
    () => ({ logitsProcessor: forbidVowelAtStart, beamWidth: 2 }),
    () => ({ decoderInputTokenIds: [0, 65, 103] }),
  ]
  const words = huggingFacePronunciations().slice(0, 60)
  const requests = words.map(
    ({ word }, i): Request => ({
      input: word,
      returnLogProbs: true,
      ...KINDS[i % KINDS.length]?.(i),
    }),
  )

  test('all at once, and joining mid-flight, half of them streaming', async () => {
    const alone: Result[] = []
    for (const request of requests) alone.push(await engine.generate(request))
    const together = await Promise.all(requests.map((request) => engine.generate(request)))
    expect(together.map(({ sequences }) => sequences)).toEqual(alone.map(({ sequences }) => sequences))

    const random = createRandom(5)
    const joining = await Promise.all(
      requests.map(async (request, i) => {
        await sleep(random.below(20))
        return i % 2 === 0 ? engine.generate(request) : engine.stream(request).result
      }),
    )
    expect(joining.map(({ sequences }) => sequences)).toEqual(alone.map(({ sequences }) => sequences))
  })
})

describe('sampling', () => {
  const request = { input: 'worcestershire', topK: 30, temperature: 1.5, numReturnSequences: 8 }

  test('samples differ from each other, and a seed gives the same ones again', async () => {
    const first = await engine.generate({ ...request, seed: 1 })
    expect(first.sequences).toHaveLength(8)
    expect(new Set(idsOf(first).map((ids) => ids.join())).size).toBeGreaterThan(1)
    expect(first).toMatchObject({ text: first.sequences[0]?.text, outputTokenIds: idsOf(first)[0] })
    expect(first.usage.outputTokens).toBe(sum(idsOf(first).map(({ length }) => length)))
    expect(idsOf(await engine.generate({ ...request, seed: 1 }))).toEqual(idsOf(first))
    expect(idsOf(await engine.generate({ ...request, seed: 1n }))).toEqual(idsOf(first))
    expect(idsOf(await engine.generate({ ...request, seed: 2n ** 60n }))).not.toEqual(idsOf(first))
  })

  test('sample i draws with seed + i', async () => {
    const all = idsOf(await engine.generate({ ...request, seed: 40 }))
    for (const i of [0, 3, 7]) {
      const { outputTokenIds } = await engine.generate({ ...request, numReturnSequences: 1, seed: 40 + i })
      expect(outputTokenIds).toEqual(all[i])
    }
  })

  test('temperature 0 and topK 1 are greedy', async () => {
    const { outputTokenIds } = await engine.generate({ input: 'plough' })
    for (const fields of [
      { temperature: 0, topK: 50 },
      { topK: 1, temperature: 2 },
    ]) {
      expect(await engine.generate({ input: 'plough', ...fields })).toMatchObject({ outputTokenIds })
    }
  })

  test('a stream of samples is that of the first; the result has all', async () => {
    const stream = engine.stream({ ...request, seed: 3, returnLogProbs: true })
    let text = ''
    const ids: number[] = []
    for await (const chunk of stream) {
      text += chunk.text
      ids.push(...chunk.outputTokenIds)
      expect(chunk).not.toHaveProperty('best')
    }
    const result = await stream.result
    expect(result).toMatchObject({ text, outputTokenIds: ids })
    expect(idsOf(result)).toEqual(idsOf(await engine.generate({ ...request, seed: 3 })))
    for (const { logProbs, outputTokenIds } of result.sequences) expect(logProbs).toHaveLength(outputTokenIds.length)
  })
})

describe('words and bias', () => {
  test('a stop word ends the sequence and stays in it, a bad word does not occur', async () => {
    const { outputTokenIds } = await engine.generate({ input: 'psychology' })
    const [, second = -1, third = -1] = outputTokenIds
    const stopped = await engine.generate({ input: 'psychology', stopWords: [[second, third]] })
    expect(stopped).toMatchObject({ finishReason: 'stop-words', outputTokenIds: outputTokenIds.slice(0, 3) })
    const without = await engine.generate({ input: 'psychology', badWords: [[second]] })
    expect(without.outputTokenIds).not.toContain(second)
    const biased = await engine.generate({ input: 'psychology', embeddingBias: { [second]: Number.NEGATIVE_INFINITY } })
    expect(biased.outputTokenIds).toEqual(without.outputTokenIds)
  })

  test('text words go through the tokenizer', async () => {
    const { outputTokenIds, text } = await engine.generate({ input: 'psychology' })
    const phonemes = text.split(' ')
    const encodePlain = (said: string) =>
      said.split(' ').flatMap((phoneme) => outputTokenIds[phonemes.indexOf(phoneme)] ?? [])
    const own = await loadSample({
      tokenizer: { encode: (word) => engine.tokenizer?.encode(word) ?? [], encodePlain, decode: () => '' },
    })
    const stopped = await own.generate({ input: 'psychology', stopWords: [phonemes[1] ?? ''] })
    expect(stopped.outputTokenIds).toEqual(outputTokenIds.slice(0, 2))
    const continued = await own.generate({ input: 'psychology', decoderInput: phonemes.slice(0, 2).join(' ') })
    expect(continued.outputTokenIds).toEqual(outputTokenIds.slice(2))
    await own.close()
  })
})

describe('tensors', () => {
  const request = {
    input: 'rhythm',
    returnGenerationLogits: true,
    returnContextLogits: true,
    returnEncoderOutput: true,
  }
  const vocabulary = 120

  /** Log-probability of a token under a row of logits. */
  function logProbOf(row: Float32Array, token: number): number {
    const largest = Math.max(...row)
    return (row[token] ?? 0) - largest - Math.log(sum(Array.from(row, (logit) => Math.exp(logit - largest))))
  }

  test('generation logits give the log-probabilities, streamed or not', async () => {
    const whole = await engine.generate({ ...request, returnLogProbs: true })
    const { generationLogits, outputTokenIds, logProbs = [], contextLogits, encoderOutput } = whole
    expect(generationLogits?.shape).toEqual([outputTokenIds.length, vocabulary])
    for (const [i, token] of outputTokenIds.entries()) {
      const row = generationLogits?.data.subarray(i * vocabulary, (i + 1) * vocabulary) ?? new Float32Array()
      expect(logProbOf(row, token)).toBeCloseTo(logProbs[i] ?? 0, 4)
    }
    expect(contextLogits?.shape).toEqual([1, vocabulary])
    expect(contextLogits?.data).toEqual(generationLogits?.data.slice(0, vocabulary))
    expect(encoderOutput?.shape).toEqual([7, 256])

    const streamed = await engine.stream({ ...request, returnLogProbs: true }).result
    expect(streamed).toMatchObject({ generationLogits, contextLogits, encoderOutput })
  })

  test('each beam and each sample has its own generation logits', async () => {
    for (const fields of [{ beamWidth: 3 }, { numReturnSequences: 3, topK: 40, temperature: 2 }]) {
      const { sequences } = await engine.generate({ ...request, ...fields })
      expect(sequences).toHaveLength(3)
      for (const { generationLogits, outputTokenIds } of sequences) {
        expect(generationLogits?.shape).toEqual([outputTokenIds.length, vocabulary])
      }
    }
  })
})
