/** The stable codes of {@link TrtllmError}; `docs/errors.md` has a heading for each. */
export type TrtllmErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_UNKNOWN_OPTION'
  | 'ERR_MODEL_NOT_FOUND'
  | 'ERR_MODEL_INVALID'
  | 'ERR_UNSAFE_MODEL'
  | 'ERR_LORA_NOT_FOUND'
  | 'ERR_LORA_INVALID'
  | 'ERR_LORA_CACHE_FULL'
  | 'ERR_UNSUPPORTED'
  | 'ERR_NO_TOKENIZER'
  | 'ERR_QUEUE_FULL'
  | 'ERR_CLOSED'
  | 'ERR_TIMED_OUT'
  | 'ERR_LOGITS_PROCESSOR'
  | 'ERR_ADDON_LOAD'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_OUTPUT'
  | 'ERR_BUILD_FAILED'
  | 'ERR_RUNTIME_NOT_FOUND'
  | 'ERR_RUNTIME_HEADERS'
  | 'ERR_RUNTIME_VERSION'
  | 'ERR_RUNTIME_NOT_BUILT'
  | 'ERR_RUNTIME_LOAD'
  | 'ERR_RANKS'
  | 'ERR_LIBRARY_INVALID'
  | 'ERR_RUNTIME'

/** What to do about an error, where its code alone tells; undefined where only the message can. */
const HINTS: Record<TrtllmErrorCode, string | undefined> = {
  ERR_INVALID_ARGUMENT: undefined,
  ERR_UNKNOWN_OPTION: undefined,
  ERR_MODEL_NOT_FOUND: undefined,
  ERR_MODEL_INVALID: undefined,
  ERR_UNSAFE_MODEL: undefined,
  ERR_LORA_NOT_FOUND: undefined,
  ERR_LORA_INVALID: undefined,
  ERR_LORA_CACHE_FULL: 'raise peftCache.hostCacheSize, or send it again when requests with other adapters have ended',
  ERR_UNSUPPORTED: undefined,
  ERR_NO_TOKENIZER:
    'pass token ids, or put tokenizer.json into the model folder, or give Engine.load the option tokenizer',
  ERR_QUEUE_FULL: 'send it again when a request has ended, or raise maxQueueSize',
  ERR_CLOSED: undefined,
  ERR_TIMED_OUT: undefined,
  ERR_LOGITS_PROCESSOR: undefined,
  ERR_ADDON_LOAD: undefined,
  ERR_OUT_OF_MEMORY: 'lower kvCache.maxTokens, maxBatchSize or maxNumTokens',
  ERR_OUTPUT: undefined,
  ERR_BUILD_FAILED: undefined,
  ERR_RUNTIME_HEADERS: undefined,
  ERR_RUNTIME_VERSION: undefined,
  ERR_RUNTIME_NOT_BUILT: 'compile it once for this installation: npx trtllm-node runtime build',
  ERR_RUNTIME_LOAD: undefined,
  ERR_RANKS: undefined,
  ERR_RUNTIME_NOT_FOUND: undefined,
  ERR_LIBRARY_INVALID: undefined,
  ERR_RUNTIME: undefined,
}

/**
 * Everything that this package throws, but for {@link AbortError}. `code` is stable, `message` is for people, `hint`
 * says what to do where that is known, `cause` is the error beneath, if there was one.
 */
export class TrtllmError extends Error {
  override readonly name: 'TrtllmError' = 'TrtllmError'
  readonly code: TrtllmErrorCode
  readonly hint: string | undefined

  constructor(code: TrtllmErrorCode, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint ?? HINTS[code]
  }
}

/** Thrown when a request's `signal` is aborted; `cause` is the signal's reason. */
export class AbortError extends Error {
  override readonly name: 'AbortError' = 'AbortError'
  readonly code = 'ABORT_ERR'

  constructor(reason: unknown) {
    super('the request was aborted', { cause: reason })
  }
}

export function closedError(): TrtllmError {
  return new TrtllmError('ERR_CLOSED', 'the engine is closed')
}

/** Native messages carry their code in front: "[ERR_X] text". A message without a known code is ERR_RUNTIME. */
export function errorFromNative(message: string, cause?: unknown): TrtllmError {
  const match = /^\[(ERR_[A-Z_]+)\]\s*/.exec(message)
  const code = match?.[1]
  if (code !== undefined && isCode(code)) return new TrtllmError(code, message.slice(match?.[0].length), { cause })
  return new TrtllmError('ERR_RUNTIME', message, { cause })
}

/** Whatever was caught, as an error that this package may throw. */
export function toTrtllmError(caught: unknown): TrtllmError {
  if (caught instanceof TrtllmError) return caught
  return errorFromNative(caught instanceof Error ? caught.message : String(caught), caught)
}

function isCode(code: string): code is TrtllmErrorCode {
  return Object.hasOwn(HINTS, code)
}
