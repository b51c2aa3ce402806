// One process, both runtimes: the same requests at the same time. Arguments: checkpoint, engines.
import { Engine } from '../../dist/index.js'

const [checkpoint, engines] = process.argv.slice(2)
const words = ['queue', 'colonel', 'rhythm', 'worcestershire']
const both = await Promise.all([Engine.load(checkpoint), Engine.load(engines), Engine.load(engines)])
const texts = await Promise.all(
  both.map((engine) => Promise.all(words.map(async (input) => (await engine.generate({ input })).text))),
)
await Promise.all(both.map((engine) => engine.close()))
console.log(JSON.stringify(texts))
