// Part of npm run lint: an option is a type in lib/native.ts or lib/raw-request.ts and a line in a field table of native/addon.
// Says which of the two is missing, which setters of the executor's classes nobody can reach, and which error code has
// no heading in docs/errors.md.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './steps.mjs'

const HEADERS = 'native/embedded/include/tensorrt_llm/executor'

/** Setters that have no option, and why. */
const NOT_EXPOSED = {
  'the addon sets them: one batched post-processor serves constraints and logits processors':
    'Request.logitsPostProcessorName Request.logitsPostProcessor Request.clientId ' +
    'ExecutorConfig.logitsPostProcessorConfig',
  'beam widths that change during a search, which no option switches on': 'SamplingConfig.beamWidthArray',
  'outputs by the name of a tensor inside an engine': 'ExecutorConfig.additionalModelOutputs',
  'settings of TensorRT-LLM on GPUs that nobody could try here':
    'ExecutorConfig.useGpuDirectStorage ExecutorConfig.gpuWeightsPercent ' +
    'ExecutorConfig.extendedRuntimePerfKnobConfig ExecutorConfig.recvPollPeriodMs ' +
    'ExecutorConfig.maxSeqIdleMicroseconds ExecutorConfig.enableTrtOverlap ExecutorConfig.promptTableOffloading ' +
    'ExecutorConfig.failFastOnAttentionWindowTooLarge KvCacheConfig.hostCacheSize KvCacheConfig.onboardBlocks ' +
    'KvCacheConfig.secondaryOffloadMinPriority KvCacheConfig.eventBufferMaxSize KvCacheConfig.useUvm ' +
    'KvCacheConfig.attentionDpEventsGatherPeriodMs KvCacheConfig.maxGpuTotalBytes',
  'reuse of decoder prompts, which an encoder-decoder model cannot share':
    'KvCacheConfig.enablePartialReuse KvCacheConfig.copyOnPartialReuse Request.cacheSaltID',
  'not for text in, text out':
    'Request.positionIds Request.encoderInputFeatures Request.encoderOutputLength Request.crossAttentionMask ' +
    'Request.skipCrossAttnBlocks Request.languageAdapterUid Request.requestType KvCacheConfig.maxAttentionWindowVec ' +
    'KvCacheConfig.sinkTokenLength',
  'ours instead: timeoutMs, which counts from the call': 'Request.allottedTimeMs',
  'always in-flight batching': 'ExecutorConfig.batchingType',
}

const read = (file) => readFileSync(join(root, file), 'utf8')
const matches = (text, pattern) => [...text.matchAll(pattern)].map((match) => match.slice(1).find(Boolean))

/** The text of `class Name { … }` up to the brace at the line's start. */
function bodyOf(text, head) {
  const start = text.indexOf(head)
  if (start < 0) throw new Error(`there is no ${head}`)
  return text.slice(start, text.indexOf('\n}', start))
}

function settersOf(className, header) {
  const names = matches(bodyOf(read(`${HEADERS}/${header}`), `class ${className} {`), /void set(\w+)\(/g)
  return names.map((name) => `${className}.${name[0].toLowerCase()}${name.slice(1)}`)
}

const FIELDS = /(?:Field|AlreadyRead)\{"(\w+)"|required\("(\w+)"/g
const PARAMETERS = /Parameter\{"(\w+)"/g // of classes without setters

const boundIn = (file) => [...matches(read(file), FIELDS), ...matches(read(file), PARAMETERS)]

function typedIn(file, ...interfaces) {
  const types = read(file)
  return interfaces.flatMap((name) => matches(bodyOf(types, `export interface ${name} {`), /\b(\w+)\??:/g))
}

const problems = []
function requireAll(names, there, problem) {
  for (const name of names) if (!there.includes(name)) problems.push(`${name}: ${problem}`)
}

const config = boundIn('native/addon/config.cpp')
const request = [...boundIn('native/addon/request.cpp'), ...boundIn('native/addon/loraConfig.cpp')]
const configTypes = typedIn(
  'lib/native.ts',
  'RawEngineOptions',
  'RawExecutorConfig',
  'RawKvCacheConfig',
  'RawPeftCacheConfig',
  'RawParallelConfig',
  'RawRuntimeOptions',
  'RawEngineLimits',
)
const requestTypes = [
  ...typedIn(
    'lib/raw-request.ts',
    'RawRequest',
    'RawLoraConfig',
    'RawSamplingConfig',
    'RawOutputConfig',
    'RawRequestExtras',
  ),
  ...typedIn('lib/lora/tensors.ts', 'LoraWeights', 'LoraConfigTensor'),
]
requireAll(config, configTypes, 'read in native/addon/config.cpp, but has no type in lib/native.ts')
requireAll(configTypes, config, 'has a type in lib/native.ts, but is not read in native/addon/config.cpp')
requireAll(request, requestTypes, 'read in native/addon/request.cpp, but has no type in lib/raw-request.ts')
requireAll(requestTypes, request, 'has a type in lib/raw-request.ts, but is not read in native/addon/request.cpp')

const setters = [
  ...settersOf('ExecutorConfig', 'executorConfig.h'),
  ...settersOf('KvCacheConfig', 'configs.h'),
  ...settersOf('Request', 'request.h'),
  ...settersOf('SamplingConfig', 'samplingConfig.h'),
]
const excused = Object.values(NOT_EXPOSED).flatMap((names) => names.split(' '))
const settable = matches(read('native/addon/config.cpp'), FIELDS)
const reachable = (setter) =>
  (/^(Request|SamplingConfig)\./.test(setter) ? request : settable).includes(setter.split('.')[1])
const unreachable = setters.filter((setter) => !reachable(setter))
requireAll(unreachable, excused, 'a setter that no option reaches: bind it, or say why not in scripts/check-api.mjs')
requireAll(
  excused,
  unreachable,
  'listed as not exposed in scripts/check-api.mjs, but it is, or there is no such setter',
)

const codes = [...new Set(matches(read('lib/errors.ts'), /'(ERR_\w+)'/g))]
const headings = matches(read('docs/errors.md'), /^## (ERR_\w+)/gm)
requireAll(codes, headings, 'an error code without a heading in docs/errors.md')
requireAll(headings, codes, 'a heading in docs/errors.md without an error code')

for (const problem of problems) console.error(problem)
console.log(`options, setters and error codes: ${problems.length === 0 ? 'in step' : `${problems.length} problems`}`)
process.exitCode = problems.length === 0 ? 0 : 1
