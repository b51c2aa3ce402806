// npm run bench:serving: in-flight batching against static batching of the same runtime, side by side in one run.
// 64 requests at once, inputs of 16 to 256 tokens, outputs of 8 to 128, a model of T5-small's shape, 16 at a time.
//   -- --json      one JSON object
//   -- --rounds 3  how often each takes its turn
import { setup } from '../setup.mjs'
import { runScript } from '../steps.mjs'
import { randomModel } from './random-model.mjs'
import { benchOptions, machine, percentile, ROUNDS, spread } from './report.mjs'

const REQUESTS = 64
const MAX_BATCH_SIZE = 16
const POLICIES = ['guaranteed-no-evict', 'static-batch']

/** The same mixture for everybody: lengths spread over their ranges, in a fixed disorder. */
function makeRequests() {
  return Array.from({ length: REQUESTS }, (_, i) => {
    const inputLength = 16 + ((i * 37) % REQUESTS) * Math.floor(240 / (REQUESTS - 1))
    const maxTokens = 8 + ((i * 23) % REQUESTS) * Math.floor(120 / (REQUESTS - 1))
    const inputTokenIds = Array.from({ length: inputLength }, (_, j) => 100 + ((i * 997 + j * 31) % 30000))
    return { inputTokenIds, maxTokens, endId: null }
  })
}

async function serve(Engine, folder, policy) {
  const engine = await Engine.load(folder, {
    maxBatchSize: MAX_BATCH_SIZE,
    scheduler: { capacitySchedulerPolicy: policy },
    kvCache: { reuseEncoder: false },
  })
  await engine.generate({ inputTokenIds: [5, 6, 7], maxTokens: 4, endId: null }) // warm-up
  const started = performance.now()
  const results = await Promise.all(makeRequests().map((request) => engine.generate(request)))
  const seconds = (performance.now() - started) / 1000
  await engine.close()
  const tokens = results.reduce((sum, { usage }) => sum + usage.outputTokens, 0)
  const latencies = results.map(({ timings }) => timings.totalMs)
  return { tokensPerSecond: tokens / seconds, p50Ms: percentile(latencies, 0.5), p95Ms: percentile(latencies, 0.95) }
}

async function measure(rounds) {
  const { Engine } = await import('../../dist/index.js')
  const folder = randomModel('t5-small')
  const runs = Object.fromEntries(POLICIES.map((policy) => [policy, []]))
  for (let round = 0; round < rounds; round++) {
    for (const policy of POLICIES) runs[policy].push(await serve(Engine, folder, policy))
  }
  const report = { machine: machine(), rounds, requests: REQUESTS, maxBatchSize: MAX_BATCH_SIZE }
  for (const policy of POLICIES) {
    const of = (name) => spread(runs[policy].map((run) => run[name]))
    report[policy] = { tokensPerSecond: of('tokensPerSecond'), p50Ms: of('p50Ms'), p95Ms: of('p95Ms') }
  }
  const ratios = runs[POLICIES[0]].map((run, i) => run.tokensPerSecond / runs[POLICIES[1]][i].tokensPerSecond)
  return { ...report, ratio: spread(ratios) }
}

function print(report) {
  const show = ({ min, median, max }) => `${median.toFixed(0)} (${min.toFixed(0)} … ${max.toFixed(0)})`
  console.log(`${report.requests} requests at once, ${report.maxBatchSize} at a time, ${report.rounds} rounds in turns`)
  console.log('policy               useful tokens/s        latency p50, ms        latency p95, ms')
  for (const policy of POLICIES) {
    const { tokensPerSecond, p50Ms, p95Ms } = report[policy]
    console.log([policy.padEnd(20), ...[tokensPerSecond, p50Ms, p95Ms].map((s) => show(s).padEnd(22))].join(' ').trim())
  }
  console.log(`in-flight / static, per round: ${report.ratio.median.toFixed(2)} times the throughput`)
}

await runScript(async () => {
  const { json, rounds } = benchOptions(ROUNDS)
  await setup()
  const report = await measure(Number(rounds))
  if (json) console.log(JSON.stringify(report))
  else print(report)
})
