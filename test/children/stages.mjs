// Prefixes of a life, each further than the one before.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const model = process.env.TRTLLM_NODE_TEST_MODEL ?? fileURLToPath(new URL('../../models/g2p-en', import.meta.url))
const long = { input: 'massachusetts', endId: null, maxTokens: 400 }

const load = async (options) => (await import('../../dist/index.js')).Engine.load(model, options)

export const STAGES = {
  import: () => import('../../dist/index.js'),
  async loading() {
    void load()
    await import('../../dist/index.js')
  },
  async 'failed load'() {
    const { Engine } = await import('../../dist/index.js')
    await Engine.load(join(model, 'encoder')).catch(() => {})
  },
  idle: () => load(),
  async generating() {
    const engine = await load()
    for (let i = 0; i < 20; i++) void engine.generate(long)
  },
  async streaming() {
    const engine = await load()
    const iterator = engine.stream(long)[Symbol.asyncIterator]()
    await iterator.next()
    void engine.stream(long)
  },
  async searching() {
    const engine = await load()
    for (let i = 2; i < 10; i++) void engine.generate({ ...long, maxTokens: 100, beamWidth: i })
    const iterator = engine.stream({ ...long, maxTokens: 100, beamWidth: 4 })[Symbol.asyncIterator]()
    await iterator.next()
  },
  /** The runtime waits for JavaScript, which is busy. */
  async 'inside a logits processor'() {
    const engine = await load()
    await new Promise((resolve) => {
      const logitsProcessor = () => {
        resolve()
        for (const end = performance.now() + 100; performance.now() < end; );
      }
      for (let i = 1; i < 3; i++) void engine.generate({ ...long, maxTokens: 3, beamWidth: i, logitsProcessor })
    })
  },
  async 'closing while logits are processed'() {
    const engine = await load()
    const logitsProcessor = () => void engine.close()
    await engine.generate({ ...long, logitsProcessor }).catch(() => {})
  },
  async 'adapters in use, on their way and leaving'() {
    const engine = await load()
    if (engine.limits.maxAdapterRank === 0) return // of engines
    const [ipa, spell] = ['ipa', 'spell'].map((name) => join(model, 'adapters', name))
    await Promise.all([engine.loras.load('a', ipa), engine.loras.load('b', spell)])
    await engine.loras.pin('a')
    for (let i = 0; i < 10; i++) for (const lora of ['a', 'b']) engine.generate({ ...long, lora }).catch(() => {})
    engine.loras.load('a', spell).catch(() => {})
    engine.loras.unload('b').catch(() => {})
  },
  async aborted() {
    const engine = await load()
    const controller = new AbortController()
    engine.generate({ ...long, signal: controller.signal }).catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort()
  },
  async closing() {
    const engine = await load()
    for (let i = 0; i < 20; i++) engine.generate(long).catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 5))
    void engine.close()
  },
  async closed() {
    const engine = await load()
    await engine.generate({ input: 'queue' })
    await engine.close()
  },
  async 'two engines'() {
    const [first, second] = await Promise.all([load({ maxQueueSize: 100 }), load()])
    for (const engine of [first, second]) void engine.generate(long)
  },
}
