// Who takes part: how each is started, which settings it may choose from, and the child process that it lives in.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { StepFailed } from '../../steps.mjs'

const script = (name) => fileURLToPath(new URL(name, import.meta.url))
const threadCounts = [...new Set([1, availableParallelism()])]
const batchSizes = { C: [16, 64] }

/** All threads × all batch sizes; a batch of the whole workload but in C. */
const padded = (workload) =>
  threadCounts.flatMap((threads) => (batchSizes[workload] ?? [64]).map((batchSize) => ({ threads, batchSize })))

function ct2Settings(workload) {
  const alone = padded(workload).map((setting) => ({ ...setting, workers: 1 }))
  const workers = availableParallelism()
  if (workload !== 'C' || workers === 1) return alone
  return [...alone, ...batchSizes.C.map((batchSize) => ({ threads: 1, batchSize, workers }))]
}

const ours = (weights) => ({
  name: `trtllm-node ${weights}`,
  ours: true,
  kind: weights === 'int8' ? 'int8' : 'float',
  settings: () => threadCounts.map((threads) => ({ threads })),
  command: ({ model }) => [process.execPath, script('ours.mjs'), join(model, 'checkpoint'), weights],
})
const torch = (dtype) => ({
  name: `Hugging Face on torch, ${dtype}`,
  kind: 'float',
  settings: padded,
  command: ({ model, python }) => [python, script('torch_contender.py'), join(model, 'hf'), dtype],
})
const ct2 = (type, folder) => ({
  name: `CTranslate2 ${type}`,
  kind: type === 'int8' ? 'int8' : 'float',
  settings: ct2Settings,
  command: ({ model, python }) => [python, script('ct2_contender.py'), join(model, folder), folder.slice(4)],
})
const transformersJs = (dtype) => ({
  name: `Transformers.js ${dtype}`,
  kind: dtype === 'q8' ? 'int8' : 'float',
  settings: padded,
  command: ({ model, packages }) => [
    process.execPath,
    script('transformers-js.mjs'),
    packages,
    join(model, 'transformers-js'),
    dtype,
  ],
})

export const CONTENDERS = [
  ...['bfloat16', 'float32', 'int8'].map(ours),
  ...['float32', 'bfloat16'].map(torch),
  ct2('float32', 'ct2-float32'),
  ct2('int8', 'ct2-int8_float32'),
  ...['fp32', 'q8'].map(transformersJs),
]

/** Starts a contender; it lives until `stop`. */
export function startContender({ name, command }, places) {
  const [program, ...args] = command(places)
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text) => {
    log = `${log}${text}`.slice(-4000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid,
    /** @returns {Promise<{ seconds: number, tokens: number } | { unsupported: string } | { error: string }>} */
    async ask(command) {
      child.stdin.write(`${JSON.stringify(command)}\n`)
      const { value, done } = await lines.next()
      if (done) throw new StepFailed(`${name} ended:\n${log}`)
      return JSON.parse(value)
    },
    stop: () => child.stdin.end(),
  }
}
