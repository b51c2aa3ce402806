/** The two trtllm-build commands of a checkpoint: which flags, and why. */
import { join } from 'node:path'
import { TrtllmError } from '../errors.js'
import type { Side } from './checkpoint-config.js'
import { type CheckpointPair, countAt } from './checkpoint-pair.js'

/** Limits that are fixed when an engine is built. */
export interface BuildOptions {
  /** Most requests that run at once. @default 64 */
  maxBatchSize?: number | undefined
  /** Most beams of a request. @default 1 */
  maxBeamWidth?: number | undefined
  /** Longest input of the encoder, tokens. @default 1024, or the model's positions if they are fewer */
  maxInputLength?: number | undefined
  /** Longest decoder prompt, tokens. @default 4 */
  maxPromptLength?: number | undefined
  /** Longest decoder sequence, prompt included, tokens. @default 256, or the model's positions if they are fewer */
  maxSequenceLength?: number | undefined
  /** Most tokens of one iteration; an input of the encoder has at most so many. @default 8192, as trtllm-build */
  maxNumTokens?: number | undefined
}

export interface BuildCommand {
  side: Side
  /** trtllm-build and its arguments. */
  command: readonly string[]
}

type Limits = { [Name in keyof BuildOptions]-?: number }

const PROGRAM = 'trtllm-build'

/**
 * @param target folder of the engines
 * @throws TrtllmError ERR_INVALID_ARGUMENT for a limit that the model cannot have
 */
export function buildCommands(pair: CheckpointPair, target: string, options: BuildOptions): BuildCommand[] {
  const limits = chooseLimits(pair, options)
  return (['encoder', 'decoder'] as const).map((side) => ({
    side,
    command: [
      PROGRAM,
      ...flag('checkpoint_dir', join(pair.folder, side)),
      ...flag('output_dir', join(target, side)),
      ...commonFlags(pair, limits),
      ...(side === 'encoder' ? encoderFlags(limits) : decoderFlags(limits)),
    ],
  }))
}

/** A command as one line for a shell. */
export function shellLine(command: readonly string[]): string {
  return command.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
}

const flag = (name: string, value: string | number): string[] => [`--${name}`, String(value)]

function commonFlags({ dtype, modelType, quantAlgo }: CheckpointPair, limits: Limits): string[] {
  const precision = quantAlgo === null ? dtype : 'auto'
  return [
    ...flag('max_batch_size', limits.maxBatchSize),
    ...flag('max_beam_width', limits.maxBeamWidth),
    ...flag('max_num_tokens', limits.maxNumTokens),
    ...flag('gpt_attention_plugin', precision), // mandatory for encoder-decoder models
    ...flag('bert_attention_plugin', precision),
    ...(modelType === 'nmt' ? [] : flag('gemm_plugin', precision)),
    ...flag('moe_plugin', 'disable'),
    ...flag('remove_input_padding', 'enable'), // the executor sends packed inputs only
    // fused attention knows no relative position bias
    ...(modelType === 't5' ? flag('context_fmha', 'disable') : []),
    ...(modelType === 'bart' && quantAlgo === 'FP8' ? flag('use_fp8_context_fmha', 'enable') : []),
  ]
}

function encoderFlags(limits: Limits): string[] {
  return [...flag('kv_cache_type', 'disabled'), ...flag('max_input_len', limits.maxInputLength)]
}

function decoderFlags(limits: Limits): string[] {
  return [
    ...flag('kv_cache_type', 'paged'),
    ...flag('max_input_len', limits.maxPromptLength),
    ...flag('max_seq_len', limits.maxSequenceLength),
    ...flag('max_encoder_input_len', limits.maxInputLength),
  ]
}

function chooseLimits(pair: CheckpointPair, options: BuildOptions): Limits {
  const encoderRoom = positionsOf(pair, 'encoder')
  const decoderRoom = positionsOf(pair, 'decoder')
  const limits: Limits = {
    maxBatchSize: options.maxBatchSize ?? 64,
    maxBeamWidth: options.maxBeamWidth ?? 1,
    maxInputLength: options.maxInputLength ?? Math.min(1024, encoderRoom),
    maxPromptLength: options.maxPromptLength ?? 4,
    maxSequenceLength: options.maxSequenceLength ?? Math.min(256, decoderRoom),
    maxNumTokens: options.maxNumTokens ?? 8192,
  }
  const most = (name: keyof Limits, value: number, room: number, why: string) => {
    if (value <= room) return
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `${name} must be <= ${room} (${why}), got ${value}`)
  }
  most('maxInputLength', limits.maxInputLength, encoderRoom, "the encoder's positions")
  most('maxInputLength', limits.maxInputLength, limits.maxNumTokens, 'maxNumTokens')
  most('maxSequenceLength', limits.maxSequenceLength, decoderRoom, "the decoder's positions")
  most('maxPromptLength', limits.maxPromptLength, limits.maxSequenceLength - 1, 'maxSequenceLength - 1')
  return limits
}

/** Relative positions have no end. */
function positionsOf(pair: CheckpointPair, side: Side): number {
  const config = pair[side]
  if (config.has_position_embedding !== true) return Number.POSITIVE_INFINITY
  return countAt(config, 'max_position_embeddings')
}
