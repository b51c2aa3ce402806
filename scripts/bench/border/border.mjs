// npm run bench:border: what the border between C++ and JavaScript costs. The same streaming requests through the
// Executor API in C++ and through Engine.stream, in turns: on the sample model, and on an executor that emits tokens
// without computing (native/bench/instantRuntime.cpp).
//   -- --json      one JSON object
//   -- --rounds 5  how often each takes its turn
//   -- --quick     a short run that shows that everything works; its figures mean little
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setup } from '../../setup.mjs'
import { runScript, StepFailed } from '../../steps.mjs'
import { describeDisturbed, watchOthers } from '../disturbance.mjs'
import { benchOptions, machine, spread } from '../report.mjs'
import { buildSides, SIDES } from './build.mjs'
import { makeCases } from './cases.mjs'

const NODE_SIDE = fileURLToPath(new URL('node-side.mjs', import.meta.url))

function runSide(program, args) {
  const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1e8 })
  if (status !== 0) throw new StepFailed(`${program} failed:\n${stderr}`)
  return JSON.parse(stdout)
}

/** One turn of each side, C++ first in even rounds. */
function runRound({ executor, workload }, round) {
  const side = SIDES[executor]
  const argument = JSON.stringify({ ...workload, package: side.package })
  const turns = [
    ['cpp', () => runSide(side.program, [argument])],
    ['node', () => runSide(process.execPath, [NODE_SIDE, argument])],
  ]
  const others = watchOthers()
  const results = Object.fromEntries((round % 2 === 0 ? turns : turns.reverse()).map(([name, run]) => [name, run()]))
  return { ...results, ...others() }
}

function summarise(name, rounds) {
  const of = (value) => spread(rounds.map(value))
  const speed = ({ tokens, seconds }) => tokens / seconds
  const withLatency = rounds[0].cpp.latencyUs !== undefined && {
    latencyUs: { cpp: of(({ cpp }) => cpp.latencyUs), node: of(({ node }) => node.latencyUs) },
    addedLatencyUs: of(({ cpp, node }) => node.latencyUs - cpp.latencyUs),
  }
  return {
    name,
    tokensPerSecond: { cpp: of(({ cpp }) => speed(cpp)), node: of(({ node }) => speed(node)) },
    ratio: of(({ cpp, node }) => speed(node) / speed(cpp)),
    ...withLatency,
    stallP99Ms: of(({ node }) => node.stallMs.p99),
    stallMaxMs: of(({ node }) => node.stallMs.max),
    foreignCores: rounds.map(({ foreignCores }) => foreignCores),
    disturbed: describeDisturbed(rounds),
  }
}

function measure({ rounds, quick }) {
  const cases = makeCases(quick)
  const runs = cases.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, one] of cases.entries()) runs[i].push(runRound(one, round))
  }
  return cases.map(({ name }, i) => summarise(name, runs[i]))
}

function print({ rounds, cases }) {
  const show = (figures, digits = 0) =>
    `${figures.median.toFixed(digits)} (${figures.min.toFixed(digits)} … ${figures.max.toFixed(digits)})`
  console.log(`C++ against Engine.stream, ${rounds} rounds in turns: median (min … max)`)
  for (const { name, tokensPerSecond, ratio, addedLatencyUs, latencyUs, stallP99Ms, disturbed } of cases) {
    console.log(`\n${name}${disturbed && ` (${disturbed})`}`)
    console.log(`  tokens/s        C++ ${show(tokensPerSecond.cpp)}, Node.js ${show(tokensPerSecond.node)}`)
    console.log(`  Node.js / C++   ${show(ratio, 3)}`)
    if (latencyUs) console.log(`  latency, us     C++ ${show(latencyUs.cpp)}, Node.js ${show(latencyUs.node)}`)
    if (addedLatencyUs) console.log(`  added, us       ${show(addedLatencyUs)}`)
    console.log(`  stall p99, ms   ${show(stallP99Ms, 1)}`)
  }
}

await runScript(async () => {
  const { json, quick, rounds } = benchOptions({ rounds: { type: 'string' }, quick: { type: 'boolean' } })
  await setup()
  await buildSides()
  const count = Number(rounds ?? (quick ? 3 : 5))
  const report = { machine: machine(), rounds: count, cases: measure({ rounds: count, quick }) }
  if (json) console.log(JSON.stringify(report))
  else print(report)
})
