/** Adapters that come, change and go while requests run: nothing fails but what was asked to. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Engine, LoraSource } from '../lib/index.js'
import { EMBEDDED_LORA, type LoraTensors, prepareAdapter } from '../lib/lora/index.js'
import { createRandom } from './helpers/random.js'
import { loadSample, sampleModel } from './helpers/sample.js'

const folderOf = (name: string) => join(sampleModel, 'adapters', name)
const WORDS = ['queue', 'yacht', 'rhythm', 'colonel', 'plough', 'choir', 'island', 'subtle', 'receipt', 'bouquet']

let engine: Engine
/** What the model says to each word with each adapter. */
let expected: Record<string, string[]>

beforeAll(async () => {
  // room for three of about 2 MiB: as many as are in use at once, fewer than are loaded
  engine = await loadSample({ weights: 'float32', maxBatchSize: 2, peftCache: { hostCacheSize: 7 * 2 ** 20 } })
  expected = {}
  for (const name of ['ipa', 'spell']) {
    await engine.loras.load(name, folderOf(name))
    expected[name] = await Promise.all(WORDS.map((word) => say(word, name)))
    await engine.loras.unload(name)
  }
})
afterAll(() => engine.close())

async function say(input: string, lora: string): Promise<string> {
  return (await engine.generate({ input, lora })).text
}

test('a name that is replaced under load: requests give what the version of their call gives', async () => {
  const running: Promise<[found: string, wanted: string | undefined]>[] = []
  for (let round = 0; round < 12; round++) {
    const current = round % 2 === 0 ? 'ipa' : 'spell'
    const { taskId } = await engine.loras.load('current', folderOf(current))
    expect(engine.loras.list()).toMatchObject([{ name: 'current', taskId, folder: folderOf(current) }])
    for (const [i, word] of WORDS.entries()) {
      running.push(say(word, 'current').then((text) => [text, expected[current]?.[i]]))
    }
  }
  for (const [found, wanted] of await Promise.all(running)) expect(found).toBe(wanted)
  await engine.loras.unload('current')
})

test('load, replace, unload, unpin and abort at random', async () => {
  const random = createRandom(5)
  const sources: Record<string, LoraSource> = { ipa: folderOf('ipa'), spell: await tensorsOf('spell') }
  /** Which adapter a name stands for, for certain. */
  const stands = new Map<string, string>()
  const loading = new Set<string>()
  const promises: Promise<unknown>[] = []

  async function load(name: string): Promise<void> {
    const source = random.pick(['ipa', 'spell'])
    stands.delete(name)
    loading.add(name)
    await engine.loras.load(name, sources[source] as LoraSource)
    loading.delete(name)
    stands.set(name, source)
  }
  async function request(name: string): Promise<void> {
    const source = stands.get(name) ?? ''
    const i = random.below(WORDS.length)
    const controller = new AbortController()
    const isAborted = random.next() < 0.1
    if (isAborted) setTimeout(() => controller.abort(), random.below(10))
    const result = engine.generate({ input: WORDS[i], lora: name, signal: controller.signal })
    const text = await result.then(({ text }) => text).catch((error) => (isAborted ? undefined : Promise.reject(error)))
    if (text !== undefined) expect(text).toBe(expected[source]?.[i])
  }
  async function act(name: string): Promise<void> {
    if (loading.has(name)) return
    const choice = random.next()
    if (!stands.has(name) || choice < 0.05) return load(name)
    if (choice < 0.08) {
      stands.delete(name)
      return engine.loras.unload(name)
    }
    return choice < 0.12 ? engine.loras.unpin(name) : request(name)
  }

  for (let step = 0; step < 600; step++) {
    promises.push(act(random.pick(['a', 'b', 'c', 'd', 'e'])))
    if (step % 5 === 0) await new Promise((resolve) => setTimeout(resolve, random.below(4)))
  }
  const outcomes = await Promise.allSettled(promises)
  expect(outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? String(outcome.reason) : []))).toEqual([])
  for (const { name, requestsInFlight } of engine.loras.list()) {
    expect(requestsInFlight, name).toBe(0)
    await engine.loras.unload(name)
  }
  expect(engine.snapshot()).toMatchObject({ numActiveRequests: 0, numQueuedRequests: 0 })
})

test('closing with adapters loaded, in use and on their way', async () => {
  const own = await loadSample()
  await own.loras.load('ipa', folderOf('ipa'))
  await own.loras.pin('ipa')
  const running = WORDS.map((input) => own.generate({ input, lora: 'ipa' }).catch(({ code }) => code))
  const loading = own.loras.load('spell', folderOf('spell')).catch(({ code }) => code)
  const unloading = own.loras.unload('ipa')
  await own.close()
  for (const outcome of await Promise.all([...running, loading])) expect(outcome).toBe('ERR_CLOSED')
  await unloading
  for (const call of [own.loras.load('a', folderOf('ipa')), own.loras.unload('ipa'), own.loras.pin('ipa')]) {
    await expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  }
  expect(() => own.loras.list()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
})

async function tensorsOf(name: string): Promise<LoraTensors> {
  return prepareAdapter(folderOf(name), engine.model, { capabilities: EMBEDDED_LORA })
}
