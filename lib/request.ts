/** The one request type of `generate` and `stream`, its checks, and its form at the native border. */
import type { Adapter } from './adapters.js'
import { CONSTRAINT_FIELDS, type ConstraintOptions, toAllowedSequences, toForcedTokens } from './constraints.js'
import {
  ENCODER_INPUT_FIELDS,
  type EncoderInputOptions,
  type FeatureRules,
  type RawEncoderInput,
  toFeatures,
  withEncoderOptions,
} from './encoder-inputs.js'
import { AbortError, TrtllmError } from './errors.js'
import { LOGITS_PROCESSOR_FIELDS, type LogitsProcessor, type LogitsProcessorOptions } from './logits-processor.js'
import { LORA_FIELDS, type LoraOptions } from './loras.js'
import { LANGUAGE_FIELDS, type LanguageOptions, type ModelDefaults, withModelDefaults } from './model-defaults.js'
import type { SpecialTokenIds } from './model-folder.js'
import type { RawLimits } from './native.js'
import { OUTPUT_FIELDS, type OutputOptions, toOutputConfig } from './outputs.js'
import type { RawRequest, RawRequestExtras } from './raw-request.js'
import { SAMPLING_FIELDS, type SamplingOptions, toSamplingConfig } from './sampling.js'
import { checkIds, encodePlain, notEmptyText, type Room, type TokenIds, tokenIds } from './token-ids.js'
import type { Tokenizer } from './tokenizer.js'
import {
  defined,
  type FieldValidators,
  fields,
  finite,
  integer,
  invalid,
  milliseconds,
  type Validator,
} from './validate.js'
import { toEmbeddingBias, toTokenSequences, WORD_FIELDS, type WordOptions } from './words.js'

/** What the encoder reads, or the prompt of a decoder-only model: exactly one of the two, or `encoderInputFeatures`. */
export interface InputOptions {
  /** *Ours.* Text, not empty; special tokens are added as the tokenizer says. Needs a tokenizer. */
  input?: string | undefined
  /** *Ours.* Tokens as they are: 1 to `limits.maxInputLength` ids below `limits.encoderVocabSize`. */
  inputTokenIds?: TokenIds | undefined
}

/** When a request runs and when it ends before its time. */
export interface ControlOptions {
  /**
   * Larger starts first among waiting requests, equal ones in the order of arrival. The one that has waited longest is
   * passed over at most 64 times. @default 0.5
   */
  priority?: number | undefined
  /** *Ours.* Aborting it cancels the request: the promise or stream fails with {@link AbortError} at once. */
  signal?: AbortSignal | undefined
  /**
   * *Ours.* Milliseconds from the call, > 0. Then the request is cancelled and gives what it generated so far, with
   * finishReason 'timed-out' (`score` and `embed`, which have no half results, fail with ERR_TIMED_OUT). @default none
   */
  timeoutMs?: number | undefined
}

/**
 * What to generate, from what. Names and meanings are those of the executor's `Request`, `SamplingConfig` and
 * `OutputConfig` unless marked *ours*. Defaults are those of the model's generation_config.json, if its folder has one, as
 * Hugging Face applies them; else those given here.
 */
export interface Request
  extends InputOptions,
    EncoderInputOptions,
    ControlOptions,
    LoraOptions,
    LanguageOptions,
    SamplingOptions,
    WordOptions,
    ConstraintOptions,
    LogitsProcessorOptions,
    OutputOptions {
  /**
   * Most tokens to generate, >= 1; with the decoder prompt at most `limits.maxSequenceLength`. Cache for as many is
   * reserved before the request starts. @default 256, or what fits if that is less; with `allowedSequences` the longest
   */
  maxTokens?: number | undefined
  /** Token that ends generation and is not returned; null or -1: none does. @default the model's */
  endId?: number | null | undefined
  /** Padding token; plays no role in what is returned. @default the model's */
  padId?: number | undefined
  /** *Ours.* Decoder prompt, at least one id below `limits.decoderVocabSize`. @default the model's start token */
  decoderInputTokenIds?: TokenIds | undefined
  /** *Ours.* Text that the output continues: tokenised without special tokens, it follows the model's start token. */
  decoderInput?: string | undefined
}

/** A request that passed all checks. */
export interface CheckedRequest {
  raw: RawRequest
  signal: AbortSignal | undefined
  timeoutMs: number | undefined
  logitsProcessor?: LogitsProcessor | undefined
  adapter: Adapter | undefined
}

/** What requests are checked against and completed from. */
export interface RequestContext extends FeatureRules {
  limits: RawLimits
  specialTokenIds: SpecialTokenIds
  tokenizer: Tokenizer | undefined
  gatherGenerationLogits: boolean
  defaults: ModelDefaults
  /** There never was an encoder: the input is the decoder's prompt. */
  decoderOnly: boolean
  /** @throws TrtllmError ERR_LORA_NOT_FOUND */
  findAdapter(name: string): Adapter
}

const DEFAULT_MAX_TOKENS = 256

export const INPUT_FIELDS: FieldValidators<InputOptions> = { input: notEmptyText, inputTokenIds: tokenIds }

const abortSignal: Validator<AbortSignal> = (value, path) => {
  if (value instanceof AbortSignal) return value
  throw invalid(path, 'an AbortSignal', value)
}

export const CONTROL_FIELDS: FieldValidators<ControlOptions> = {
  priority: finite,
  signal: abortSignal,
  timeoutMs: milliseconds,
}

const REQUEST_FIELDS: FieldValidators<Request> = {
  ...INPUT_FIELDS,
  ...ENCODER_INPUT_FIELDS,
  ...CONTROL_FIELDS,
  ...LORA_FIELDS,
  ...LANGUAGE_FIELDS,
  ...SAMPLING_FIELDS,
  ...WORD_FIELDS,
  ...CONSTRAINT_FIELDS,
  ...LOGITS_PROCESSOR_FIELDS,
  ...OUTPUT_FIELDS,
  maxTokens: integer(1),
  endId: (value, path) => (value === null ? null : integer(-1)(value, path)),
  padId: integer(0),
  decoderInputTokenIds: tokenIds,
  decoderInput: notEmptyText,
}

const checkFields = fields<Request>(REQUEST_FIELDS, 'request field')

/**
 * Checks a request against the engine's limits and completes it.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_NO_TOKENIZER, ERR_LORA_NOT_FOUND
 */
export function checkRequest(value: unknown, context: RequestContext, streaming: boolean): CheckedRequest {
  const { defaults, specialTokenIds, tokenizer } = context
  const request = withModelDefaults(checkFields(value, ''), { ...defaults, tokenizer, endId: specialTokenIds.end })
  const { signal, timeoutMs, logitsProcessor } = request
  return {
    adapter: adapterOf(request, context),
    raw: toRawRequest(request, context, streaming || timeoutMs !== undefined),
    signal,
    timeoutMs,
    logitsProcessor,
  }
}

export function adapterOf({ lora }: LoraOptions, { findAdapter }: RequestContext): Adapter | undefined {
  return lora === undefined ? undefined : findAdapter(lora)
}

/** `streaming` requests give what they have whenever they are ended. */
export function toRawRequest(request: Request, context: RequestContext, streaming: boolean): RawRequest {
  const { limits, decoderOnly } = context
  const prompt = decoderOnly ? decoderOnlyPrompt(request, context) : decoderPrompt(request, context)
  const endId = endOf(request, context)
  const room = outputRoom(request, prompt.length, limits)
  const allowedSequences = toAllowedSequences(request, context.tokenizer, endId, room)
  const maxTokens = maxTokensOf(request, room, allowedSequences)
  const streamsBeams = streaming && (request.beamWidth ?? 1) > 1
  return {
    ...(decoderOnly ? {} : encoderInput(request, context)),
    inputTokenIds: prompt,
    maxTokens,
    streaming,
    outputConfig: toOutputConfig(request, { ...context, streamsBeams }),
    ...defined({
      endId,
      padId: request.padId ?? context.specialTokenIds.pad ?? undefined,
      priority: request.priority,
      // beams change their past, so each response brings all of it
      returnAllGeneratedTokens: streamsBeams || undefined,
      samplingConfig: toSamplingConfig(request, limits, maxTokens),
      badWords: toTokenSequences(request.badWords, 'badWords', context),
      stopWords: toTokenSequences(request.stopWords, 'stopWords', context),
      embeddingBias: toEmbeddingBias(request.embeddingBias, limits),
      extras: nothingIfEmpty({
        ...toForcedTokens(request, limits, maxTokens),
        ...defined({ allowedSequences }),
      }),
    }),
  }
}

function nothingIfEmpty(extras: RawRequestExtras): RawRequestExtras | undefined {
  return Object.keys(extras).length === 0 ? undefined : extras
}

function encoderInput(request: Request, context: RequestContext): RawEncoderInput {
  const given = (['input', 'inputTokenIds'] as const).find((name) => request[name] !== undefined)
  const features = toFeatures(request, given, context)
  const input =
    features === undefined ? { encoderInputTokenIds: inputOf(request, context) } : { encoderInputFeatures: features }
  return withEncoderOptions(request, input, context.limits)
}

function inputOf(request: Request, { limits, tokenizer }: RequestContext): Int32Array {
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

const ENCODER_DECODER_FIELDS = [
  'decoderInput',
  'decoderInputTokenIds',
  'encoderInputFeatures',
  'encoderOutputLength',
  'crossAttentionMask',
  'languageAdapterUid',
] as const

function decoderOnlyPrompt(request: Request, context: RequestContext): Int32Array {
  const name = ENCODER_DECODER_FIELDS.find((name) => request[name] !== undefined)
  if (name === undefined) return inputOf(request, context)
  throw new TrtllmError('ERR_UNSUPPORTED', `a decoder-only model has no ${name}: its prompt is the input`)
}

function decoderPrompt(request: Request, { limits, specialTokenIds, tokenizer }: RequestContext): Int32Array {
  const { decoderInput, decoderInputTokenIds } = request
  if (decoderInput !== undefined && decoderInputTokenIds !== undefined) {
    throw new TrtllmError('ERR_INVALID_ARGUMENT', 'decoderInput cannot be combined with decoderInputTokenIds')
  }
  const start = specialTokenIds.decoderStart
  const started = start === null ? undefined : [start]
  const said = decoderInput === undefined ? [] : Array.from(encodePlain(decoderInput, 'decoderInput', tokenizer))
  const ids = decoderInputTokenIds ?? started?.concat(said)
  if (ids === undefined) {
    throw new TrtllmError('ERR_INVALID_ARGUMENT', 'decoderInputTokenIds must be given: the model names no start token')
  }
  const room = { maxLength: limits.maxSequenceLength - 1, limit: 'limits.maxSequenceLength - 1' }
  const path = decoderInput === undefined ? 'decoderInputTokenIds' : 'decoderInput with the start token'
  return checkIds(ids, path, { ...room, vocabSize: limits.decoderVocabSize })
}

/** For the output: `maxTokens`, or all that is left of the sequence. */
function outputRoom({ maxTokens }: Request, promptLength: number, limits: RawLimits): Room {
  const left = limits.maxSequenceLength - promptLength
  const sum = `limits.maxSequenceLength ${limits.maxSequenceLength} less the decoder prompt's ${promptLength}`
  if (maxTokens !== undefined && maxTokens > left) throw invalid('maxTokens', `<= ${left} (${sum})`, maxTokens)
  const vocabSize = limits.decoderVocabSize
  return maxTokens === undefined
    ? { maxLength: left, limit: sum, vocabSize }
    : { maxLength: maxTokens, limit: 'maxTokens', vocabSize }
}

function maxTokensOf({ maxTokens }: Request, room: Room, allowedSequences: Int32Array[] | undefined): number {
  if (maxTokens !== undefined) return maxTokens
  if (allowedSequences === undefined) return Math.min(DEFAULT_MAX_TOKENS, room.maxLength)
  const longest = Math.max(...allowedSequences.map(({ length }) => length))
  return Math.min(longest + 1, room.maxLength) // one more for the end token
}

function endOf({ endId }: Request, { limits, specialTokenIds }: RequestContext): number | undefined {
  if (endId === undefined) return specialTokenIds.end ?? undefined
  if (endId === null || endId === -1) return undefined
  return integer(0, limits.decoderVocabSize - 1)(endId, 'endId')
}

/** @throws AbortError if the request's signal is aborted already, before anything else of it is looked at */
export function throwIfAborted(request: unknown): void {
  const signal = (request as Request | null | undefined)?.signal
  if (signal instanceof AbortSignal && signal.aborted) throw new AbortError(signal.reason)
}
