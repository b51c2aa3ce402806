// Workers that load and stream, each terminated a little later than the one before; then the process still works.
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Engine } from '../../dist/index.js'

const stageWorker = fileURLToPath(new URL('stage-worker.mjs', import.meta.url))
const engine = await Engine.load(fileURLToPath(new URL('../../models/g2p-en', import.meta.url)))

for (let delay = 0; delay < 150; delay += 3) {
  const worker = new Worker(stageWorker, { workerData: 'streaming' })
  await new Promise((resolve) => setTimeout(resolve, delay))
  await worker.terminate()
}
await engine.generate({ input: 'cue' })
console.log('still alive')
