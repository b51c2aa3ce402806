// Contender: this package through Engine. Arguments: checkpoint folder, type of the weights.
import { Engine } from '../../../dist/index.js'
import { serveLines, timed } from './serve.mjs'

const [folder, weights] = process.argv.slice(2)
let engine
let loaded

async function load({ threads }) {
  if (loaded === threads) return
  loaded = undefined
  await engine?.close()
  engine = await Engine.load(folder, { weights, threads, kvCache: { reuseEncoder: false } })
  loaded = threads
}

async function generate({ requests, beamWidth }) {
  const results = await Promise.all(
    requests.map(({ input, maxTokens }) =>
      engine.generate({ inputTokenIds: input, maxTokens, beamWidth, numReturnSequences: 1, endId: null }),
    ),
  )
  return results.reduce((sum, { outputTokenIds }) => sum + outputTokenIds.length, 0)
}

await serveLines(async ({ setting, workload }) => {
  try {
    await load(setting)
  } catch (error) {
    if (error.code === 'ERR_INVALID_ARGUMENT') return { unsupported: `${weights} weights are not offered` }
    throw error
  }
  return timed(() => generate(workload))
})
