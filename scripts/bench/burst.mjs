// npm run bench:burst: the longest gap between two tokens of running streams, without and with a burst of long inputs,
// and what the encoder token budget does about it. A model of T5-small's shape.
//   -- --json      one JSON object
//   -- --rounds 3  how often each takes its turn
import { setup } from '../setup.mjs'
import { runScript } from '../steps.mjs'
import { randomModel } from './random-model.mjs'
import { benchOptions, machine, ROUNDS, spread } from './report.mjs'

const STREAMS = 4
const STREAM_TOKENS = 150
const BURST = 24
const BURST_INPUT = 256

const CASES = [
  { name: 'no burst', burst: 0, encoderTokenBudget: 256 },
  { name: 'burst, budget 256 (default)', burst: BURST, encoderTokenBudget: 256 },
  { name: 'burst, budget 1024', burst: BURST, encoderTokenBudget: 1024 },
  { name: 'burst, no budget', burst: BURST, encoderTokenBudget: 8192 },
]

function input(seed, length) {
  return Array.from({ length }, (_, j) => 100 + ((seed * 997 + j * 31) % 30000))
}

/** Milliseconds between two tokens, at most. */
async function longestGap(stream, onFirst) {
  let last
  let longest = 0
  for await (const _ of stream) {
    const now = performance.now()
    if (last === undefined) onFirst()
    else longest = Math.max(longest, now - last)
    last = now
  }
  return longest
}

async function run(Engine, folder, { burst, encoderTokenBudget }) {
  const engine = await Engine.load(folder, { encoderTokenBudget })
  let streaming = 0
  const long = []
  const startBurst = () => {
    if (++streaming < STREAMS) return
    for (let i = 0; i < burst; i++) {
      long.push(engine.generate({ inputTokenIds: input(100 + i, BURST_INPUT), maxTokens: 4, endId: null }))
    }
  }
  const streams = Array.from({ length: STREAMS }, (_, i) =>
    engine.stream({ inputTokenIds: input(i, 16), maxTokens: STREAM_TOKENS, endId: null }),
  )
  const gaps = await Promise.all(streams.map((stream) => longestGap(stream, startBurst)))
  const slowest = Math.max(0, ...(await Promise.all(long)).map(({ timings }) => timings.totalMs))
  await engine.close()
  return { gapMs: Math.max(...gaps), burstMs: slowest }
}

async function measure(rounds) {
  const { Engine } = await import('../../dist/index.js')
  const folder = randomModel('t5-small')
  const runs = CASES.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, one] of CASES.entries()) runs[i].push(await run(Engine, folder, one))
  }
  const cases = CASES.map((one, i) => ({
    ...one,
    gapMs: spread(runs[i].map(({ gapMs }) => gapMs)),
    burstMs: spread(runs[i].map(({ burstMs }) => burstMs)),
  }))
  return { machine: machine(), rounds, streams: STREAMS, burstInputTokens: BURST_INPUT, cases }
}

function print({ rounds, cases }) {
  console.log(`${STREAMS} streams, a burst of ${BURST} inputs of ${BURST_INPUT} tokens, ${rounds} rounds in turns`)
  console.log('case                         longest gap, ms          last of the burst done after, ms')
  const show = ({ min, median, max }) => `${median.toFixed(0)} (${min.toFixed(0)} … ${max.toFixed(0)})`
  for (const { name, gapMs, burstMs } of cases) {
    console.log(`${name.padEnd(28)} ${show(gapMs).padEnd(24)} ${show(burstMs)}`)
  }
}

await runScript(async () => {
  const { json, rounds } = benchOptions(ROUNDS)
  await setup()
  const report = await measure(Number(rounds))
  if (json) console.log(JSON.stringify(report))
  else print(report)
})
