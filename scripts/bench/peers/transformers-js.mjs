// Contender: Transformers.js. Arguments: folder of its packages, model folder with onnx/ in it, dtype.
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serveLines, timed } from './serve.mjs'

const [packages, folder, dtype] = process.argv.slice(2)
const { resolve } = createRequire(join(packages, 'package.json'))
const { AutoModelForSeq2SeqLM, env, Tensor } = await import(pathToFileURL(resolve('@huggingface/transformers')).href)
env.allowRemoteModels = false
env.localModelPath = dirname(folder)

let model
let loaded

async function load({ threads }) {
  if (loaded === threads) return
  await model?.dispose()
  loaded = threads
  const session_options = { intraOpNumThreads: threads, interOpNumThreads: 1 }
  model = await AutoModelForSeq2SeqLM.from_pretrained(basename(folder), { dtype, device: 'cpu', session_options })
}

/** One padded batch, as long as its longest output. */
async function runBatch(requests) {
  const width = Math.max(...requests.map(({ input }) => input.length))
  const length = Math.max(...requests.map(({ maxTokens }) => maxTokens))
  const fill = (row) => requests.flatMap(({ input }) => Array.from({ length: width }, (_, i) => row(input, i)))
  const tensor = (values) => new Tensor('int64', BigInt64Array.from(values.map(BigInt)), [requests.length, width])
  const output = await model.generate({
    inputs: tensor(fill((input, i) => input[i] ?? 0)),
    attention_mask: tensor(fill((input, i) => (i < input.length ? 1 : 0))),
    min_new_tokens: length,
    max_new_tokens: length,
    do_sample: false,
  })
  const generated = output.dims[1] - 1
  return requests.reduce((sum, { maxTokens }) => sum + Math.min(maxTokens, generated), 0)
}

async function generate({ requests }, { batchSize }) {
  const sorted = requests.toSorted((a, b) => a.input.length - b.input.length)
  let tokens = 0
  for (let i = 0; i < sorted.length; i += batchSize) tokens += await runBatch(sorted.slice(i, i + batchSize))
  return tokens
}

await serveLines(async ({ setting, workload }) => {
  if (workload.beamWidth > 1) return { unsupported: 'no beam search' }
  await load(setting)
  return timed(() => generate(workload, setting))
})
