// npm run eval:sample: error rates of the sample model on the words that it never saw, greedy, through our runtime.
//   -- --json               one JSON object; rates in percent, per and wer without stress marks
//   -- --weights bfloat16   how the weights are held: float32 or bfloat16 (default)
//   -- --words 1000         only the first so many
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readRows } from './fixtures.mjs'
import { setup } from './setup.mjs'
import { root, runScript } from './steps.mjs'

/** Levenshtein distance in phonemes. */
function distance(a, b) {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1), previous[j] + 1, row[j - 1] + 1))
    }
    previous = row
  }
  return previous[b.length]
}

/**
 * Phoneme and word error rate in percent. Each output is compared with its nearest variant, the first among equals.
 * @param {string[]} outputs phonemes, separated by spaces
 * @param {string[][]} references the variants of each word
 */
function errorRates(outputs, references) {
  let errors = 0
  let length = 0
  let wrong = 0
  for (const [i, output] of outputs.entries()) {
    const variants = references[i].map((variant) => variant.split(' '))
    const distances = variants.map((variant) => distance(output === '' ? [] : output.split(' '), variant))
    const least = Math.min(...distances)
    errors += least
    length += variants[distances.indexOf(least)].length
    if (least > 0) wrong++
  }
  return { per: (100 * errors) / length, wer: (100 * wrong) / outputs.length }
}

const withoutStress = (phonemes) => phonemes.replace(/\d/g, '')

/** All figures under the names that --json prints. */
function score(outputs, references) {
  const plain = errorRates(
    outputs.map(withoutStress),
    references.map((variants) => variants.map(withoutStress)),
  )
  const stressed = errorRates(outputs, references)
  return { per: plain.per, wer: plain.wer, perStressed: stressed.per, werStressed: stressed.wer }
}

async function pronounceAll(words, weights) {
  const { Engine } = await import('../dist/index.js')
  const engine = await Engine.load(join(root, 'models/g2p-en'), { weights })
  const started = performance.now()
  const results = await Promise.all(words.map((input) => engine.generate({ input })))
  await engine.close()
  return { outputs: results.map(({ text }) => text), seconds: (performance.now() - started) / 1000 }
}

/** Percentage of the words to which Hugging Face, in float32 on the same weights, says the same. */
function equalShare(words, outputs) {
  const expected = new Map(readRows('g2p-hf-greedy.tsv.gz'))
  const pairs = words.map((word, i) => [expected.get(word), outputs[i]]).filter(([known]) => known !== undefined)
  return (100 * pairs.filter(([known, output]) => known === output).length) / pairs.length
}

function print({ words, seconds, weights, per, wer, perStressed, werStressed, singleReference, equalToHuggingFace }) {
  const percent = (value) => `${value.toFixed(2)} %`.padStart(10)
  console.log(`${words} words, weights ${weights}, ${seconds.toFixed(1)} s`)
  console.log(`${''.padEnd(36)}${'phonemes'.padStart(10)}${'words'.padStart(10)}   wrong`)
  console.log(`${'without stress'.padEnd(36)}${percent(per)}${percent(wer)}`)
  console.log(`${'with stress'.padEnd(36)}${percent(perStressed)}${percent(werStressed)}`)
  console.log(
    `${'without stress, first variant only'.padEnd(36)}${percent(singleReference.per)}${percent(singleReference.wer)}`,
  )
  console.log(`equal to Hugging Face (float32): ${equalToHuggingFace.toFixed(2)} %`)
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      weights: { type: 'string', default: 'bfloat16' },
      words: { type: 'string', default: 'Infinity' },
    },
  })
  await setup()
  const rows = readRows('g2p-test.tsv.gz').slice(0, Number(values.words))
  const words = rows.map(([word]) => word)
  const references = rows.map(([, ...variants]) => variants)
  const { outputs, seconds } = await pronounceAll(words, values.weights)
  const report = {
    words: words.length,
    ...score(outputs, references),
    singleReference: score(
      outputs,
      references.map((variants) => variants.slice(0, 1)),
    ),
    equalToHuggingFace: equalShare(words, outputs),
    weights: values.weights,
    seconds,
  }
  if (values.json) console.log(JSON.stringify(report))
  else print(report)
})
