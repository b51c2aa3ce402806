/** The native border by itself: what TypeScript never sends is refused there too, request by request. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadAddon, type RawEngine } from '../lib/native.js'
import type { RawRequest } from '../lib/raw-request.js'
import { sampleModel } from './helpers/sample.js'

let engine: RawEngine
const ended: number[] = []

beforeAll(async () => {
  engine = await loadAddon().createEngine(
    {
      model: { encoderPath: `${sampleModel}/encoder`, decoderPath: `${sampleModel}/decoder` },
      config: { kvCacheConfig: { crossKvCacheFraction: 0.5 } },
      runtime: {},
    },
    ({ ids }) => ended.push(...ids),
    () => {},
  )
})
afterAll(() => engine.close())

const request: RawRequest = {
  inputTokenIds: new Int32Array([0]),
  encoderInputTokenIds: new Int32Array([5, 6, 1]),
  maxTokens: 2,
  streaming: false,
  outputConfig: {},
}

const loraWeights = { dtype: 'float32', rows: 1, width: 2, data: new Uint8Array(8) }

test.each<[object, string]>([
  [{ samplingConfig: { beams: 2 } }, '[ERR_UNKNOWN_OPTION] unknown option samplingConfig.beams'],
  [{ samplingConfig: 4 }, '[ERR_INVALID_ARGUMENT] samplingConfig must be an object, got 4'],
  [{ samplingConfig: { beamWidth: 0 } }, 'beamWidth'],
  [{ samplingConfig: { topP: 2 } }, 'topP'],
  [{ samplingConfig: { topK: 1.5 } }, 'samplingConfig.topK must be an integer in'],
  [{ samplingConfig: { seed: -1 } }, 'samplingConfig.seed must be an integer in [0, 9007199254740991], got -1'],
  [{ badWords: [new Int32Array([5]), [6]] }, 'badWords[1] must be an Int32Array, got an array'],
  [{ stopWords: new Int32Array([5]) }, 'stopWords must be an array, got an object'],
  [
    { embeddingBias: new Float64Array(3) },
    'embeddingBias must be a Float32Array or an object of shape and data, got an object',
  ],
  [
    { crossAttentionMask: { shape: Int32Array.of(2, 2), data: new Uint8Array(3) } },
    'crossAttentionMask.shape must have 1 to 8 extents whose product is the length of data, 3',
  ],
  [
    { crossAttentionMask: { data: new Uint8Array(3) } },
    'crossAttentionMask.shape must be an Int32Array, got undefined',
  ],
  [
    { encoderInputFeatures: { shape: Int32Array.of(1), data: new Int32Array(1) } },
    'encoderInputFeatures.data must be a Uint8Array, got an object',
  ],
  [
    { encoderInputFeatures: { shape: Int32Array.of(-1, -2), data: new Float32Array(2) } },
    'encoderInputFeatures.shape must have 1 to 8 extents',
  ],
  [{ extras: { trie: [] } }, '[ERR_UNKNOWN_OPTION] unknown option extras.trie'],
  [{ extras: { scoreLength: 1 } }, 'extras.scoreLength must be less than the length of inputTokenIds, 1, got 1'],
  [{ extras: { poolEncoderOutput: 'max' } }, "extras.poolEncoderOutput must be one of 'mean', got 'max'"],
  [{ extras: { allowedSequences: [5] } }, 'extras.allowedSequences[0] must be an Int32Array, got 5'],
  [{ loraConfig: {} }, 'loraConfig.taskId must be an integer in [0, 9007199254740991], got undefined'],
  [{ loraConfig: { taskId: 1, rank: 3 } }, '[ERR_UNKNOWN_OPTION] unknown option loraConfig.rank'],
  [
    { loraConfig: { taskId: 1, weights: { ...loraWeights, rows: 0 } } },
    'loraConfig.weights.rows must be an integer in',
  ],
  [
    { loraConfig: { taskId: 1, weights: { ...loraWeights, dtype: 'int8' } } },
    "loraConfig.weights.dtype must be one of 'float32', 'float16', 'bfloat16', got 'int8'",
  ],
  [
    { loraConfig: { taskId: 1, weights: { ...loraWeights, data: new Float32Array(2) } } },
    'loraConfig.weights.data must be a Uint8Array, got an object',
  ],
  [
    { loraConfig: { taskId: 1, weights: { ...loraWeights, width: 2 ** 31 - 1 } } },
    'loraConfig.weights.data must have 8589934588 bytes by its shape and type, got 8',
  ],
  [
    { loraConfig: { taskId: 1, config: { rows: 1, columns: 3, data: new Int32Array(4) } } },
    'loraConfig.config.data must have 12 bytes by its shape and type, got 16',
  ],
  [{ loraConfig: { taskId: 1, weights: loraWeights } }, 'LoRA config must be given together with the weights'],
])('%j is refused, its neighbour runs', async (fields, message) => {
  const [refused, id] = engine.enqueue([{ ...request, ...fields } as RawRequest, request])
  expect(refused).toContain(message)
  expect(id).toEqual(expect.any(Number))
  await expect.poll(() => ended).toContain(id)
})

const load = (config: object) =>
  loadAddon().createEngine(
    { model: { decoderPath: `${sampleModel}/decoder` }, config, runtime: {} },
    () => {},
    () => {},
  )

test.each<[object, string]>([
  [{ gpuWeightsPercent: 1.5 }, 'gpuWeightsPercent must be a number in [0, 1], got 1.5'],
  [{ extendedRuntimePerfKnobConfig: { cudaGraphCacheSize: -1 } }, 'cudaGraphCacheSize must be an integer in [0,'],
  [{ decodingConfig: { decodingMode: 'medusa' } }, "one of 'auto', 'top-k', 'top-p', 'top-k-top-p', 'beam-search'"],
  [{ maxSeqIdleMicroseconds: 0 }, 'maxSeqIdleMicroseconds'],
  [{ kvCacheConfig: { hostCacheSize: -1 } }, 'kvCacheConfig.hostCacheSize must be an integer in'],
])('the configuration %j is refused', async (config, message) => {
  await expect(load(config)).rejects.toThrow(message)
})

test('settings of GPUs reach an executor that does not look at them', async () => {
  const decoder = await load({
    gpuWeightsPercent: 0.5,
    useGpuDirectStorage: true,
    maxSeqIdleMicroseconds: 2 ** 40,
    enableTrtOverlap: true,
    decodingConfig: { decodingMode: 'auto' },
    extendedRuntimePerfKnobConfig: { multiBlockMode: false, cudaGraphMode: true, cudaGraphCacheSize: 4 },
    parallelConfig: { deviceIds: Int32Array.of(0) },
    kvCacheConfig: {
      crossKvCacheFraction: 0.5,
      hostCacheSize: 1,
      useUvm: true,
      maxGpuTotalBytes: 9,
    },
  })
  expect(decoder).toMatchObject({ canEnqueueRequests: true, limits: { encoderVocabSize: 0 } })
  await decoder.close()
})

test('a seed of more than 64 bits is refused, one of 64 is not', async () => {
  const withSeed = (seed: bigint) => ({ ...request, samplingConfig: { topK: 5, seed } })
  const [refused, id] = engine.enqueue([withSeed(2n ** 64n), withSeed(2n ** 64n - 1n)])
  expect(refused).toContain('samplingConfig.seed must be an integer of 64 bits without sign, got 18446744073709551616')
  await expect.poll(() => ended).toContain(id)
})

test('adapters that nobody has sent can be released and pinned; wrong ids cannot', () => {
  engine.releaseAdapters([1, 2 ** 40])
  engine.pinAdapter(7, true)
  engine.pinAdapter(7, false)
  expect(() => engine.releaseAdapters([-1])).toThrow('an id must be an integer in [0, 9007199254740991], got -1')
  expect(() => engine.pinAdapter(1, 1 as unknown as boolean)).toThrow('pinned must be true or false, got 1')
})

test('tokens outside the vocabulary in constraints harm nobody', async () => {
  const ids = engine.enqueue([
    { ...request, endId: 1, extras: { allowedSequences: [new Int32Array([-5, 2 ** 30]), new Int32Array([59])] } },
    { ...request, endId: 1, extras: { forcedFirstTokenId: 2 ** 30, forcedLastTokenId: -7 } },
  ])
  for (const id of ids) await expect.poll(() => ended).toContain(id)
})
