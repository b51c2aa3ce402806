// docs/api-coverage.md: every member of the executor's classes and what reaches it in TypeScript, from the headers, the
// field tables of native/addon and the option types of lib/. Part of npm run lint, which fails where a member is neither
// bound nor explained below, and where the page is out of date; with --fix the page is written.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './steps.mjs'

const HEADERS = 'native/embedded/include/tensorrt_llm/executor'
const PAGE = 'docs/api-coverage.md'

/** Where the fields of a class are read, the files of its options' types, and what comes before their names. */
const READ = {
  ExecutorConfig: { options: ['config', 'gpu-options'], as: 'Engine.load' },
  SchedulerConfig: { options: ['config'], as: 'Engine.load', prefix: 'scheduler.' },
  KvCacheConfig: { options: ['config', 'gpu-options'], as: 'Engine.load', prefix: 'kvCache.' },
  PeftCacheConfig: { options: ['peft-cache'], as: 'Engine.load', prefix: 'peftCache.' },
  ParallelConfig: { options: ['parallel'], as: 'Engine.load', prefix: 'parallel.' },
  DecodingConfig: { options: ['config'], as: 'Engine.load' },
  ExtendedRuntimePerfKnobConfig: {
    options: ['gpu-options'],
    as: 'Engine.load',
    prefix: 'extendedRuntimePerfKnobConfig.',
  },
  Request: { options: ['request', 'words', 'encoder-inputs'], as: 'request' },
  SamplingConfig: { options: ['sampling'], as: 'request' },
  OutputConfig: { options: ['outputs'], as: 'request' },
}

/** Structs whose fields come back under their names, and where. */
const WRITTEN = {
  Result: { by: 'response', types: ['response'], as: 'result' },
  KvCacheStats: { by: 'report', types: ['native'], as: 'engine.stats()', prefix: 'kvCacheStats.' },
  InflightBatchingStats: { by: 'report', types: ['native'], as: 'engine.stats()', prefix: 'inflightBatchingStats.' },
  IterationStats: { by: 'report', types: ['native'], as: 'engine.stats()' },
  RequestStats: { by: 'report', types: ['native'], as: 'engine.stats()', prefix: 'requestStats[].' },
  RequestStatsPerIteration: { by: 'report', types: ['native', 'stats'], as: 'engine.stats()' },
}

/** Bound under another name. */
const RENAMED = {
  'ExecutorConfig.schedulerConfig': 'Engine.load: `scheduler`',
  'ExecutorConfig.kvCacheConfig': 'Engine.load: `kvCache`',
  'ExecutorConfig.peftCacheConfig': 'Engine.load: `peftCache`',
  'ExecutorConfig.parallelConfig': 'Engine.load: `parallel`',
  'ExecutorConfig.decodingConfig': 'Engine.load: `decodingMode`',
  'Request.inputTokenIds': 'request: `decoderInputTokenIds`, `decoderInput`',
  'Request.encoderInputTokenIds': 'request: `inputTokenIds`, `input`',
  'Request.streaming': '`engine.stream`',
  'Request.samplingConfig': 'request: its fields',
  'Request.outputConfig': 'request: its fields',
  'Request.loraConfig': 'request: `lora`',
  'Request.allottedTimeMs': 'request: `timeoutMs`, ours, which counts from the call',
  'OutputConfig.excludeInputFromOutput': 'always true: the decoder prompt is not repeated',
  'OutputConfig.returnPerfMetrics': 'always true: `timings` of every result',
  'Result.cumLogProbs': 'result: `sequences[].cumLogProb`',
  'Result.finishReasons': 'result: `sequences[].finishReason`',
  'Result.logProbs': 'result: `sequences[].logProbs`',
  'Result.outputTokenIds': 'result: `sequences[].outputTokenIds`',
  'Result.sequenceIndex': 'result: the place in `sequences`',
  'Result.decodingIter': 'result: `timings.decodingIter`',
  'Result.requestPerfMetrics': 'result: `timings`',
  'RequestPerfMetrics.timingMetrics': 'result: `timings.queuedMs`, `firstTokenMs`, `lastTokenMs`',
  'RequestPerfMetrics.firstIter': 'result: `timings.firstIter`',
  'RequestPerfMetrics.lastIter': 'result: `timings.lastIter`',
  'TimingMetrics.arrivalTime': 'result: what `timings` count from',
  'TimingMetrics.firstScheduledTime': 'result: `timings.queuedMs`',
  'TimingMetrics.firstTokenTime': 'result: `timings.firstTokenMs`',
  'TimingMetrics.lastTokenTime': 'result: `timings.lastTokenMs`',
  'IterationStats.crossKvCacheStats': 'engine.stats(): `crossKvCacheStats`',
  'Response.errorMsg': 'message and code of a `TrtllmError`',
  'Response.result': 'result',
  'Executor.enqueueRequests': '`engine.generate`, `stream`, `score`, `embed`: all of one tick with one call',
  'Executor.cancelRequest': 'request: `signal`, `timeoutMs`; `stream.cancel()`',
  'Executor.shutdown': '`engine.close()`',
  'Executor.getLatestIterationStats': '`engine.stats()`, `engine.snapshot()`',
  'Executor.getLatestRequestStats': '`engine.stats()`',
  'Executor.canEnqueueRequests': '`engine.canEnqueueRequests`',
  DecodingMode: "Engine.load: `decodingMode`, one of 'auto', 'top-k', 'top-p', 'top-k-top-p', 'beam-search'",
  Tensor: '`{ shape, data }`',
  Shape: '`shape` of `{ shape, data }`',
}

/** Used by the addon itself. */
const INSIDE = {
  'Request.clientId': 'leads samples back to their request',
  'Request.returnAllGeneratedTokens': 'streamed beams, which change their past',
  'Request.logitsPostProcessorName': 'asks for the batched post-processor',
  'ExecutorConfig.logitsPostProcessorConfig': 'one batched post-processor for constraints and logits processors',
  LogitsPostProcessorConfig: 'one batched post-processor for constraints and `logitsProcessor`',
  LoraConfig: '`engine.loras` numbers the adapters and sends their tensors while the runtime lacks them',
  'Result.isFinal': 'ends the request',
  'Result.isSequenceFinal': 'ends a sample',
  'Response.requestId': 'finds the request',
  'Response.clientId': 'finds the request of a sample',
  'Response.hasError': 'tells errors from results',
  'Executor.enqueueRequest': 'one by one where a batch has been refused',
  'Executor.awaitResponses': 'a thread of each engine waits for all',
}

/** Why not. */
const NOT_EXPOSED = {
  'one post-processor per engine serves all requests': 'Request.logitsPostProcessor',
  'beam widths that change during a search, which no option switches on': 'SamplingConfig.beamWidthArray',
  'derived from two others': 'SamplingConfig.numReturnBeams',
  'outputs by the name of a tensor inside an engine':
    'ExecutorConfig.additionalModelOutputs OutputConfig.additionalModelOutputs Result.additionalOutputs ' +
    'AdditionalModelOutput AdditionalOutput',
  'prompt tuning and orchestrators, which are for decoder-only models':
    'ExecutorConfig.promptTableOffloading ExecutorConfig.recvPollPeriodMs',
  'releases after 1.2 drop it': 'KvCacheConfig.onboardBlocks',
  'attention windows, which encoder-decoder models do not have':
    'ExecutorConfig.failFastOnAttentionWindowTooLarge KvCacheConfig.maxAttentionWindowVec KvCacheConfig.sinkTokenLength',
  'reuse of decoder prompts, which an encoder-decoder model cannot share':
    'KvCacheConfig.enablePartialReuse KvCacheConfig.copyOnPartialReuse KvCacheConfig.secondaryOffloadMinPriority ' +
    'Request.cacheSaltID',
  'events of the cache, for routers between several machines':
    'KvCacheConfig.eventBufferMaxSize KvCacheConfig.attentionDpEventsGatherPeriodMs',
  'the defaults are right for encoder-decoder models, whose decoder prompts are short':
    'SchedulerConfig.contextChunkingPolicy SchedulerConfig.dynamicBatchConfig DynamicBatchConfig',
  'always MPI with a leader, the only way that runs encoder-decoder models':
    'ParallelConfig.communicationType ParallelConfig.communicationMode',
  'one machine': 'ParallelConfig.numNodes',
  'adapters come by `engine.loras`': 'PeftCacheConfig.loraPrefetchDir',
  'no model of these families takes them': 'Request.positionIds Request.skipCrossAttnBlocks',
  'disaggregated serving, which is for decoder-only models':
    'Request.requestType RequestStats.disServingStats DisServingRequestStats ' +
    'TimingMetrics.kvCacheTransferStart TimingMetrics.kvCacheTransferEnd TimingMetrics.kvCacheSize',
  'drafts, which encoder-decoder models do not have':
    'IterationStats.specDecodingStats SpecDecodingStats Result.avgDecodedTokensPerIter ' +
    'RequestPerfMetrics.speculativeDecoding SpeculativeDecodingMetrics',
  'always in-flight batching': 'ExecutorConfig.batchingType IterationStats.staticBatchingStats StaticBatchingStats',
  'the same numbers are in `requestStats`': 'RequestPerfMetrics.kvCacheMetrics KvCacheMetrics',
  'the iteration of a response, which says nothing to its reader': 'RequestPerfMetrics.iter',
  'responses are taken as soon as they are ready': 'Executor.getNumResponsesReady',
  'every process that has an engine takes part in running it': 'Executor.isParticipant',
}

const read = (file) => readFileSync(join(root, file), 'utf8')
const matches = (text, pattern) => [...text.matchAll(pattern)].map((match) => match.slice(1).find(Boolean))
const unique = (names) => [...new Set(names)]
const lowerFirst = (name) => name[0].toLowerCase() + name.slice(1)

/** From `head` to the brace that closes at the same indentation. */
function bodyFrom(text, head) {
  const start = text.indexOf(head)
  if (start < 0) throw new Error(`there is no ${head}`)
  const indentation = /[ ]*$/.exec(text.slice(0, start))[0]
  return text.slice(start, text.indexOf(`\n${indentation}}`, start))
}

/** What a caller can set, get or call, in the order of the header. */
function membersOf(body, name) {
  const open = body
    .replaceAll(/\/\/.*/g, '')
    .split(/\n *private:/)[0]
    .replaceAll(/^ +struct \w+ \{[^}]*(?:\{[^}]*\}[^}]*)*\n +\};/gm, '')
  if (name === 'Executor') return unique(matches(open, /^ {4}[^/(=]*?[ :&>]([a-z]\w+)\(/gm))
  const accessors = matches(open, /\b(?:get|set)([A-Z]\w*)\(|\b(has[A-Z]\w*)\(/g).map(lowerFirst)
  const fields = matches(open, /^ +(?! |using|static|friend|return)[\w:<>, ]+ (\w+)(?:\{[^}]*\}| = [^;\n]*)?;/gm)
  return unique([...accessors, ...fields]).filter((member) => !member.endsWith('Ref'))
}

function classesOf(header) {
  const text = read(join(HEADERS, header))
  return [...text.matchAll(/^ *(?:class|struct) (\w+)(?: : public [^{]*)? \{$/gm)].map(([head, name]) => ({
    name,
    members: membersOf(bodyFrom(text, head.trimStart()), name),
  }))
}

const HEADS = {
  Request: ['request', 'IncomingRequest readRequest('],
  OutputConfig: ['request'],
  SamplingConfig: ['request'],
}

function isRead(name, member) {
  const [file, head = `template <> struct Reader<tle::${name}> {`] = HEADS[name] ?? ['config']
  const body = bodyFrom(read(`native/addon/${file}.cpp`), head)
  return new RegExp(`(?:Field|Parameter|AlreadyRead)\\{"${member}"|required\\("${member}"`).test(body)
}

const isWritten = (by, member) =>
  readdirSync(join(root, 'native/addon'))
    .filter((file) => file.startsWith(by) && file.endsWith('.cpp'))
    .some((file) => new RegExp(`\\b(?:stats|result)\\.${member}\\b`).test(read(`native/addon/${file}`)))

const isTyped = (files, member) => files.some((file) => new RegExp(`\\b${member}\\??:`).test(read(`lib/${file}.ts`)))

/** What the table says about a member, or a whole class; undefined: nothing, which is a problem. */
function explain(name, member) {
  const key = member === undefined ? name : `${name}.${member}`
  if (RENAMED[key]) return RENAMED[key]
  if (INSIDE[key]) return `inside: ${INSIDE[key]}`
  const reason = Object.entries(NOT_EXPOSED).find(([, keys]) => keys.split(' ').includes(key))
  if (reason) return `not exposed: ${reason[0]}`
  if (member === undefined) return undefined
  const { options, types, by, as, prefix = '' } = READ[name] ?? WRITTEN[name] ?? {}
  const isBound = options
    ? isRead(name, member) && isTyped(options, member)
    : by && isWritten(by, member) && isTyped(types, member)
  return isBound ? `${as}: \`${prefix}${member}\`` : undefined
}

const problems = []

function section({ name, members }) {
  const whole = explain(name)
  if (whole) return [`### ${name}`, whole]
  const rows = members.map((member) => {
    const text = explain(name, member)
    if (text === undefined) problems.push(`${name}.${member}: bind it, or say why not in scripts/api-coverage.mjs`)
    return `| \`${member}\` | ${text} |`
  })
  return [`### ${name}`, ['| member | TypeScript |', '|---|---|', ...rows].join('\n')]
}

const headers = readdirSync(join(root, HEADERS)).filter((file) => file.endsWith('.h'))
const classes = headers.flatMap((header) => classesOf(header).map((found) => ({ ...found, header })))
const known = new Set(classes.flatMap(({ name, members }) => [name, ...members.map((member) => `${name}.${member}`)]))
const explained = [...Object.keys(RENAMED), ...Object.keys(INSIDE), ...Object.values(NOT_EXPOSED).join(' ').split(' ')]
for (const key of explained)
  if (!known.has(key)) problems.push(`${key}: explained in scripts/api-coverage.mjs, but not there`)

const INTRODUCTION = `What reaches each class of NVIDIA's Executor API, as far as the embedded runtime's headers declare it. Generated by
\`node scripts/api-coverage.mjs --fix\` from \`${HEADERS}\`, the field tables of \`native/addon\` and the types of \`lib\`.

An \`Executor\` is made by \`Engine.load\`: from folders, from memory, and of a decoder alone. \`DebugConfig\`, \`GuidedDecodingConfig\`,
\`CacheTransceiverConfig\`, \`OrchestratorConfig\`, prompt tuning, multimodal input, drafts and disaggregated serving are not declared: they
are for decoder-only models, or for work on the runtime itself; instead of guided decoding there are constraints of our own.`

const page = `${[
  '# Coverage of the Executor API',
  INTRODUCTION,
  ...headers.flatMap((header) => {
    const found = classes.filter((each) => each.header === header)
    return found.length === 0 ? [] : [`## executor/${header}`, ...found.flatMap(section)]
  }),
].join('\n\n')}\n`

if (process.argv.includes('--fix') && problems.length === 0) writeFileSync(join(root, PAGE), page)
const there = readdirSync(join(root, 'docs')).includes('api-coverage.md') ? read(PAGE) : ''
if (there !== page) problems.push(`${PAGE} is out of date: node scripts/api-coverage.mjs --fix`)
for (const problem of problems) console.error(problem)
console.log(`coverage of the Executor API: ${problems.length === 0 ? 'explained' : `${problems.length} problems`}`)
process.exitCode = problems.length === 0 ? 0 : 1
