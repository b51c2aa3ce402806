// npm run demo [words...]: sets everything up, then streams the pronunciations of words from the sample model.
//   -- --lora ipa   with one of its adapters: ipa writes words in IPA, spell spells what is written in IPA
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setup } from './setup.mjs'
import { root, runScript, StepFailed } from './steps.mjs'

const HARD_WORDS =
  'queue yacht rhythm psychology mnemonic champagne bouquet thorough through tough plough worcestershire ' +
  'island subtle receipt wednesday xylophone massachusetts'
const INVENTED_WORDS = 'blorptastic snorgle cyberwhisker quaxitude frobnicate zibblethwaite'
const SPOKEN_WORDS =
  'sˌɛɡməntˈeɪʃən dʒˈɛstʃɚd lˈɛdʒəslˌeɪtɪv mˈænhˌændəld sˌudoʊsˈaɪəns bˌækˈɛndz pˌɑlˌiˈændɹəs blˈɑkhˌɛd'

const model = join(root, 'models/g2p-en')

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { lora: { type: 'string' } } })
  const { lora } = values
  const adapters = readdirSync(join(model, 'adapters'))
  if (lora !== undefined && !adapters.includes(lora)) {
    throw new StepFailed(`--lora takes one of ${adapters.join(', ')}, not ${lora}`)
  }
  await setup()
  const { Engine } = await import('../dist/index.js')
  const engine = await Engine.load(model)
  if (lora !== undefined) await engine.loras.load(lora, join(model, 'adapters', lora))
  if (positionals.length > 0) {
    await say(engine, positionals, lora)
  } else if (lora === 'spell') {
    console.log('\nSpelt as they sound:')
    await say(engine, SPOKEN_WORDS.split(' '), lora)
  } else {
    console.log('\nWords that do not sound as they are written:')
    await say(engine, HARD_WORDS.split(' '), lora)
    console.log('\nWords that nobody has seen before:')
    await say(engine, INVENTED_WORDS.split(' '), lora)
  }
  await engine.close()
}

/** All words at once; printed in order, piece by piece. */
async function say(engine, words, lora) {
  const width = Math.max(...words.map((word) => word.length)) + 2
  const streams = words.map((word) => [word, engine.stream({ input: word, lora })])
  for (const [word, stream] of streams) {
    process.stdout.write(word.padEnd(width))
    for await (const { text } of stream) process.stdout.write(text)
    process.stdout.write('\n')
  }
}

await runScript(main)
