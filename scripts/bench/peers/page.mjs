// docs/benchmarks.md and its pictures from a report.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../steps.mjs'
import { barChart } from './svg.mjs'
import { WORKLOADS } from './workloads.mjs'

const DOCS = join(root, 'docs')
const PAGE = 'benchmarks.md'
/** What stands between these lines is written by this file; the rest of the page by people. */
const [BEGIN, END] = ['<!-- bench:peers begins -->', '<!-- bench:peers ends -->']

const LEAGUES = [
  { title: 'int8', belongs: ({ kind }) => kind === 'int8' },
  { title: 'float', belongs: ({ kind }) => kind === 'float' },
  { title: 'best of all', belongs: () => true },
]

const number = (value) => (value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0))

/** Tokens/s, or for A the milliseconds of a token; there the fastest round has the fewest. */
function figures(workload, { min, median, max }) {
  const shown = workload === 'A' ? [1000 / max, 1000 / median, 1000 / min] : [min, median, max]
  return shown.map(number)
}

function settingText({ threads, batchSize, workers }) {
  const parts = [`${threads} ${threads === 1 ? 'thread' : 'threads'}`]
  if (workers > 1) parts.unshift(`${workers} workers`)
  if (batchSize !== undefined && batchSize < 64) parts.push(`batches of ${batchSize}`)
  return parts.join(', ')
}

function row(workload, result) {
  const { name, absent, setting, tokensPerSecond, disturbed } = result
  if (absent !== undefined) return `| ${name} | – | – | – | ${absent.split('\n', 1)[0].replaceAll('|', '/')} | |`
  const [min, median, max] = figures(workload, tokensPerSecond)
  return `| ${name} | ${min} | **${median}** | ${max} | ${settingText(setting)} | ${disturbed} |`
}

const fastest = (results) => results.toSorted((a, b) => b.tokensPerSecond.median - a.tokensPerSecond.median).at(0)

/** "float: 1.31 × (trtllm-node bfloat16 against CTranslate2 float32)" */
function comparison(results, { title, belongs }) {
  const able = results.filter((result) => result.absent === undefined && belongs(result))
  const us = fastest(able.filter(({ ours }) => ours))
  const peer = fastest(able.filter(({ ours }) => !ours))
  if (us === undefined || peer === undefined) return `- ${title}: no comparison`
  const ratio = us.tokensPerSecond.median / peer.tokensPerSecond.median
  return `- ${title}: **${ratio.toFixed(2)} ×** (${us.name} against ${peer.name})`
}

function section(folder, model, { workload, results }) {
  const { title, unit } = WORKLOADS[workload]
  const able = results.filter(({ absent }) => absent === undefined)
  const picture = `benchmarks/${model}-${workload}.svg`
  const rows = able.map(({ name, ours, tokensPerSecond }) => ({ label: name, ours, ...tokensPerSecond }))
  writeFileSync(join(folder, picture), barChart(`${model}, ${workload}: tokens/s`, rows))
  return [
    `#### ${workload}: ${title}`,
    '',
    `| ${unit} | min | median | max | setting | rounds |`,
    '|---|---|---|---|---|---|',
    ...results.map((result) => row(workload, result)),
    '',
    ...LEAGUES.map((league) => comparison(results, league)),
    '',
    `![${model}, ${workload}](${picture})`,
    '',
  ]
}

function body(folder, { command, date, machine, rounds, quick, models }) {
  const options = command.length > 0 ? ` -- ${command.join(' ')}` : ''
  return [
    `\`npm run bench:peers${options}\`, ${date.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, Node.js ${machine.node}, ` +
      `${rounds} rounds in turns.${quick ? ' **A quick run: outputs are a quarter as long; it shows that everything works.**' : ''}`,
    '',
    ...models.flatMap(({ name, workloads }) => [
      `### ${name}`,
      '',
      ...workloads.flatMap((one) => section(folder, name, one)),
    ]),
  ].join('\n')
}

/** Into docs/, or into build/ if the figures mean little. */
export function writeReport(report) {
  const folder = report.quick ? join(root, 'build/bench/docs') : DOCS
  mkdirSync(join(folder, 'benchmarks'), { recursive: true })
  const page = readFileSync(join(DOCS, PAGE), 'utf8')
  const [before, after] = [page.slice(0, page.indexOf(BEGIN)), page.slice(page.indexOf(END))]
  const measured = body(folder, report)
  writeFileSync(join(folder, PAGE), `${before}${BEGIN}\n${measured}${after}`)
  console.log(`${measured}\nwritten to ${join(folder, PAGE)}`)
}
