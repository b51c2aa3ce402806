import { parentPort, workerData } from 'node:worker_threads'
import { STAGES } from './stages.mjs'

await STAGES[workerData]()
parentPort.postMessage('reached')
