// What bench:border runs. Each case goes through C++ and through Engine.stream.
import { join } from 'node:path'
import { root } from '../../steps.mjs'

const SAMPLE = join(root, 'models/g2p-en')
const SAMPLE_VOCAB = 112

/** Different inputs of 8 tokens, so that nothing is shared. */
const sampleInputs = Array.from({ length: 64 }, (_, i) =>
  Array.from({ length: 8 }, (_, j) => 3 + ((i * 997 + j * 31) % (SAMPLE_VOCAB - 3))),
)

const sample = (streams, requests) => ({
  name: `g2p-en, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
  executor: 'embedded',
  workload: { streams, requests, warmUp: Math.min(requests, 64), inputs: sampleInputs, maxTokens: 24, latency: false },
})

/** `pause`: microseconds between two iterations, each of which brings one token for every stream. */
const instant = (streams, pause, maxTokens) => ({
  name: pause === 0 ? `instant, ${streams} streams` : `instant, ${streams} streams, a token each ${pause / 1000} ms`,
  executor: 'instant',
  workload: {
    streams,
    requests: pause === 0 ? 2 * streams : streams,
    warmUp: streams,
    inputs: [[pause]],
    maxTokens,
    latency: pause > 0,
  },
})

/** `quick`: a tenth of the work or so; enough to see that everything runs. */
export function makeCases(quick) {
  const size = quick ? 1 : 4
  return [
    sample(1, 32 * size),
    sample(64, 256 * size),
    sample(512, 512 * size),
    instant(512, 0, 500 * size),
    instant(1, 1000, 500 * size),
    instant(64, 1000, 500 * size),
    instant(512, 5000, 100 * size),
  ].map((one) => ({ ...one, workload: { ...one.workload, model: SAMPLE } }))
}
