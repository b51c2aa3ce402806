/** The one request type of `generate` and `stream`, its checks, and its form at the native border. */
import { AbortError, TrtllmError } from './errors.js'
import type { SpecialTokenIds } from './model-folder.js'
import type { RawLimits, RawRequest } from './native.js'
import type { Tokenizer } from './tokenizer.js'
import {
  boolean,
  type FieldValidators,
  fields,
  finite,
  integer,
  invalid,
  milliseconds,
  type Validator,
} from './validate.js'

/** Token ids in: an array or typed array of integers. */
export type TokenIds = readonly number[] | Int32Array | Uint32Array | Uint16Array

/**
 * What to generate from. Exactly one of `input` and `inputTokenIds` is given. Names and meanings are those of the
 * executor's `Request` unless marked *ours*.
 */
export interface Request {
  /** *Ours.* Text for the encoder, not empty; special tokens are added as the tokenizer says. Needs a tokenizer. */
  input?: string | undefined
  /** *Ours.* Tokens for the encoder as they are: 1 to `limits.maxInputLength` ids below `limits.encoderVocabSize`. */
  inputTokenIds?: TokenIds | undefined
  /**
   * Most tokens to generate, >= 1; with the decoder prompt at most `limits.maxSequenceLength`. Cache for as many is
   * reserved before the request starts. @default 256, or what fits if that is less
   */
  maxTokens?: number | undefined
  /** Token that ends generation and is not returned; null or -1: none does. @default the model's */
  endId?: number | null | undefined
  /** Padding token; plays no role in what is returned. @default the model's */
  padId?: number | undefined
  /** *Ours.* Decoder prompt, at least one id below `limits.decoderVocabSize`. @default the model's start token */
  decoderInputTokenIds?: TokenIds | undefined
  /**
   * Larger starts first among waiting requests, equal ones in the order of arrival. The one that has waited longest is
   * passed over at most 64 times. @default 0.5
   */
  priority?: number | undefined
  /** Return the log-probability of each generated token, and their sum. @default false */
  returnLogProbs?: boolean | undefined
  /** *Ours.* Aborting it cancels the request: the promise or stream fails with {@link AbortError} at once. */
  signal?: AbortSignal | undefined
  /**
   * *Ours.* Milliseconds from the call, > 0. Then the request is cancelled and gives what it generated so far, with
   * finishReason 'timed-out'. @default none
   */
  timeoutMs?: number | undefined
}

/** A request that passed all checks. */
export interface CheckedRequest {
  raw: RawRequest
  signal: AbortSignal | undefined
  timeoutMs: number | undefined
}

/** What requests are checked against and completed from. */
export interface RequestContext {
  limits: RawLimits
  specialTokenIds: SpecialTokenIds
  tokenizer: Tokenizer | undefined
}

const DEFAULT_MAX_TOKENS = 256

const tokenIds: Validator<TokenIds> = (value, path) => {
  if (
    Array.isArray(value) ||
    value instanceof Int32Array ||
    value instanceof Uint32Array ||
    value instanceof Uint16Array
  ) {
    return value
  }
  throw invalid(path, 'an array of token ids', value)
}

const REQUEST_FIELDS: FieldValidators<Request> = {
  input: (value, path) => {
    if (typeof value === 'string' && value !== '') return value
    throw invalid(path, 'text that is not empty', value)
  },
  inputTokenIds: tokenIds,
  maxTokens: integer(1),
  endId: (value, path) => (value === null ? null : integer(-1)(value, path)),
  padId: integer(0),
  decoderInputTokenIds: tokenIds,
  priority: finite,
  returnLogProbs: boolean,
  signal: (value, path) => {
    if (value instanceof AbortSignal) return value
    throw invalid(path, 'an AbortSignal', value)
  },
  timeoutMs: milliseconds,
}

const checkFields = fields<Request>(REQUEST_FIELDS, 'request field')

/**
 * Checks a request against the engine's limits and completes it.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_NO_TOKENIZER
 */
export function checkRequest(value: unknown, context: RequestContext, streaming: boolean): CheckedRequest {
  const request = checkFields(value, '')
  const prompt = decoderPrompt(request, context)
  const endId = endOf(request, context)
  const padId = request.padId ?? context.specialTokenIds.pad ?? undefined
  const raw: RawRequest = {
    encoderInputTokenIds: encoderInput(request, context),
    inputTokenIds: prompt,
    maxTokens: maxTokensOf(request, prompt.length, context.limits),
    streaming: streaming || request.timeoutMs !== undefined,
    outputConfig: {
      excludeInputFromOutput: true,
      returnPerfMetrics: true,
      returnLogProbs: request.returnLogProbs ?? false,
    },
    ...(endId === undefined ? {} : { endId }),
    ...(padId === undefined ? {} : { padId }),
    ...(request.priority === undefined ? {} : { priority: request.priority }),
  }
  return { raw, signal: request.signal, timeoutMs: request.timeoutMs }
}

function encoderInput(request: Request, { limits, tokenizer }: RequestContext): Int32Array {
  const { input, inputTokenIds } = request
  if ((input === undefined) === (inputTokenIds === undefined)) {
    const found = input === undefined ? 'neither' : 'both'
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `a request must have either input or inputTokenIds, got ${found}`)
  }
  const room = { maxLength: limits.maxInputLength, limit: 'limits.maxInputLength', vocabSize: limits.encoderVocabSize }
  if (inputTokenIds !== undefined) return checkIds(inputTokenIds, 'inputTokenIds', room)
  if (tokenizer === undefined)
    throw new TrtllmError('ERR_NO_TOKENIZER', 'input is text, but the engine has no tokenizer')
  return checkIds(tokenizer.encode(input ?? ''), 'input', room)
}

function decoderPrompt(request: Request, { limits, specialTokenIds }: RequestContext): Int32Array {
  const start = specialTokenIds.decoderStart
  const ids = request.decoderInputTokenIds ?? (start === null ? undefined : [start])
  if (ids === undefined) {
    throw new TrtllmError('ERR_INVALID_ARGUMENT', 'decoderInputTokenIds must be given: the model names no start token')
  }
  const room = { maxLength: limits.maxSequenceLength - 1, limit: 'limits.maxSequenceLength - 1' }
  return checkIds(ids, 'decoderInputTokenIds', { ...room, vocabSize: limits.decoderVocabSize })
}

function maxTokensOf({ maxTokens }: Request, promptLength: number, limits: RawLimits): number {
  const room = limits.maxSequenceLength - promptLength
  if (maxTokens === undefined) return Math.min(DEFAULT_MAX_TOKENS, room)
  if (maxTokens <= room) return maxTokens
  const sum = `limits.maxSequenceLength ${limits.maxSequenceLength} less the decoder prompt's ${promptLength}`
  throw invalid('maxTokens', `<= ${room} (${sum})`, maxTokens)
}

function endOf({ endId }: Request, { limits, specialTokenIds }: RequestContext): number | undefined {
  if (endId === undefined) return specialTokenIds.end ?? undefined
  if (endId === null || endId === -1) return undefined
  return integer(0, limits.decoderVocabSize - 1)(endId, 'endId')
}

/** Room for ids: how many there may be, which limit says so, and how large they may be. */
interface Room {
  maxLength: number
  limit: string
  vocabSize: number
}

function checkIds(ids: ArrayLike<number>, path: string, { maxLength, limit, vocabSize }: Room): Int32Array {
  if (ids.length < 1 || ids.length > maxLength) {
    const expected = `1 to ${maxLength} tokens (${limit})`
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `${path} must have ${expected}, got ${ids.length}`)
  }
  const checked = new Int32Array(ids.length)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]
    if (id === undefined || !Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw invalid(`token ${i} of ${path}`, `an id from 0 to ${vocabSize - 1}`, id)
    }
    checked[i] = id
  }
  return checked
}

/** @throws AbortError if the request's signal is aborted already, before anything else of it is looked at */
export function throwIfAborted(request: unknown): void {
  const signal = (request as Request | null | undefined)?.signal
  if (signal instanceof AbortSignal && signal.aborted) throw new AbortError(signal.reason)
}
