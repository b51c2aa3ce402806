import { expect, test } from 'vitest'
import { checkEngineOptions, toRawEngineOptions } from '../lib/config.js'
import { AbortError, errorFromNative, toTrtllmError } from '../lib/errors.js'
import { Engine, type EngineOptions } from '../lib/index.js'
import { explainLoadFailure } from '../lib/native.js'
import { checkRequest } from '../lib/request.js'
import { requestContext as context, thrownBy } from './helpers/request-context.js'
import { sampleCheckpoint } from './helpers/sample.js'

test.each<[object, string, string]>([
  [{ maxBatchsize: 1 }, 'ERR_UNKNOWN_OPTION', 'unknown option maxBatchsize'],
  [{ kvCache: { maxTokenz: 1 } }, 'ERR_UNKNOWN_OPTION', 'unknown option kvCache.maxTokenz'],
  [{ maxBatchSize: 0 }, 'ERR_INVALID_ARGUMENT', 'maxBatchSize must be an integer >= 1, got 0'],
  [{ maxNumTokens: 1.5 }, 'ERR_INVALID_ARGUMENT', 'maxNumTokens must be an integer >= 1, got 1.5'],
  [{ maxBeamWidth: 1025 }, 'ERR_INVALID_ARGUMENT', 'maxBeamWidth must be an integer from 1 to 1024, got 1025'],
  [{ gatherGenerationLogits: 1 }, 'ERR_INVALID_ARGUMENT', 'gatherGenerationLogits must be true or false, got 1'],
  [{ maxQueueSize: '8' }, 'ERR_INVALID_ARGUMENT', "maxQueueSize must be an integer >= 1, got '8'"],
  [{ maxQueueSize: 2 ** 31 }, 'ERR_INVALID_ARGUMENT', 'maxQueueSize must be an integer >= 1, got 2147483648'],
  [{ kvCache: { maxTokens: -3 } }, 'ERR_INVALID_ARGUMENT', 'kvCache.maxTokens must be an integer >= 1, got -3'],
  [{ kvCache: 5 }, 'ERR_INVALID_ARGUMENT', 'kvCache must be an object, got 5'],
  [
    { kvCache: { crossKvCacheFraction: 1 } },
    'ERR_INVALID_ARGUMENT',
    'kvCache.crossKvCacheFraction must be a number between 0 and 1, both excluded, got 1',
  ],
  [
    { kvCache: { tokensPerBlock: 33 } },
    'ERR_INVALID_ARGUMENT',
    'kvCache.tokensPerBlock must be 16, 32, 64, 128, got 33',
  ],
  [{ kvCache: { reuseEncoder: 1 } }, 'ERR_INVALID_ARGUMENT', 'kvCache.reuseEncoder must be true or false, got 1'],
  [{ peftCache: { hostCacheSize: 0 } }, 'ERR_INVALID_ARGUMENT', 'peftCache.hostCacheSize must be an integer from 1 to'],
  [{ peftCache: { maxAdapterSize: 0 } }, 'ERR_INVALID_ARGUMENT', 'peftCache.maxAdapterSize must be an integer >= 1'],
  [{ peftCache: { loraPrefetchDir: '/' } }, 'ERR_UNKNOWN_OPTION', 'unknown option peftCache.loraPrefetchDir'],
  [
    { peftCache: { deviceCachePercent: 2 } },
    'ERR_INVALID_ARGUMENT',
    'peftCache.deviceCachePercent must be a number between 0 and 1, both excluded, got 2',
  ],
  [
    { decodingMode: 'medusa' },
    'ERR_INVALID_ARGUMENT',
    "decodingMode must be one of 'auto', 'top-k', 'top-p', 'top-k-top-p', 'beam-search', got 'medusa'",
  ],
  [{ gpuWeightsPercent: 2 }, 'ERR_INVALID_ARGUMENT', 'gpuWeightsPercent must be a number from 0 to 1, got 2'],
  [{ maxSeqIdleMicroseconds: 0 }, 'ERR_INVALID_ARGUMENT', 'maxSeqIdleMicroseconds must be an integer from 1 to'],
  [
    { parallel: { deviceIds: [] } },
    'ERR_INVALID_ARGUMENT',
    'parallel.deviceIds must be numbers that are all different, at least one',
  ],
  [
    { extendedRuntimePerfKnobConfig: { cudaGraph: true } },
    'ERR_UNKNOWN_OPTION',
    'unknown option extendedRuntimePerfKnobConfig.cudaGraph',
  ],
  [{ kvCache: { hostCacheSize: -1 } }, 'ERR_INVALID_ARGUMENT', 'kvCache.hostCacheSize must be an integer from 0 to'],
  [{ encoderTokenBudget: 0 }, 'ERR_INVALID_ARGUMENT', 'encoderTokenBudget must be an integer >= 1, got 0'],
  [{ iterStatsMaxIterations: -1 }, 'ERR_INVALID_ARGUMENT', 'iterStatsMaxIterations must be an integer >= 0, got -1'],
  [{ normalizeLogProbs: 1 }, 'ERR_INVALID_ARGUMENT', 'normalizeLogProbs must be true or false, got 1'],
  [{ threads: 0 }, 'ERR_INVALID_ARGUMENT', 'threads must be an integer from 1 to 1024, got 0'],
  [
    { weights: 'int4' },
    'ERR_INVALID_ARGUMENT',
    "weights must be one of 'auto', 'float32', 'bfloat16', 'int8', got 'int4'",
  ],
  [{ tokenizer: {} }, 'ERR_INVALID_ARGUMENT', 'tokenizer must be a path or an object with encode, decode and perhaps'],
  [
    { tokenizer: { encode: () => [], decode: () => '', encodePlain: 1 } },
    'ERR_INVALID_ARGUMENT',
    'tokenizer must be a path or an object with encode, decode and perhaps encodePlain',
  ],
  [{ scheduler: { capacitySchedulerPolicy: 'max-utilization' } }, 'ERR_UNSUPPORTED', 'max-utilization'],
])('engine options %j are refused', (options, code, message) => {
  expect(thrownBy(() => checkEngineOptions(options))).toMatchObject({ code, message: expect.stringContaining(message) })
})

test('a misspelt option comes with the right one', () => {
  expect(thrownBy(() => checkEngineOptions({ maxBatchsize: 1 })).hint).toBe('did you mean maxBatchSize?')
  expect(thrownBy(() => checkEngineOptions({ zzz: 1 })).hint).toContain('there are: maxBatchSize, ')
})

const model = { encoderPath: 'e', decoderPath: 'd' }

test('options cross the border under their names, with our defaults', () => {
  const options = { maxBatchSize: 4, maxQueueSize: undefined, threads: 2, kvCache: { maxTokens: 64 } }
  expect(toRawEngineOptions(model, checkEngineOptions(options), ['threads', 'weights'])).toEqual({
    model,
    config: {
      maxBatchSize: 4,
      maxBeamWidth: 64,
      normalizeLogProbs: false,
      enableChunkedContext: false,
      schedulerConfig: { capacitySchedulerPolicy: 'guaranteed-no-evict' },
      kvCacheConfig: { enableBlockReuse: false, crossKvCacheFraction: 0.5, maxTokens: 64 },
    },
    runtime: { threads: 2 },
  })
})

test('the width of beams and the gathering of logits cross; engines have a width of their own', () => {
  const options = checkEngineOptions({ maxBeamWidth: 8, gatherGenerationLogits: true })
  const { config } = toRawEngineOptions(model, options, [])
  expect(config).toMatchObject({ maxBeamWidth: 8, gatherGenerationLogits: true })
  const { limits } = context
  expect(toRawEngineOptions(model, {}, [], { ...limits, maxBeamWidth: 3 })).toMatchObject({
    config: { maxBeamWidth: 3 },
    runtime: { engineLimits: { maxInputLength: limits.maxInputLength } },
  })
})

test('the cache of adapters crosses as the PeftCacheConfig', () => {
  const options = checkEngineOptions({
    peftCache: { hostCacheSize: 2 ** 40, maxAdapterSize: 16, numCopyStreams: undefined },
  })
  const { config } = toRawEngineOptions(model, options, [])
  expect(config.peftCacheConfig).toEqual({ hostCacheSize: 2 ** 40, maxAdapterSize: 16 })
})

const GPU_OPTIONS = {
  gpuWeightsPercent: 0.5,
  useGpuDirectStorage: true,
  maxSeqIdleMicroseconds: 2 ** 40,
  enableTrtOverlap: true,
  extendedRuntimePerfKnobConfig: { multiBlockMode: false, cudaGraphMode: true, cudaGraphCacheSize: 4 },
  parallel: { deviceIds: [1, 0], participantIds: [0, 1] },
  kvCache: { hostCacheSize: 2 ** 40, useUvm: true, maxGpuTotalBytes: 2 ** 33 },
}
const { kvCache: gpuCache, parallel, ...gpuOptions } = GPU_OPTIONS

test('options for GPUs cross as the fields of the ExecutorConfig', () => {
  const names = [...Object.keys(gpuOptions), 'parallel', ...Object.keys(gpuCache).map((name) => `kvCache.${name}`)]
  const options = checkEngineOptions({ ...GPU_OPTIONS, decodingMode: 'top-k' })
  expect(toRawEngineOptions(model, options, names).config).toMatchObject({
    ...gpuOptions,
    kvCacheConfig: gpuCache,
    parallelConfig: { deviceIds: Int32Array.of(1, 0), participantIds: Int32Array.of(0, 1) },
    decodingConfig: { decodingMode: 'top-k' },
  })
})

test.each([
  ...Object.entries({ ...gpuOptions, parallel }).map(([name, value]) => [name, { [name]: value }] as const),
  ...Object.entries(gpuCache).map(([name, value]) => [`kvCache.${name}`, { kvCache: { [name]: value } }] as const),
])('a runtime without %s refuses it by name', async (name, options) => {
  const error = thrownBy(() => toRawEngineOptions(model, checkEngineOptions(options), []))
  expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: `this runtime has no option ${name}` })
  const loading = Engine.load(sampleCheckpoint, options as EngineOptions)
  await expect(loading).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message: error.message })
})

test('the embedded runtime has one decoding mode', async () => {
  const loading = Engine.load(sampleCheckpoint, { decodingMode: 'beam-search' })
  await expect(loading).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: expect.stringContaining('decodingConfig.decodingMode must be Auto'),
  })
  await (await Engine.load(sampleCheckpoint, { decodingMode: 'auto' })).close()
})

test('our own options of the runtime cross beside the configuration', () => {
  const options = checkEngineOptions({ encoderTokenBudget: 64, kvCache: { tokensPerBlock: 16, reuseEncoder: false } })
  const all = ['encoderTokenBudget', 'tokensPerBlock', 'reuseEncoder']
  expect(toRawEngineOptions(model, options, all).runtime).toEqual({
    encoderTokenBudget: 64,
    tokensPerBlock: 16,
    reuseEncoder: false,
  })
  const lacking = thrownBy(() => toRawEngineOptions(model, options, ['encoderTokenBudget', 'tokensPerBlock']))
  expect(lacking).toMatchObject({ code: 'ERR_UNSUPPORTED', message: 'this runtime has no option reuseEncoder' })
  const error = thrownBy(() => toRawEngineOptions(model, { threads: 2 }, []))
  expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: 'this runtime has no option threads' })
})

test.each<[unknown, string, string]>([
  [{}, 'ERR_INVALID_ARGUMENT', 'either input or inputTokenIds, got neither'],
  [{ input: 'a', inputTokenIds: [1] }, 'ERR_INVALID_ARGUMENT', 'either input or inputTokenIds, got both'],
  [null, 'ERR_INVALID_ARGUMENT', 'must be an object, got null'],
  [{ input: '' }, 'ERR_INVALID_ARGUMENT', "input must be text that is not empty, got ''"],
  [{ input: 7 }, 'ERR_INVALID_ARGUMENT', 'input must be text that is not empty, got 7'],
  [{ input: 'a'.repeat(21) }, 'ERR_INVALID_ARGUMENT', 'input must have 1 to 20 tokens (limits.maxInputLength), got 21'],
  [
    { inputTokenIds: [] },
    'ERR_INVALID_ARGUMENT',
    'inputTokenIds must have 1 to 20 tokens (limits.maxInputLength), got 0',
  ],
  [{ inputTokenIds: '5,3' }, 'ERR_INVALID_ARGUMENT', "inputTokenIds must be an array of token ids, got '5,3'"],
  [{ inputTokenIds: [5, 30] }, 'ERR_INVALID_ARGUMENT', 'token 1 of inputTokenIds must be an id from 0 to 29, got 30'],
  [{ inputTokenIds: [-1] }, 'ERR_INVALID_ARGUMENT', 'token 0 of inputTokenIds must be an id from 0 to 29, got -1'],
  [{ inputTokenIds: [1.5] }, 'ERR_INVALID_ARGUMENT', 'token 0 of inputTokenIds must be an id from 0 to 29, got 1.5'],
  [{ input: 'a', maxTokens: 0 }, 'ERR_INVALID_ARGUMENT', 'maxTokens must be an integer >= 1, got 0'],
  [{ input: 'a', priority: Number.NaN }, 'ERR_INVALID_ARGUMENT', 'priority must be a finite number, got NaN'],
  [{ input: 'a', maxTokens: 50 }, 'ERR_INVALID_ARGUMENT', 'maxTokens must be <= 49 (limits.maxSequenceLength 50'],
  [{ input: 'a', endId: 40 }, 'ERR_INVALID_ARGUMENT', 'endId must be an integer from 0 to 39, got 40'],
  [{ input: 'a', decoderInputTokenIds: [] }, 'ERR_INVALID_ARGUMENT', 'decoderInputTokenIds must have 1 to 49 tokens'],
  [{ input: 'a', timeoutMs: 0 }, 'ERR_INVALID_ARGUMENT', 'timeoutMs must be a number of milliseconds > 0'],
  [{ input: 'a', signal: {} }, 'ERR_INVALID_ARGUMENT', 'signal must be an AbortSignal, got an object'],
  [{ input: 'a', lora: '' }, 'ERR_INVALID_ARGUMENT', "lora must be text that is not empty, got ''"],
  [{ input: 'a', maxToken: 5 }, 'ERR_UNKNOWN_OPTION', 'unknown request field maxToken'],
])('request %j is refused', (request, code, message) => {
  const error = thrownBy(() => checkRequest(request, context, false))
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) })
})

test('a text needs a tokenizer, and a model without start token a prompt', () => {
  const error = thrownBy(() => checkRequest({ input: 'a' }, { ...context, tokenizer: undefined }, false))
  expect(error).toMatchObject({ code: 'ERR_NO_TOKENIZER', hint: expect.stringContaining('tokenizer.json') })
  const startless = { ...context, specialTokenIds: { decoderStart: null, end: null, begin: null, pad: null } }
  expect(thrownBy(() => checkRequest({ input: 'a' }, startless, false)).message).toContain('decoderInputTokenIds')
})

test('requests are completed from the model and the limits', () => {
  const { raw } = checkRequest({ inputTokenIds: new Uint16Array([4, 5]) }, context, false)
  expect(raw).toEqual({
    encoderInputTokenIds: new Int32Array([4, 5]),
    inputTokenIds: new Int32Array([0]),
    maxTokens: 49,
    streaming: false,
    endId: 1,
    padId: 0,
    outputConfig: { excludeInputFromOutput: true, returnPerfMetrics: true, returnLogProbs: false },
  })
  const forever = { input: 'a', endId: null, timeoutMs: 5, decoderInputTokenIds: [0, 7] }
  const checked = checkRequest(forever, context, false)
  expect(checked).toMatchObject({ timeoutMs: 5, raw: { streaming: true, maxTokens: 48 } })
  expect(checked.raw).not.toHaveProperty('endId')
  const roomy = { ...context, limits: { ...context.limits, maxSequenceLength: 4096 } }
  expect(checkRequest({ input: 'a' }, roomy, false).raw.maxTokens).toBe(256)
})

test('native messages become errors with codes', () => {
  expect(errorFromNative('[ERR_MODEL_INVALID] a.json is bad')).toMatchObject({
    code: 'ERR_MODEL_INVALID',
    message: 'a.json is bad',
  })
  expect(errorFromNative('[ERR_QUEUE_FULL] full').hint).toContain('maxQueueSize')
  expect(errorFromNative('[ERR_NEW] text')).toMatchObject({ code: 'ERR_RUNTIME', message: '[ERR_NEW] text' })
  const cause = new Error('[ERR_OUT_OF_MEMORY] no room')
  expect(toTrtllmError(cause)).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', message: 'no room', cause })
  expect(toTrtllmError('odd')).toMatchObject({ code: 'ERR_RUNTIME', message: 'odd' })
  expect(new AbortError('why')).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'why' })
})

const notFound = new Error("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found")
test.each([
  [{ os: 'darwin', arch: 'arm64', glibc: undefined }, new Error('x'), 'there is none for darwin-arm64', 'container'],
  [{ os: 'linux', arch: 'arm64', glibc: '2.36' }, new Error('x'), 'there is none for linux-arm64', 'container'],
  [{ os: 'linux', arch: 'x64', glibc: undefined }, new Error('x'), 'musl', 'container'],
  [{ os: 'linux', arch: 'x64', glibc: '2.31' }, notFound, 'glibc 2.31 is too old', 'glibc 2.34'],
  [{ os: 'linux', arch: 'x64', glibc: '2.36' }, new Error('No native build'), 'prebuilds/linux-x64', 'npm rebuild'],
])('a load failure on %j says why and what to do', (platform, cause, message, hint) => {
  const error = explainLoadFailure(cause, platform)
  expect(error).toMatchObject({ code: 'ERR_ADDON_LOAD', cause, message: expect.stringContaining(message) })
  expect(error.hint).toContain(hint)
})
