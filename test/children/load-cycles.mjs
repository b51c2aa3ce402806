// Loads, uses and closes an engine 80 times; prints how resident memory grows per cycle after 30 of warm-up.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Engine } from '../../dist/index.js'

const model = process.env.TRTLLM_NODE_TEST_MODEL ?? fileURLToPath(new URL('../../models/g2p-en', import.meta.url))
const adapter = (name) => join(model, 'adapters', name)
const WARM_UP = 30
const CYCLES = 50

async function cycle() {
  const engine = await Engine.load(model)
  const logitsProcessor = () => {}
  await Promise.all([
    engine.generate({ input: 'queue', beamWidth: 4, logitsProcessor }),
    engine.stream({ input: 'colonel' }).result,
    engine.score({ input: 'queue', targetTokenIds: [59] }),
    engine.embed({ input: 'queue' }),
  ])
  if (engine.limits.maxAdapterRank > 0) await useAdapters(engine) // engines take none
  await engine.close()
}

async function useAdapters(engine) {
  for (const name of ['ipa', 'spell']) {
    await engine.loras.load('adapter', adapter(name))
    await engine.generate({ input: 'queue', lora: 'adapter' })
  }
  await engine.loras.unload('adapter')
}

/** Median of the slopes of all pairs (Theil-Sen): one odd sample does not move it. */
function slope(values) {
  const slopes = values.flatMap((b, j) => values.slice(0, j).map((a, i) => (b - a) / (j - i)))
  return slopes.sort((a, b) => a - b)[slopes.length >> 1]
}

const resident = []
for (let i = 0; i < WARM_UP + CYCLES; i++) {
  await cycle()
  globalThis.gc()
  if (i >= WARM_UP) resident.push(process.memoryUsage.rss())
}
console.log(JSON.stringify({ bytesPerCycle: slope(resident), first: resident[0], last: resident.at(-1) }))
