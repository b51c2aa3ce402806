/** Requests that generate nothing: the log-probabilities of a given target, and the encoder's output. */
import { ENCODER_INPUT_FIELDS, type EncoderInputOptions, isDecoderAlone } from './encoder-inputs.js'
import { TrtllmError } from './errors.js'
import type { FlightEvents } from './flight.js'
import { LORA_FIELDS, type LoraOptions } from './loras.js'
import type { RawRequest } from './raw-request.js'
import {
  adapterOf,
  type CheckedRequest,
  CONTROL_FIELDS,
  type ControlOptions,
  INPUT_FIELDS,
  type InputOptions,
  type RequestContext,
  toRawRequest,
} from './request.js'
import type { Outcome } from './response.js'
import type { Tensor } from './tensor.js'
import { checkIds, encodePlain, notEmptyText, type TokenIds, tokenIds } from './token-ids.js'
import { type FieldValidators, fields, oneOf } from './validate.js'

/** What to score. Exactly one of `target` and `targetTokenIds` is given. *Ours.* */
export interface ScoreRequest extends InputOptions, EncoderInputOptions, ControlOptions, LoraOptions {
  /** What the model might say, as text; tokenised without special tokens. */
  target?: string | undefined
  /** The same as token ids, at least one, without start and end token. */
  targetTokenIds?: TokenIds | undefined
}

/** How probable a target is, given the input. */
export interface Score {
  /** Natural log-probability of each target token, given those before it. */
  logProbs: number[]
  /** Sum of `logProbs`: the log-probability that the output begins with the target. */
  sum: number
  /** Log-probability that the output ends there; absent if the model names no end token. */
  endLogProb?: number
  /** The target's token ids. */
  tokens: number[]
}

/** What to embed. *Ours.* */
export interface EmbedRequest extends InputOptions, ControlOptions, LoraOptions {
  /** 'none': a row for each input token; 'mean': the mean of these rows. @default 'none' */
  pooling?: 'none' | 'mean' | undefined
}

const SCORE_FIELDS: FieldValidators<ScoreRequest> = {
  ...INPUT_FIELDS,
  ...ENCODER_INPUT_FIELDS,
  ...CONTROL_FIELDS,
  ...LORA_FIELDS,
  target: notEmptyText,
  targetTokenIds: tokenIds,
}

const EMBED_FIELDS: FieldValidators<EmbedRequest> = {
  ...INPUT_FIELDS,
  ...CONTROL_FIELDS,
  ...LORA_FIELDS,
  pooling: oneOf(['none', 'mean']),
}

const checkScoreFields = fields<ScoreRequest>(SCORE_FIELDS, 'score field')
const checkEmbedFields = fields<EmbedRequest>(EMBED_FIELDS, 'embed field')

/**
 * A request whose decoder prompt is the start token and the target: its logits say how probable each token was.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_NO_TOKENIZER, ERR_LORA_NOT_FOUND
 */
export function checkScoreRequest(value: unknown, context: RequestContext): CheckedRequest {
  requireEncoderDecoder('score', context)
  const { target, targetTokenIds, signal, timeoutMs, ...rest } = checkScoreFields(value, '')
  const adapter = adapterOf(rest, context)
  const tokens = targetOf({ target, targetTokenIds }, context)
  const start = context.specialTokenIds.decoderStart
  if (start === null) throw new TrtllmError('ERR_UNSUPPORTED', 'score needs a model that names its start token')
  const prompt = {
    decoderInputTokenIds: [start, ...tokens],
    maxTokens: 1,
    returnLogProbs: true,
    returnContextLogits: true,
  }
  const raw = withExtras(toRawRequest({ ...rest, ...prompt }, context, false), { scoreLength: tokens.length })
  return { raw, signal, timeoutMs, adapter }
}

function requireEncoderDecoder(name: string, { decoderOnly }: RequestContext): void {
  if (decoderOnly) throw new TrtllmError('ERR_UNSUPPORTED', `${name} needs an encoder-decoder model`)
}

function targetOf(
  { target, targetTokenIds }: Pick<ScoreRequest, 'target' | 'targetTokenIds'>,
  { limits, tokenizer }: RequestContext,
): Int32Array {
  if ((target === undefined) === (targetTokenIds === undefined)) {
    const found = target === undefined ? 'neither' : 'both'
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `a score must have either target or targetTokenIds, got ${found}`)
  }
  const ids = targetTokenIds ?? encodePlain(target ?? '', 'target', tokenizer)
  return checkIds(ids, target === undefined ? 'targetTokenIds' : 'target', {
    maxLength: limits.maxSequenceLength - 2, // the start token before it, a generated one after it
    limit: 'limits.maxSequenceLength - 2',
    vocabSize: limits.decoderVocabSize,
  })
}

/** @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_NO_TOKENIZER, ERR_LORA_NOT_FOUND, ERR_UNSUPPORTED */
export function checkEmbedRequest(value: unknown, context: RequestContext): CheckedRequest {
  requireEncoderDecoder('embed', context)
  if (isDecoderAlone(context.limits)) {
    throw new TrtllmError('ERR_UNSUPPORTED', 'embed needs an encoder: the model is a decoder alone')
  }
  const { pooling, signal, timeoutMs, ...rest } = checkEmbedFields(value, '')
  const adapter = adapterOf(rest, context)
  // the decoder has to run, but what it says is not looked at
  const decoderInputTokenIds = [context.specialTokenIds.decoderStart ?? 0]
  const embedded = { ...rest, decoderInputTokenIds, maxTokens: 1, returnEncoderOutput: true }
  const raw = toRawRequest(embedded, context, false)
  const pooled = pooling === 'mean' ? withExtras(raw, { poolEncoderOutput: 'mean' }) : raw
  return { raw: pooled, signal, timeoutMs, adapter }
}

function withExtras(raw: RawRequest, extras: NonNullable<RawRequest['extras']>): RawRequest {
  return { ...raw, extras }
}

/** The addon puts the scores where log-probabilities of generated tokens are otherwise, the end token's last. */
export function toScore({ inputTokenIds, extras, endId }: RawRequest, outcome: Outcome): Score {
  const tokens = Array.from(inputTokenIds.subarray(-(extras?.scoreLength ?? 0)))
  const all = outcome.sequences[0].logProbs ?? []
  if (all.length < tokens.length) throw missing('log-probabilities')
  const logProbs = all.slice(0, tokens.length)
  const endLogProb = endId === undefined ? undefined : all[tokens.length]
  const sum = logProbs.reduce((total, logProb) => total + logProb, 0)
  return { logProbs, sum, ...(endLogProb === undefined ? {} : { endLogProb }), tokens }
}

export function toEmbedding({ encoderOutput }: Outcome): Tensor {
  if (encoderOutput === undefined) throw missing('encoder output')
  return encoderOutput
}

function missing(what: string): TrtllmError {
  return new TrtllmError('ERR_RUNTIME', `the runtime gave no ${what}`)
}

/** Settles with what `convert` makes of the outcome; half an outcome is none. */
export function settleWhole<T>(
  timeoutMs: number | undefined,
  convert: (outcome: Outcome) => T,
  { resolve, reject }: { resolve(value: T): void; reject(error: Error): void },
): FlightEvents {
  return {
    landed(outcome) {
      if (outcome.sequences[0].finishReason === 'timed-out') {
        reject(new TrtllmError('ERR_TIMED_OUT', `the request took longer than timeoutMs ${timeoutMs}`))
      } else {
        resolve(convert(outcome))
      }
    },
    failed: reject,
  }
}
