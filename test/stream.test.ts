import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Engine, StreamChunk, TextStream } from '../lib/index.js'
import { createTextStream } from '../lib/stream.js'
import { loadSample } from './helpers/sample.js'

let engine: Engine

beforeAll(async () => {
  engine = await loadSample()
})
afterAll(() => engine.close())

async function readAll(stream: AsyncIterable<StreamChunk>): Promise<StreamChunk[]> {
  const chunks: StreamChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

const endless = { input: 'rhythm', endId: null, maxTokens: 2000 }

test('chunks concatenate to the result, which is that of generate', async () => {
  const request = { input: 'massachusetts', returnLogProbs: true }
  const stream = engine.stream(request)
  const chunks = await readAll(stream)
  const result = await stream.result
  expect(chunks.map(({ text }) => text).join('')).toBe(result.text)
  expect(chunks.flatMap(({ outputTokenIds }) => outputTokenIds)).toEqual(result.outputTokenIds)
  expect(chunks.flatMap(({ logProbs = [] }) => logProbs)).toEqual(result.logProbs)
  expect(result.timings.firstTokenMs).toBeLessThan(result.timings.totalMs)

  const { timings: _, ...whole } = await engine.generate(request)
  expect(result).toMatchObject(whole)
})

test('what was generated while JavaScript was busy comes whole', async () => {
  const request = { input: 'rhythm', endId: null, maxTokens: 200 }
  const streams = [engine.stream(request), engine.stream({ ...request, returnLogProbs: true })]
  const reading = streams.map(readAll)
  for await (const _ of engine.stream({ input: 'queue' }))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  const chunks = await Promise.all(reading)
  const { outputTokenIds } = await engine.generate(request)
  for (const each of chunks) expect(each.flatMap(({ outputTokenIds }) => outputTokenIds)).toEqual(outputTokenIds)
  expect(chunks[1]?.flatMap(({ logProbs = [] }) => logProbs)).toHaveLength(outputTokenIds.length)
})

test('a stream can be read once', async () => {
  const stream = engine.stream({ input: 'queue' })
  await readAll(stream)
  expect(() => stream[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
  expect(() => stream.toReadableStream()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
})

describe('ending a stream early cancels its request', () => {
  test.each<[string, (stream: TextStream) => Promise<unknown>]>([
    [
      'break',
      async (stream) => {
        for await (const _ of stream) break
      },
    ],
    ['cancel()', async (stream) => stream.cancel()],
    ['return() before the first read', async (stream) => stream[Symbol.asyncIterator]().return?.()],
    [
      'cancel of the web stream, while a read is waiting',
      async (stream) => {
        const reader = stream.toReadableStream().getReader()
        await reader.read()
        const waiting = reader.read()
        await reader.cancel()
        expect(await waiting).toMatchObject({ done: true })
      },
    ],
  ])('%s', async (_, leave) => {
    const stream = engine.stream(endless)
    await leave(stream)
    const { finishReason, outputTokenIds } = await stream.result
    expect(finishReason).toBe('cancelled')
    expect(outputTokenIds.length).toBeLessThan(2000)
    await expect.poll(() => engine.snapshot().numActiveRequests).toBe(0)
  })
})

test('as a web stream', async () => {
  const stream = engine.stream({ input: 'choir' })
  const chunks = await readAll(stream.toReadableStream())
  expect(chunks.map(({ text }) => text).join('')).toBe((await stream.result).text)
})

test('the result is there without reading, and the chunks that waited are one', async () => {
  const stream = engine.stream({ input: 'choir' })
  const { text, outputTokenIds } = await stream.result
  expect(await readAll(stream)).toEqual([{ text, outputTokenIds }])
})

test('a slow reader gets merged chunks', async () => {
  const tokenizer = { encode: () => [], decode: (ids: number[]) => ids.map((id) => `t${id} `).join('') }
  const { stream, events } = createTextStream(tokenizer, () => {})
  const logProbs = new Float32Array([-1])
  const iterator = stream[Symbol.asyncIterator]()
  events.tokens?.(new Int32Array([1]), logProbs)
  expect(await iterator.next()).toEqual({ done: false, value: { text: 't1 ', outputTokenIds: [1], logProbs: [-1] } })
  for (const id of [2, 3, 4]) events.tokens?.(new Int32Array([id]), logProbs)
  const merged = { text: 't2 t3 t4 ', outputTokenIds: [2, 3, 4], logProbs: [-1, -1, -1] }
  expect(await iterator.next()).toEqual({ done: false, value: merged })
})

test('nobody has to look at the result of a stream that fails', async () => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listener)
  const controller = new AbortController()
  engine.stream({ ...endless, signal: controller.signal })
  controller.abort()
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', listener)
  expect(unhandled).toEqual([])
})
