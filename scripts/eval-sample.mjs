// npm run eval:sample: error rates of the sample model on the words that it never saw, through our runtime.
//   -- --json               one JSON object; rates in percent, per and wer without stress marks
//   -- --weights bfloat16   how the weights are held: float32 or bfloat16 (default)
//   -- --words 1000         only the first so many
//   -- --beam-width 4       the best of so many beams; 1 (default): greedy
//   -- --length-penalty 0   of the beams
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

async function pronounceAll(words, weights, decoding) {
  const { Engine } = await import('../dist/index.js')
  const maxBeamWidth = decoding.beamWidth ?? 1
  const engine = await Engine.load(join(root, 'models/g2p-en'), { weights, maxBeamWidth })
  const started = performance.now()
  const results = await Promise.all(words.map((input) => engine.generate({ input, ...decoding })))
  await engine.close()
  return { outputs: results.map(({ text }) => text), seconds: (performance.now() - started) / 1000 }
}

/** Fields of a request. */
function decodingOf(values) {
  const beamWidth = Number(values['beam-width'])
  return beamWidth === 1 ? {} : { beamWidth, lengthPenalty: Number(values['length-penalty']), numReturnSequences: 1 }
}

/** What Hugging Face's outputs for the same decoding are recorded in. */
function recordOf({ beamWidth, lengthPenalty }) {
  if (beamWidth === undefined) return 'g2p-hf-greedy.tsv.gz'
  return beamWidth === 4 && lengthPenalty === 0 ? 'g2p-hf-beam4.tsv.gz' : undefined
}

/** Percentage of the words to which Hugging Face, in float32 on the same weights, says the same. */
function equalShare(words, outputs, record) {
  const expected = new Map(readRows(record))
  const pairs = words.map((word, i) => [expected.get(word), outputs[i]]).filter(([known]) => known !== undefined)
  return (100 * pairs.filter(([known, output]) => known === output).length) / pairs.length
}

function print({ words, seconds, weights, decoding, singleReference, equalToHuggingFace, ...rates }) {
  const { per, wer, perStressed, werStressed } = rates
  const percent = (value) => `${value.toFixed(2)} %`.padStart(10)
  const how = decoding.beamWidth ? `${decoding.beamWidth} beams, length penalty ${decoding.lengthPenalty}` : 'greedy'
  console.log(`${words} words, ${how}, weights ${weights}, ${seconds.toFixed(1)} s`)
  console.log(`${''.padEnd(36)}${'phonemes'.padStart(10)}${'words'.padStart(10)}   wrong`)
  console.log(`${'without stress'.padEnd(36)}${percent(per)}${percent(wer)}`)
  console.log(`${'with stress'.padEnd(36)}${percent(perStressed)}${percent(werStressed)}`)
  console.log(
    `${'without stress, first variant only'.padEnd(36)}${percent(singleReference.per)}${percent(singleReference.wer)}`,
  )
  if (equalToHuggingFace !== undefined)
    console.log(`equal to Hugging Face (float32): ${equalToHuggingFace.toFixed(2)} %`)
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      weights: { type: 'string', default: 'bfloat16' },
      words: { type: 'string', default: 'Infinity' },
      'beam-width': { type: 'string', default: '1' },
      'length-penalty': { type: 'string', default: '0' },
    },
  })
  await setup()
  const rows = readRows('g2p-test.tsv.gz').slice(0, Number(values.words))
  const words = rows.map(([word]) => word)
  const references = rows.map(([, ...variants]) => variants)
  const decoding = decodingOf(values)
  const record = recordOf(decoding)
  const { outputs, seconds } = await pronounceAll(words, values.weights, decoding)
  const report = {
    words: words.length,
    ...score(outputs, references),
    singleReference: score(
      outputs,
      references.map((variants) => variants.slice(0, 1)),
    ),
    equalToHuggingFace: record && equalShare(words, outputs, record),
    decoding,
    weights: values.weights,
    seconds,
  }
  if (values.json) console.log(JSON.stringify(report))
  else print(report)
})
