// npm run bench:peers: this package against what people would pick instead, on the CPU: Hugging Face on torch,
// CTranslate2 and Transformers.js. All run the same random weights and give the same number of tokens. Installs the
// peers into the cache folder (about 6 GB, once), writes docs/benchmarks.md and its pictures.
//   -- --json                 one JSON object, nothing is written
//   -- --rounds 5             how often each takes its turn
//   -- --models t5-small,...  some of the models
//   -- --workloads AB         some of the workloads
//   -- --quick                3 rounds, a quarter of the outputs, g2p-bench alone: shows that everything works, and writes
//                             into build/bench/docs instead
import { setup } from '../../setup.mjs'
import { runScript, StepFailed } from '../../steps.mjs'
import { benchOptions, machine } from '../report.mjs'
import { installPeers, makeModel } from './install.mjs'
import { writeReport } from './page.mjs'
import { playModel } from './tournament.mjs'
import { MODELS, WORKLOADS } from './workloads.mjs'

function readOptions() {
  const text = { type: 'string' }
  const { json, quick, ...given } = benchOptions({
    quick: { type: 'boolean', default: false },
    rounds: text,
    models: text,
    workloads: text,
  })
  const models = (given.models ?? (quick ? 'g2p-bench' : Object.keys(MODELS).join(','))).split(',')
  const workloads = [...(given.workloads ?? Object.keys(WORKLOADS).join(''))]
  for (const name of models) if (!Object.hasOwn(MODELS, name)) throw new StepFailed(`there is no model ${name}`)
  for (const name of workloads)
    if (!Object.hasOwn(WORKLOADS, name)) throw new StepFailed(`there is no workload ${name}`)
  return { json, quick, rounds: Number(given.rounds ?? (quick ? 3 : 5)), models, workloads }
}

await runScript(async () => {
  const options = readOptions()
  await setup()
  const peers = await installPeers()
  const models = []
  for (const name of options.models) {
    const model = await makeModel(name, peers)
    console.error(name)
    const reports = await playModel({ ...peers, model }, { ...options, vocab: MODELS[name] })
    models.push({ name, workloads: reports })
  }
  const { rounds, quick } = options
  const report = {
    command: process.argv.slice(2),
    date: new Date().toISOString(),
    machine: machine(),
    rounds,
    quick,
    models,
  }
  if (options.json) console.log(JSON.stringify(report))
  else writeReport(report)
})
