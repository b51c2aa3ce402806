/** The engine: loads a model, sends requests, closes. */
import { checkEngineOptions, chooseRuntime, type EngineOptions, toRawEngineOptions } from './config.js'
import { builtinTokenizerFor } from './convert/builtin-tokenizer.js'
import { AbortError, closedError, toTrtllmError } from './errors.js'
import { createFleet, type Fleet } from './fleet.js'
import type { Flight, FlightEvents } from './flight.js'
import { followLeader } from './follower.js'
import { createLogitsDispatcher } from './logits-processor.js'
import { createLoras, type LoraRegistry, type Loras } from './loras.js'
import type { ModelBuffers } from './model-buffers.js'
import { readModelDefaults, unsupportedDefaults } from './model-defaults.js'
import type { Model } from './model-folder.js'
import type { RawEngine, RawLimits, RawSnapshot } from './native.js'
import { openModel } from './open-model.js'
import { openRuntime } from './open-runtime.js'
import { type CheckedRequest, checkRequest, type Request, type RequestContext, throwIfAborted } from './request.js'
import { createDispatcher, type Outcome, type Result, toResult } from './response.js'
import {
  checkEmbedRequest,
  checkScoreRequest,
  type EmbedRequest,
  type Score,
  type ScoreRequest,
  settleWhole,
  toEmbedding,
  toScore,
} from './score.js'
import { createStatsReader, type EngineStats, type StatsReader } from './stats.js'
import { createTextStream, type TextStream } from './stream.js'
import type { Tensor } from './tensor.js'
import { loadTokenizer, type Tokenizer } from './tokenizer.js'

/** What a loaded engine accepts, and what it chose. */
export type EngineLimits = Readonly<RawLimits>

/** The state between two iterations. */
export type EngineSnapshot = Readonly<RawSnapshot>

/** A loaded model. Requests of one engine are batched with each other; several engines may live in one process. */
export interface Engine {
  readonly limits: EngineLimits
  /**
   * Whether this process takes the requests. Only a model on several GPUs has processes that do not: there `load` serves
   * the leader and resolves when that has closed, with an engine that is closed as well.
   */
  readonly canEnqueueRequests: boolean
  readonly model: Model
  /** undefined if the folder has none: then only token ids go in, and texts that come out are ''. */
  readonly tokenizer: Tokenizer | undefined
  /** Adapters that requests can name: `lora`. */
  readonly loras: Loras
  /**
   * Resolves when the request has ended. Rejects with TrtllmError, or with AbortError if its signal is aborted.
   * Requests of the same tick enter the runtime together.
   */
  generate(request: Request): Promise<Result>
  /**
   * Text as it is generated. Throws at once if the request is wrong or the engine closed; all else, an aborted signal
   * too, is seen by the reader.
   */
  stream(request: Request): TextStream
  /**
   * The log-probabilities of a given target in one pass of the decoder. Rejects as `generate` does. TensorRT-LLM needs
   * an engine that was built with gather_context_logits.
   */
  score(request: ScoreRequest): Promise<Score>
  /** The encoder's output, [tokens, hidden size] or pooled [hidden size]. Rejects as `generate` does. */
  embed(request: EmbedRequest): Promise<Tensor>
  /** @throws TrtllmError ERR_CLOSED */
  snapshot(): EngineSnapshot
  /**
   * The statistics of each iteration from now on, until the engine closes. Any number of readers; each gets all. Waiting
   * for the next does not keep the process alive.
   * @throws TrtllmError ERR_CLOSED
   */
  stats(): AsyncIterableIterator<EngineStats>
  /** Fails what is in flight with ERR_CLOSED and frees everything. The same promise on every call. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export const Engine = {
  /**
   * Loads a model folder, off the main thread. A folder of Hugging Face (or a checkpoint of fairseq) is converted once,
   * into the cache folder. A folder of TensorRT engines needs an installed TensorRT-LLM (docs/tensorrt-llm.md). A model
   * without encoder/ is a decoder alone: its requests bring the encoder's output as `encoderInputFeatures`.
   * @param given path of the folder, or the model in memory
   * @throws TrtllmError (as rejection) ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_MODEL_NOT_FOUND,
   * ERR_MODEL_INVALID, ERR_UNSUPPORTED, ERR_ADDON_LOAD, ERR_OUT_OF_MEMORY, ERR_RUNTIME, and with engines
   * ERR_RANKS and any other ERR_RUNTIME_…
   */
  async load(given: string | ModelBuffers, options: EngineOptions = {}): Promise<Engine> {
    const checked = checkEngineOptions(options)
    const opened = await openModel(given, checked)
    const { model, source } = opened
    const runtime = chooseRuntime(model, checked)
    const tokenizer = await chooseTokenizer(model, checked)
    const defaults = await readModelDefaults(model.folder)
    warnOfUnsupported(model, unsupportedDefaults(defaults))
    const { addon, engineLimits, explain } = await openRuntime(runtime, opened, checked)
    const dispatcher = createDispatcher()
    const processors = createLogitsDispatcher()
    const rawOptions = toRawEngineOptions(source, checked, addon.capabilities, engineLimits)
    const { onResponses } = dispatcher
    const loaded = await addon.createEngine(rawOptions, onResponses, processors.onLogits).catch((error: unknown) => {
      throw explain(toTrtllmError(error))
    })
    const raw = loaded.canEnqueueRequests ? loaded : await followLeader(loaded)
    const mixedBeamWidths = addon.capabilities.includes('mixedBeamWidths')
    const fleet = createFleet(raw, { dispatcher, processors, mixedBeamWidths })
    const adapters = createLoras(raw, model, addon)
    const { gatherGenerationLogits = false } = checked
    const encoderTakesFeatures = addon.capabilities.includes('encoderInputFeatures')
    const about = { tokenizer, gatherGenerationLogits, defaults, encoderTakesFeatures }
    const engine = createEngine({ raw, fleet, adapters }, model, about)
    if (!engine.canEnqueueRequests) await engine.close()
    return engine
  },
}

async function chooseTokenizer(model: Model, { tokenizer }: EngineOptions): Promise<Tokenizer | undefined> {
  if (typeof tokenizer === 'object') return tokenizer
  const file = tokenizer ?? model.tokenizerFile
  if (file !== null) return loadTokenizer(file)
  return model.folder === null ? undefined : builtinTokenizerFor(model.folder)
}

function warnOfUnsupported({ folder }: Model, settings: string[]): void {
  if (settings.length === 0) return
  process.emitWarning(`${folder}: settings of generation_config.json that are not applied: ${settings.join(', ')}`, {
    code: 'TRTLLM_UNSUPPORTED_DEFAULT',
  })
}

interface EngineParts {
  raw: RawEngine
  fleet: Fleet
  adapters: LoraRegistry
}

function createEngine(
  parts: EngineParts,
  model: Model,
  options: Pick<RequestContext, 'tokenizer' | 'gatherGenerationLogits' | 'defaults' | 'encoderTakesFeatures'>,
): Engine {
  const { raw, fleet, adapters } = parts
  const limits = Object.freeze({ ...raw.limits })
  const { tokenizer } = options
  const { specialTokenIds, encoderHiddenSize: featureSize, decoderOnly } = model
  const context = { limits, specialTokenIds, featureSize, decoderOnly, findAdapter: adapters.find, ...options }
  const statsReader = createStatsReader(raw)
  let closing: Promise<void> | undefined

  function check(run: () => CheckedRequest): CheckedRequest {
    if (closing !== undefined) throw closedError()
    try {
      return run()
    } catch (error) {
      throw toTrtllmError(error) // a tokenizer that throws
    }
  }

  const engine: Engine = {
    limits,
    canEnqueueRequests: raw.canEnqueueRequests,
    model,
    tokenizer,
    loras: adapters.loras,
    async generate(request) {
      throwIfAborted(request)
      const checked = check(() => checkRequest(request, context, false))
      return new Promise<Result>((resolve, reject) => {
        const landed: FlightEvents['landed'] = (outcome) =>
          resolve(toResult(outcome, (ids) => tokenizer?.decode(ids) ?? ''))
        fleet.start(checked, { landed, failed: reject })
      })
    },
    stream(request) {
      const checked = check(() => checkRequest(request, context, true))
      let flight: Flight | undefined
      const { stream, events } = createTextStream(tokenizer, () => flight?.end('cancelled'))
      if (checked.signal?.aborted) events.failed(new AbortError(checked.signal.reason))
      else flight = fleet.start(checked, events)
      return stream
    },
    async score(request) {
      throwIfAborted(request)
      const checked = check(() => checkScoreRequest(request, context))
      return new Promise<Score>((resolve, reject) => {
        const convert = (outcome: Outcome) => toScore(checked.raw, outcome)
        fleet.start(checked, settleWhole(checked.timeoutMs, convert, { resolve, reject }))
      })
    },
    async embed(request) {
      throwIfAborted(request)
      const checked = check(() => checkEmbedRequest(request, context))
      return new Promise<Tensor>((resolve, reject) => {
        fleet.start(checked, settleWhole(checked.timeoutMs, toEmbedding, { resolve, reject }))
      })
    },
    snapshot() {
      if (closing !== undefined) throw closedError()
      return raw.snapshot()
    },
    stats() {
      if (closing !== undefined) throw closedError()
      return statsReader.subscribe()
    },
    close() {
      closing ??= closeAll(parts, statsReader)
      return closing
    },
    [Symbol.asyncDispose]: () => engine.close(),
  }
  return engine
}

async function closeAll({ raw, fleet, adapters }: EngineParts, stats: StatsReader): Promise<void> {
  fleet.failAll(closedError())
  adapters.close()
  stats.close()
  await raw.close().catch((error: unknown) => {
    throw toTrtllmError(error)
  })
}
