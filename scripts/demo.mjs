// npm run demo [words...]: sets everything up, then streams the pronunciations of words from the sample model.
import { join } from 'node:path'
import { setup } from './setup.mjs'
import { root, runScript } from './steps.mjs'

const HARD_WORDS =
  'queue yacht rhythm psychology mnemonic champagne bouquet thorough through tough plough worcestershire ' +
  'island subtle receipt wednesday xylophone massachusetts'
const INVENTED_WORDS = 'blorptastic snorgle cyberwhisker quaxitude frobnicate zibblethwaite'

async function main() {
  await setup()
  const { Engine } = await import('../dist/index.js')
  const engine = await Engine.load(join(root, 'models/g2p-en'))
  const given = process.argv.slice(2)
  if (given.length > 0) {
    await pronounce(engine, given)
  } else {
    console.log('\nWords that do not sound as they are written:')
    await pronounce(engine, HARD_WORDS.split(' '))
    console.log('\nWords that nobody has seen before:')
    await pronounce(engine, INVENTED_WORDS.split(' '))
  }
  await engine.close()
}

/** All words at once; printed in order, piece by piece. */
async function pronounce(engine, words) {
  const width = Math.max(...words.map((word) => word.length)) + 2
  const streams = words.map((word) => [word, engine.stream({ input: word })])
  for (const [word, stream] of streams) {
    process.stdout.write(word.padEnd(width))
    for await (const { text } of stream) process.stdout.write(text)
    process.stdout.write('\n')
  }
}

await runScript(main)
