// The Node.js side of bench:border: the workload of its argument through Engine.stream; prints one JSON object with
// the fields of native/bench/border.cpp, and what only an event loop has.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { percentile } from '../report.mjs'

const workload = JSON.parse(process.argv[2])
const { Engine } = await import(pathToFileURL(workload.package).href)

/** instantStamp.h: tenths of a microsecond modulo 2^30; Node's clock is the same. */
const now = () => Number((process.hrtime.bigint() / 100n) % 2n ** 30n)

async function readStream(engine, inputTokenIds, latencies) {
  let tokens = 0
  for await (const { outputTokenIds } of engine.stream({ inputTokenIds, maxTokens: workload.maxTokens, endId: null })) {
    tokens += outputTokenIds.length
    if (workload.latency) {
      const read = now()
      for (const stamp of outputTokenIds) latencies.push((read - stamp) / 10)
    }
  }
  return tokens
}

/** As many readers as streams; each takes the next request when its own has ended. */
async function run(engine, requests, latencies) {
  let next = 0
  async function read() {
    let tokens = 0
    while (next < requests) {
      tokens += await readStream(engine, workload.inputs[next++ % workload.inputs.length], latencies)
    }
    return tokens
  }
  const counts = await Promise.all(Array.from({ length: workload.streams }, read))
  return counts.reduce((sum, tokens) => sum + tokens, 0)
}

const engine = await Engine.load(workload.model, { maxBatchSize: 64, kvCache: { reuseEncoder: false } })
await run(engine, workload.warmUp, [])
const latencies = []
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const started = performance.now()
const tokens = await run(engine, workload.requests, latencies)
const seconds = (performance.now() - started) / 1000
delay.disable()
await engine.close()
const latencyUs = latencies.length > 0 ? percentile(latencies, 0.5) : undefined
const stallMs = { p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 }
console.log(JSON.stringify({ tokens, seconds, latencyUs, stallMs }))
