// npm run timeline: runs a mixed load on the sample model and draws the iterations as docs/timeline.svg: which request
// was waiting, encoding, decoding, and how full both caches were.
//   -- --out FILE  another file
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from './setup.mjs'
import { root, runScript } from './steps.mjs'

const COLORS = { waiting: '#d0d4da', encoding: '#e08a1e', decoding: '#3b7dd8' }
const WORDS =
  'a go queue rhythm yacht island thorough champagne psychology xylophone mnemonic wednesday worcestershire ' +
  'entrepreneur massachusetts counterrevolutionaries antidisestablishmentarianism tough plough bouquet receipt subtle ' +
  'island yacht rhythm queue'

/** Small caches and few slots, so that the picture shows waiting. Words come in three waves; some are equal. */
async function runLoad() {
  const { Engine } = await import('../dist/index.js')
  const engine = await Engine.load(join(root, 'models/g2p-en'), {
    maxBatchSize: 8,
    encoderTokenBudget: 40,
    requestStatsMaxIterations: 1000,
    kvCache: { maxTokens: 320, tokensPerBlock: 16 },
  })
  const iterations = []
  const reading = (async () => {
    for await (const stats of engine.stats()) iterations.push(stats)
  })()
  const words = WORDS.split(' ')
  const wave = Math.ceil(words.length / 3)
  const results = []
  for (let first = 0; first < words.length; first += wave) {
    results.push(...words.slice(first, first + wave).map((input) => engine.generate({ input, maxTokens: 40 })))
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  await Promise.all(results)
  await engine.close()
  await reading
  return { words, iterations: iterations.filter((stats) => stats.requestStats !== undefined) }
}

/** What a request does in an iteration, by its statistics and those of the iteration before. */
function activity(stats, before) {
  if (stats.stage === 'queued' || stats.stage === 'encoder-in-progress') return 'waiting'
  return before === undefined || before === 'waiting' ? 'encoding' : 'decoding'
}

/** For each request id its first iteration and what it did from then on. */
function toRows(iterations) {
  const rows = new Map()
  for (const [x, { requestStats }] of iterations.entries()) {
    for (const stats of requestStats) {
      const row = rows.get(stats.id) ?? { first: x, cells: [] }
      row.cells.push(activity(stats, row.cells.at(-1)))
      rows.set(stats.id, row)
    }
  }
  return [...rows].toSorted(([a], [b]) => a - b)
}

const CELL = 9
const ROW = 13
const LEFT = 220
const TOP = 46
const CHART = 70

function draw({ words, iterations }) {
  const rows = toRows(iterations)
  const width = LEFT + iterations.length * CELL + 20
  const chartTop = TOP + rows.length * ROW + 24
  const height = chartTop + 2 * (CHART + 26) + 8
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="10">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    legend(),
    ...rows.map(([id, row], y) => drawRow(words[id - 1], row, TOP + y * ROW)),
    drawCache('self-attention blocks', iterations, 'kvCacheStats', chartTop),
    drawCache('cross-attention blocks', iterations, 'crossKvCacheStats', chartTop + CHART + 26),
    '</svg>',
    '',
  ].join('\n')
}

function legend() {
  const entries = Object.entries(COLORS).map(
    ([name, color], i) =>
      `<rect x="${LEFT + i * 150}" y="12" width="10" height="10" fill="${color}"/>` +
      `<text x="${LEFT + 15 + i * 150}" y="21">${name === 'encoding' ? 'encoding, first token' : name}</text>`,
  )
  return `${entries.join('\n')}\n<text x="${LEFT}" y="38" fill="#555">iterations →</text>`
}

function drawRow(word, { first, cells }, y) {
  const label = `<text x="${LEFT - 6}" y="${y + 9}" text-anchor="end">${word}</text>`
  const boxes = cells.map(
    (kind, i) =>
      `<rect x="${LEFT + (first + i) * CELL}" y="${y + 1}" width="${CELL - 1}" height="${ROW - 3}" fill="${COLORS[kind]}"/>`,
  )
  return [label, ...boxes].join('\n')
}

/** Used blocks of one pool as columns. */
function drawCache(title, iterations, name, top) {
  const capacity = iterations[0][name].maxNumBlocks
  const columns = iterations.map((stats, x) => {
    const height = (CHART * stats[name].usedNumBlocks) / capacity
    const y = (top + CHART - height).toFixed(1)
    return `<rect x="${LEFT + x * CELL}" y="${y}" width="${CELL - 1}" height="${height.toFixed(1)}" fill="#5a9e6f"/>`
  })
  const frame = `<rect x="${LEFT}" y="${top}" width="${iterations.length * CELL}" height="${CHART}" fill="none" stroke="#aaa"/>`
  const label = `<text x="${LEFT - 6}" y="${top + 12}" text-anchor="end">${title} in use, of ${capacity}</text>`
  return [label, frame, ...columns].join('\n')
}

await runScript(async () => {
  const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'docs/timeline.svg') } } })
  await setup()
  const load = await runLoad()
  writeFileSync(values.out, draw(load))
  console.log(`${load.words.length} requests in ${load.iterations.length} iterations: ${values.out}`)
})
