// One script on every rank. Arguments: engines, and what goes wrong: 'nothing', 'follower killed' or 'leader throws'.
import { Engine } from '../../dist/index.js'

const [engines, wrong] = process.argv.slice(2)
const rank = process.env.OMPI_COMM_WORLD_RANK
if (wrong === 'follower killed' && rank === '1') setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1000)

const engine = await Engine.load(engines)
if (engine.canEnqueueRequests) {
  if (wrong === 'leader throws') throw new Error('the leader gives up')
  if (wrong === 'follower killed') await new Promise(() => setInterval(() => {}, 1000))
  const results = await Promise.all(['queue', 'colonel'].map((input) => engine.generate({ input })))
  await engine.close()
  console.log(JSON.stringify({ rank, texts: results.map(({ text }) => text) }))
} else {
  const refused = await engine.generate({ input: 'queue' }).catch(({ code }) => code)
  console.log(JSON.stringify({ rank, refused }))
}
