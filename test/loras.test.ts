/** The sample model's adapters at run time: many in one batch, each as if it were alone. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, Request } from '../lib/index.js'
import { huggingFacePronunciations, loadSample, root, sampleModel } from './helpers/sample.js'

type Pairs = [input: string, output: string][]
const fixture = JSON.parse(readFileSync(join(root, 'test/fixtures/adapters.json'), 'utf8')) as Record<string, Pairs>
const NAMES = ['ipa', 'spell'] as const
const folderOf = (name: string) => join(sampleModel, 'adapters', name)
const WORDS = (fixture.ipa ?? []).slice(0, 12).map(([word]) => word)

let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
  for (const name of NAMES) await engine.loras.load(name, folderOf(name))
})
afterAll(() => engine.close())

const numEqual = (texts: string[], pairs: Pairs) => texts.filter((text, i) => text === pairs[i]?.[1]).length

test('both adapters and the plain model in one batch: the outputs of PEFT and Hugging Face', async () => {
  const plain = huggingFacePronunciations().slice(0, 200)
  const textOf = async (request: Request) => (await engine.generate({ ...request, maxTokens: 64 })).text
  const [ipa = [], spell = [], none = []] = await Promise.all(
    [...NAMES.map((lora) => ({ lora, pairs: fixture[lora] ?? [] })), { lora: undefined, pairs: [] }].map(
      ({ lora, pairs }) => {
        const inputs = lora === undefined ? plain.map(({ word }) => word) : pairs.map(([input]) => input)
        return Promise.all(inputs.map((input) => textOf({ input, lora })))
      },
    ),
  )
  expect(none).toEqual(plain.map(({ phonemes }) => phonemes))
  for (const [texts, name] of [
    [ipa, 'ipa'],
    [spell, 'spell'],
  ] as const) {
    expect(texts.length).toBe(200)
    expect(numEqual(texts, fixture[name] ?? []), name).toBeGreaterThanOrEqual(198)
  }
})

test('what is loaded', () => {
  expect(engine.loras.list()).toMatchObject([
    { name: 'ipa', taskId: 1, folder: folderOf('ipa'), maxRank: 16, pinned: false, requestsInFlight: 0 },
    { name: 'spell', taskId: 2, folder: folderOf('spell'), maxRank: 12, pinned: false, requestsInFlight: 0 },
  ])
})

describe('a request gives the same bits alone and in a mixed batch', () => {
  const requests: Request[] = WORDS.flatMap((input, i) => [
    { input, lora: 'ipa', returnLogProbs: true },
    { input, lora: 'spell', beamWidth: 1 + (i % 4), returnLogProbs: true },
    { input, returnLogProbs: true },
    { input, lora: 'ipa', topK: 5, temperature: 2, seed: i, numReturnSequences: 2, returnLogProbs: true },
  ])

  test('greedy, beams and samples', async () => {
    const together = await Promise.all(requests.map((request) => engine.generate(request)))
    for (const [i, request] of requests.entries()) {
      const alone = await engine.generate(request)
      expect(alone.sequences, `${request.input} ${request.lora}`).toEqual(together[i]?.sequences)
    }
  })

  test('on another number of threads, and with other weights in memory', async () => {
    const expected = await Promise.all(requests.map((request) => engine.generate(request)))
    const other = await loadSample({ threads: 1, maxBatchSize: 5 })
    for (const name of [...NAMES].reverse()) await other.loras.load(name, folderOf(name))
    const found = await Promise.all(requests.map((request) => other.generate(request)))
    await other.close()
    expect(found.map(({ sequences }) => sequences)).toEqual(expected.map(({ sequences }) => sequences))
  })
})

test('the same inputs with different adapters, with and without encoder reuse', async () => {
  const run = (one: Engine) =>
    Promise.all(
      WORDS.flatMap((input) => ['ipa', 'spell', undefined].map((lora) => one.generate({ input, lora }))).map(
        async (result) => (await result).text,
      ),
    )
  const plain = await loadSample({ kvCache: { reuseEncoder: false } })
  for (const name of NAMES) await plain.loras.load(name, folderOf(name))
  const expected = await run(plain)
  await plain.close()
  for (let round = 0; round < 2; round++) expect(await run(engine)).toEqual(expected)
  for (let i = 0; i < expected.length; i += 3) expect(new Set(expected.slice(i, i + 3)).size).toBe(3)
})

test('streams, scores and embeddings', async () => {
  const input = 'rhythm'
  for (const lora of NAMES) {
    const whole = await engine.generate({ input, lora, returnLogProbs: true })
    let text = ''
    for await (const chunk of engine.stream({ input, lora })) text += chunk.text
    expect(text).toBe(whole.text)
    const targetTokenIds = whole.outputTokenIds
    const [own, plain] = await Promise.all([
      engine.score({ input, targetTokenIds, lora }),
      engine.score({ input, targetTokenIds }),
    ])
    expect(own.logProbs).toEqual(whole.logProbs?.map((logProb) => expect.closeTo(logProb, 4)))
    expect(plain.sum).toBeLessThan(own.sum)
  }
  const [ipa, spell, none] = await Promise.all(
    ['ipa', 'spell', undefined].map((lora) => engine.embed({ input, lora, pooling: 'mean' })),
  )
  expect(ipa).toEqual(none) // it changes the decoder alone
  expect(spell).not.toEqual(none)
})

test('an unknown name is refused before anything runs', async () => {
  const error = { code: 'ERR_LORA_NOT_FOUND', message: "no adapter of the name 'ipe': loaded are ipa, spell" }
  const request = { input: 'queue', lora: 'ipe' }
  await expect(engine.generate(request)).rejects.toMatchObject(error)
  await expect(engine.score({ ...request, targetTokenIds: [65] })).rejects.toMatchObject(error)
  await expect(engine.embed(request)).rejects.toMatchObject(error)
  expect(() => engine.stream(request)).toThrow(expect.objectContaining(error))
})

describe('a cache with room for one adapter', () => {
  let small: Engine

  beforeAll(async () => {
    const largest = Math.max(...engine.loras.list().map(({ bytes }) => bytes))
    const peftCache = { hostCacheSize: Math.ceil(1.2 * largest), maxAdapterSize: 16 }
    small = await loadSample({ weights: 'float32', peftCache })
    for (const name of NAMES) await small.loras.load(name, folderOf(name))
  })
  afterAll(() => small?.close())

  test('one after the other: each evicts the one before, and nobody notices', async () => {
    for (let round = 0; round < 3; round++) {
      for (const lora of NAMES) {
        const [[input, output] = ['', '']] = fixture[lora] ?? []
        expect((await small.generate({ input, lora })).text).toBe(output)
      }
    }
  })

  test('a pinned one stays: the other finds no room until it is unpinned', async () => {
    await small.loras.pin('ipa')
    expect(small.loras.list()).toMatchObject([{ pinned: true }, { pinned: false }])
    await small.generate({ input: 'queue', lora: 'ipa' })
    await expect(small.generate({ input: 'queue', lora: 'spell' })).rejects.toMatchObject({
      code: 'ERR_LORA_CACHE_FULL',
    })
    await small.loras.unpin('ipa')
    expect((await small.generate({ input: 'queue', lora: 'spell' })).finishReason).toBe('end-id')
  })

  test('unloading makes room', async () => {
    await small.loras.pin('spell')
    await small.generate({ input: 'queue', lora: 'spell' })
    await small.loras.unload('spell')
    expect((await small.generate({ input: 'queue', lora: 'ipa' })).finishReason).toBe('end-id')
  })
})
