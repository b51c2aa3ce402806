// One model: every contender at its own best setting for each workload, rounds in turns.
import { describeDisturbed, watchOthers } from '../disturbance.mjs'
import { spread } from '../report.mjs'
import { CONTENDERS, startContender } from './contenders.mjs'
import { expectedTokens, makeWorkload, WORKLOADS } from './workloads.mjs'

/** One run; a contender that did less than it was asked for has failed. */
async function run(contender, workload, setting) {
  const answer = await contender.ask({ setting, workload })
  if (answer.seconds === undefined) return answer
  const wanted = expectedTokens(workload)
  if (answer.tokens !== wanted) return { error: `${answer.tokens} tokens instead of ${wanted}` }
  return { ...answer, tokensPerSecond: answer.tokens / answer.seconds }
}

const describe = ({ tokensPerSecond, unsupported, error }) =>
  unsupported ?? error ?? `${tokensPerSecond.toFixed(0)} tokens/s cold`

/** A setting that is cold so many times slower than the best so far is not run again. */
const HOPELESS = 2

/** The fastest of all settings, each run once warm; or why there is none. */
async function bestSetting({ contender, name, settings }, workload) {
  let best = { tokensPerSecond: 0 }
  for (const setting of settings(workload.name)) {
    const cold = await run(contender, workload, setting)
    console.error(`  ${workload.name}, ${name}, ${JSON.stringify(setting)}: ${describe(cold)}`)
    if (cold.seconds === undefined) return { absent: cold.unsupported ?? cold.error }
    if (cold.tokensPerSecond * HOPELESS < best.tokensPerSecond) continue
    const warm = await run(contender, workload, setting)
    if (warm.seconds === undefined) return { absent: warm.error }
    if (warm.tokensPerSecond > best.tokensPerSecond) best = { ...warm, setting }
  }
  return { setting: best.setting }
}

/** The contenders take turns, in the opposite order in every other round. */
async function playRounds(entries, workload, { rounds, pids }) {
  for (let round = 0; round < rounds; round++) {
    for (const { contender, setting, runs } of round % 2 === 0 ? entries : entries.toReversed()) {
      const others = watchOthers(pids)
      runs.push({ ...(await run(contender, workload, setting)), ...others() })
    }
  }
}

function summarise({ name, ours, kind, setting, runs, absent }) {
  if (absent !== undefined) return { name, ours, kind, absent }
  const failed = runs.find(({ tokensPerSecond }) => tokensPerSecond === undefined)
  if (failed) return { name, ours, kind, absent: failed.error }
  return {
    name,
    ours,
    kind,
    setting,
    tokensPerSecond: spread(runs.map(({ tokensPerSecond }) => tokensPerSecond)),
    disturbed: describeDisturbed(runs),
  }
}

async function playWorkload(name, players, { vocab, rounds, quick }) {
  const workload = makeWorkload(name, vocab, quick)
  const pids = players.map(({ contender }) => contender.pid)
  const entries = []
  for (const player of players) {
    entries.push({ ...player, ...(await bestSetting(player, workload)), runs: [] })
  }
  const able = entries.filter(({ absent }) => absent === undefined)
  await playRounds(able, workload, { rounds, pids })
  console.error(`  ${name}: ${WORKLOADS[name].title}: done`)
  return { workload: name, results: entries.map(summarise) }
}

/** @param {{ model: string, vocab: number, rounds: number, quick: boolean, workloads: string[] }} options */
export async function playModel(places, options) {
  const players = CONTENDERS.map((one) => ({ ...one, contender: startContender(one, places) }))
  try {
    const reports = []
    for (const name of options.workloads) reports.push(await playWorkload(name, players, options))
    return reports
  } finally {
    for (const { contender } of players) contender.stop()
  }
}
