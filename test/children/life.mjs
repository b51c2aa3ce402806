// One life of an engine up to a stage, and how it ends. Arguments: stage, ending, milliseconds until the end.
// Run by lifecycle.test.ts; must end with exit code 0 and write nothing.
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { STAGES } from './stages.mjs'

const [stage, ending, delay] = process.argv.slice(2)
const worker = () => new Worker(fileURLToPath(new URL('stage-worker.mjs', import.meta.url)), { workerData: stage })
const later = (run) => setTimeout(run, Number(delay))

const ENDINGS = {
  natural: () => STAGES[stage](),
  async exit() {
    await STAGES[stage]()
    later(() => process.exit(0))
  },
  /** Counted from the start of the worker: the delay decides how far it comes. */
  async 'terminate worker'() {
    const ended = worker()
    await new Promise((resolve) => later(resolve))
    await ended.terminate()
  },
  async 'terminate worker at its stage'() {
    const ended = worker()
    await new Promise((resolve) => ended.once('message', () => later(resolve)))
    await ended.terminate()
  },
  async 'exit with worker'() {
    worker().once('message', () => later(() => process.exit(0)))
  },
}

await ENDINGS[ending]()
