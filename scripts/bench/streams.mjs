// npm run bench:streams: many concurrent streams on one engine: throughput, and the event loop's longest stall.
//   -- --json          one JSON object
//   -- --streams 1000  how many
//   -- --model DIR     another model folder than the sample's
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { readRows } from '../fixtures.mjs'
import { setup } from '../setup.mjs'
import { root, runScript } from '../steps.mjs'
import { benchOptions, machine, percentile } from './report.mjs'

/** So many streams are started before the event loop gets its turn, as a server would when connections come in. */
const STARTS_PER_TURN = 50

function readWords(count) {
  const words = readRows('g2p-test.tsv.gz').map(([word]) => word)
  return Array.from({ length: count }, (_, i) => words[i % words.length])
}

async function readStream(engine, input) {
  const stream = engine.stream({ input })
  let chunks = 0
  for await (const _ of stream) chunks++
  const { usage, timings } = await stream.result
  return { chunks, tokens: usage.outputTokens, firstTokenMs: timings.firstTokenMs, totalMs: timings.totalMs }
}

async function readAll(engine, words) {
  const reading = []
  for (const [i, word] of words.entries()) {
    reading.push(readStream(engine, word))
    if (i % STARTS_PER_TURN === STARTS_PER_TURN - 1) await new Promise((resolve) => setImmediate(resolve))
  }
  return Promise.all(reading)
}

const p50AndP99 = (values) => ({ p50: percentile(values, 0.5), p99: percentile(values, 0.99) })

async function measure(engine, words) {
  await readAll(engine, words.slice(0, 100)) // warm-up
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const started = performance.now()
  const streams = await readAll(engine, words)
  const seconds = (performance.now() - started) / 1000
  delay.disable()
  const tokens = streams.reduce((sum, stream) => sum + stream.tokens, 0)
  return {
    machine: machine(),
    streams: streams.length,
    seconds,
    tokens,
    tokensPerSecond: tokens / seconds,
    streamsPerSecond: streams.length / seconds,
    chunks: streams.reduce((sum, stream) => sum + stream.chunks, 0),
    firstTokenMs: p50AndP99(streams.map(({ firstTokenMs }) => firstTokenMs)),
    totalMs: p50AndP99(streams.map(({ totalMs }) => totalMs)),
    longestStallMs: delay.max / 1e6,
    threads: engine.limits.threads,
    weights: engine.limits.weights,
  }
}

function print(report) {
  const ms = ({ p50, p99 }) => `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`
  console.log(
    `${report.streams} concurrent streams in ${report.seconds.toFixed(2)} s (${report.threads} threads, ${report.weights})`,
  )
  console.log(
    `throughput      ${report.tokensPerSecond.toFixed(0)} tokens/s, ${report.streamsPerSecond.toFixed(0)} streams/s`,
  )
  console.log(`first token     ${ms(report.firstTokenMs)}`)
  console.log(`whole stream    ${ms(report.totalMs)}`)
  console.log(`longest stall   ${report.longestStallMs.toFixed(1)} ms of the event loop`)
}

await runScript(async () => {
  const options = benchOptions({
    streams: { type: 'string', default: '1000' },
    model: { type: 'string', default: join(root, 'models/g2p-en') },
  })
  await setup()
  const { Engine } = await import('../../dist/index.js')
  const engine = await Engine.load(options.model)
  const report = await measure(engine, readWords(Number(options.streams)))
  await engine.close()
  if (options.json) console.log(JSON.stringify(report))
  else print(report)
})
