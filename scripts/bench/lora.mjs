// npm run bench:lora: tokens/s of one batch with no adapter in it, with 1, 8 and 32, side by side in one run. 32 requests
// at once, random adapters of rank 16 on every linear layer; a model of T5-small's shape, and the sample model.
//   -- --json        one JSON object
//   -- --rounds 3    how often each takes its turn
//   -- --modules qv  adapters of queries and values alone, PEFT's default for T5
import { join } from 'node:path'
import { setup } from '../setup.mjs'
import { root, runScript, StepFailed } from '../steps.mjs'
import { randomModel } from './random-model.mjs'
import { benchOptions, machine, ROUNDS, spread } from './report.mjs'

const RANK = 16
const BATCH = 32
const NUM_ADAPTERS = [0, 1, 8, 32]
const MODELS = [
  { name: "T5-small's shape", folder: () => randomModel('t5-small'), inputTokens: 64, maxTokens: 48, vocab: 30000 },
  { name: 'g2p-en', folder: () => join(root, 'models/g2p-en'), inputTokens: 12, maxTokens: 16, vocab: 110 },
]

/** Ids of TensorRT-LLM, by the kind of matrix. */
const MODULES = { all: { self: [1, 2, 3], cross: [9, 10, 11], dense: true }, qv: { self: [1, 3], cross: [9, 11] } }

/** [id, input, output] of the modules of one layer. */
function modulesOf({ hiddenSize, heads, headSize, intermediateSize, gatedMlp }, isDecoder, { self, cross, dense }) {
  const attention = heads * headSize
  const projections = [...self, ...(isDecoder ? cross : [])].map((id) => [id, hiddenSize, attention])
  if (!dense) return projections
  const outputs = (isDecoder ? [4, 12] : [4]).map((id) => [id, attention, hiddenSize])
  const inner = (gatedMlp ? [5, 7] : [5]).map((id) => [id, hiddenSize, intermediateSize])
  return [...projections, ...outputs, ...inner, [6, intermediateSize, hiddenSize]]
}

/** The two tensors of an adapter: small random numbers, encoder layers behind those of the decoder. */
function randomAdapter({ encoder, decoder }, kinds, seed) {
  const rows = [decoder, encoder].flatMap((part) =>
    Array.from({ length: part.layers }, (_, layer) => {
      const index = part === decoder ? layer : decoder.layers + layer
      return modulesOf(part, part === decoder, kinds).map(([id, input, output]) => ({
        id,
        index,
        size: input + output,
      }))
    }).flat(),
  )
  const width = RANK * Math.max(...rows.map(({ size }) => size))
  const values = new Float32Array(rows.length * width)
  let state = 1 + seed
  for (const [row, { size }] of rows.entries()) {
    for (let i = 0; i < RANK * size; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      values[row * width + i] = (state / 2 ** 32 - 0.5) / 16
    }
  }
  const config = Int32Array.from(rows.flatMap(({ id, index }) => [id, index, RANK]))
  return {
    weights: { dtype: 'float32', rows: rows.length, width, data: new Uint8Array(values.buffer) },
    config: { rows: rows.length, columns: 3, data: config },
  }
}

/** The batch's tokens per second, adapters spread over its requests. */
async function serve(engine, { inputTokens, maxTokens, vocab }, numAdapters) {
  const started = performance.now()
  const results = await Promise.all(
    Array.from({ length: BATCH }, (_, i) => {
      const inputTokenIds = Array.from({ length: inputTokens }, (_, j) => 3 + ((i * 997 + j * 31) % (vocab - 3)))
      const lora = numAdapters === 0 ? undefined : String(i % numAdapters)
      return engine.generate({ inputTokenIds, maxTokens, endId: null, lora })
    }),
  )
  const seconds = (performance.now() - started) / 1000
  return results.reduce((sum, { usage }) => sum + usage.outputTokens, 0) / seconds
}

async function measure(model, kinds, rounds) {
  const { Engine } = await import('../../dist/index.js')
  const engine = await Engine.load(model.folder(), { kvCache: { reuseEncoder: false } })
  for (let i = 0; i < Math.max(...NUM_ADAPTERS); i++) {
    await engine.loras.load(String(i), randomAdapter(engine.model, kinds, i))
  }
  const { bytes, modules } = engine.loras.list()[0]
  for (const count of NUM_ADAPTERS) await serve(engine, model, count) // warm-up; the runtime has all adapters then
  const runs = NUM_ADAPTERS.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, count] of NUM_ADAPTERS.entries()) runs[i].push(await serve(engine, model, count))
  }
  const { threads, weights } = engine.limits
  await engine.close()
  const cases = NUM_ADAPTERS.map((adapters, i) => ({
    adapters,
    tokensPerSecond: spread(runs[i]),
    ratio: spread(runs[i].map((speed, round) => speed / runs[0][round])),
  }))
  return { model: model.name, threads, weights, modules, bytes, cases }
}

function print({ model, threads, weights, modules, bytes, cases }, rounds) {
  console.log(
    `\n${model}, ${weights}, ${threads} threads: ${BATCH} requests at once, rank ${RANK} on ${modules} modules ` +
      `(${(bytes / 1e6).toFixed(1)} MB), ${rounds} rounds in turns`,
  )
  console.log('adapters   tokens/s                  of the speed without')
  for (const { adapters, tokensPerSecond, ratio } of cases) {
    const show = ({ min, median, max }, digits) =>
      `${median.toFixed(digits)} (${min.toFixed(digits)} … ${max.toFixed(digits)})`
    console.log(`${String(adapters).padEnd(10)} ${show(tokensPerSecond, 0).padEnd(25)} ${show(ratio, 2)}`)
  }
}

await runScript(async () => {
  const { json, rounds, modules } = benchOptions({ ...ROUNDS, modules: { type: 'string', default: 'all' } })
  if (!Object.hasOwn(MODULES, modules)) throw new StepFailed(`--modules is one of ${Object.keys(MODULES).join(', ')}`)
  await setup()
  const reports = []
  for (const model of MODELS) reports.push(await measure(model, MODULES[modules], Number(rounds)))
  if (json) console.log(JSON.stringify({ machine: machine(), rounds: Number(rounds), models: reports }))
  else for (const report of reports) print(report, rounds)
})
