/** The engine: loads a model, sends requests, closes. */
import { checkEngineOptions, checkRuntime, type EngineOptions, toRawEngineOptions } from './config.js'
import { AbortError, TrtllmError, toTrtllmError } from './errors.js'
import { createFleet, type Fleet } from './fleet.js'
import type { Flight, FlightEvents } from './flight.js'
import { type ModelFolder, readModelFolder } from './model-folder.js'
import { loadAddon, type RawEngine, type RawLimits, type RawSnapshot } from './native.js'
import { type CheckedRequest, checkRequest, type Request, throwIfAborted } from './request.js'
import { createDispatcher, type Dispatcher, type Result } from './response.js'
import { createStatsReader, type EngineStats, type StatsReader } from './stats.js'
import { createTextStream, type TextStream } from './stream.js'
import { loadTokenizer, type Tokenizer } from './tokenizer.js'

/** What a loaded engine accepts, and what it chose. */
export type EngineLimits = Readonly<RawLimits>

/** The state between two iterations. */
export type EngineSnapshot = Readonly<RawSnapshot>

/** A loaded model. Requests of one engine are batched with each other; several engines may live in one process. */
export interface Engine {
  readonly limits: EngineLimits
  readonly model: ModelFolder
  /** undefined if the folder has none: then only token ids go in, and texts that come out are ''. */
  readonly tokenizer: Tokenizer | undefined
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
   * Loads a model folder, off the main thread.
   * @throws TrtllmError (as rejection) ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_MODEL_NOT_FOUND,
   * ERR_MODEL_INVALID, ERR_UNSUPPORTED, ERR_ADDON_LOAD, ERR_OUT_OF_MEMORY, ERR_RUNTIME
   */
  async load(folder: string, options: EngineOptions = {}): Promise<Engine> {
    const checked = checkEngineOptions(options)
    const model = readModelFolder(checkFolder(folder))
    checkRuntime(model, checked)
    const tokenizer = chooseTokenizer(model, checked)
    const addon = loadAddon()
    const dispatcher = createDispatcher()
    const rawOptions = toRawEngineOptions(model, checked, addon.capabilities)
    const raw = await addon.createEngine(rawOptions, dispatcher.onResponses).catch((error: unknown) => {
      throw toTrtllmError(error)
    })
    return createEngine(raw, dispatcher, model, tokenizer)
  },
}

function checkFolder(folder: unknown): string {
  if (typeof folder === 'string' && folder !== '') return folder
  throw new TrtllmError('ERR_INVALID_ARGUMENT', `the model folder must be a path, got ${String(folder) || "''"}`)
}

function chooseTokenizer(model: ModelFolder, { tokenizer }: EngineOptions): Tokenizer | undefined {
  if (typeof tokenizer === 'object') return tokenizer
  const file = tokenizer ?? model.tokenizerFile
  return file === null ? undefined : loadTokenizer(file)
}

function createEngine(
  raw: RawEngine,
  dispatcher: Dispatcher,
  model: ModelFolder,
  tokenizer: Tokenizer | undefined,
): Engine {
  const limits = Object.freeze({ ...raw.limits })
  const context = { limits, specialTokenIds: model.specialTokenIds, tokenizer }
  const fleet = createFleet(raw, dispatcher)
  const statsReader = createStatsReader(raw)
  let closing: Promise<void> | undefined

  function check(request: Request, streaming: boolean): CheckedRequest {
    if (closing !== undefined) throw closedError()
    try {
      return checkRequest(request, context, streaming)
    } catch (error) {
      throw toTrtllmError(error)
    }
  }

  const engine: Engine = {
    limits,
    model,
    tokenizer,
    async generate(request) {
      throwIfAborted(request)
      const checked = check(request, false)
      return new Promise<Result>((resolve, reject) => {
        const landed: FlightEvents['landed'] = (rest) =>
          resolve({ text: tokenizer?.decode(rest.outputTokenIds) ?? '', ...rest })
        fleet.start(checked, { landed, failed: reject })
      })
    },
    stream(request) {
      const checked = check(request, true)
      let flight: Flight | undefined
      const { stream, events } = createTextStream(tokenizer, () => flight?.end('cancelled'))
      if (checked.signal?.aborted) events.failed(new AbortError(checked.signal.reason))
      else flight = fleet.start(checked, events)
      return stream
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
      closing ??= closeAll(fleet, statsReader, raw)
      return closing
    },
    [Symbol.asyncDispose]: () => engine.close(),
  }
  return engine
}

async function closeAll(fleet: Fleet, stats: StatsReader, raw: RawEngine): Promise<void> {
  fleet.failAll(closedError())
  stats.close()
  await raw.close().catch((error: unknown) => {
    throw toTrtllmError(error)
  })
}

function closedError(): TrtllmError {
  return new TrtllmError('ERR_CLOSED', 'the engine is closed')
}
