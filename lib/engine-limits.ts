/**
 * What a pair of TensorRT engines accepts, read from their config.json. TensorRT-LLM itself tells nobody, and checks too
 * little: an input that is too long for the encoder would fail every request that runs beside it.
 */
import { join } from 'node:path'
import type { EngineOptions } from './config.js'
import { valueAt } from './convert/checkpoint-pair.js'
import { TrtllmError } from './errors.js'
import type { OpenModel } from './open-model.js'
import type { RawEngineLimits } from './raw-config.js'
import {
  type EngineConfig,
  type EnginePair,
  enginePair,
  limitsOf,
  pairProblems,
  readEngineConfig,
  readEnginePair,
  STAGES_FIELD,
  worldSizeOf,
} from './runtime/engine-pair.js'
import { invalid } from './validate.js'

/** Limits of the engines, lowered by the options. */
export interface EngineLimitsRead {
  limits: RawEngineLimits
  /** Of the TensorRT-LLM that built them; null if they do not say. */
  version: string | null
  /** Processes that run them together. */
  worldSize: number
}

const DEFAULT_MAX_ADAPTER_RANK = 64

/**
 * @throws TrtllmError ERR_MODEL_INVALID if the engines contradict each other, ERR_UNSUPPORTED for pipeline stages,
 * ERR_INVALID_ARGUMENT for an option that exceeds what they were built for
 */
export async function readEngineLimits(opened: OpenModel, options: EngineOptions): Promise<EngineLimitsRead> {
  const { folder, decoderOnly } = opened.model
  const where = placeOf(folder)
  const { limits, ...about } =
    decoderOnly && folder !== null ? await decoderOnlyLimits(folder, options) : await pairLimits(opened, options)
  requireAll(where, limits)
  return { limits, ...about }
}

async function pairLimits(
  { model: { folder }, configs }: OpenModel,
  options: EngineOptions,
): Promise<EngineLimitsRead> {
  const pair = configs ? enginePair(configs, null, (side) => `${side}.config`) : await readEnginePair(folder ?? '')
  refuseProblems(pair, placeOf(folder))
  const { encoder, decoder } = pair
  const built = limitsOf(pair)
  const limits = {
    maxBatchSize: within('maxBatchSize', options.maxBatchSize, built.maxBatchSize),
    maxNumTokens: Math.min(options.maxNumTokens ?? Number.POSITIVE_INFINITY, countAt(decoder.build, 'max_num_tokens')),
    maxBeamWidth: within('maxBeamWidth', options.maxBeamWidth, built.maxBeamWidth),
    maxInputLength: built.maxInputLength,
    maxSequenceLength: built.maxSequenceLength,
    encoderVocabSize: encoder === null ? 0 : countAt(encoder.model, 'vocab_size'),
    decoderVocabSize: countAt(decoder.model, 'vocab_size'),
    tokensPerBlock: countAt(decoder.build, 'plugin_config.tokens_per_block'),
    encoderTokenBudget: encoder === null ? built.maxInputLength : countAt(encoder.build, 'max_num_tokens'),
    maxAdapterRank: maxAdapterRank(decoder.build, options),
  }
  return { limits, version: decoder.version, worldSize: pair.worldSize }
}

/** The input is the decoder's prompt: the limits of inputs are those of prompts. */
async function decoderOnlyLimits(folder: string, options: EngineOptions): Promise<EngineLimitsRead> {
  const engine = await readEngineConfig(join(folder, 'config.json'))
  const built = (name: string) => countAt(engine.build, name)
  const vocabSize = countAt(engine.model, 'vocab_size')
  const maxNumTokens = Math.min(options.maxNumTokens ?? Number.POSITIVE_INFINITY, built('max_num_tokens'))
  const limits = {
    maxBatchSize: within('maxBatchSize', options.maxBatchSize, built('max_batch_size')),
    maxNumTokens,
    maxBeamWidth: within('maxBeamWidth', options.maxBeamWidth, built('max_beam_width')),
    maxInputLength: Math.min(built('max_input_len'), built('max_seq_len') - 1, maxNumTokens),
    maxSequenceLength: built('max_seq_len'),
    encoderVocabSize: vocabSize,
    decoderVocabSize: vocabSize,
    tokensPerBlock: built('plugin_config.tokens_per_block'),
    encoderTokenBudget: maxNumTokens,
    maxAdapterRank: 0, // adapters are mapped to encoder-decoder models only
  }
  return { limits, version: engine.version, worldSize: worldSizeOf(engine) }
}

/** For messages. */
export const placeOf = (folder: string | null): string =>
  folder === null ? 'the engines in memory' : `the engines in ${folder}`

function refuseProblems(pair: EnginePair, where: string): void {
  const problems = pairProblems(pair).filter(({ severity }) => severity === 'error')
  if (problems.length === 0) return
  const messages = problems.map(({ message }) => message).join('; ')
  const code = problems.some(({ field }) => field === STAGES_FIELD) ? 'ERR_UNSUPPORTED' : 'ERR_MODEL_INVALID'
  throw new TrtllmError(code, `${where} do not fit: ${messages}`, {
    hint: 'build them again: trtllm-node build',
  })
}

/** 0 for an engine without the plugin, which ignores adapters. */
function maxAdapterRank(build: EngineConfig['build'], { peftCache }: EngineOptions): number {
  if (!valueAt(build, 'plugin_config.lora_plugin')) return 0
  const built = countAt(build, 'lora_config.max_lora_rank')
  return Math.min(built, peftCache?.maxAdapterSize ?? DEFAULT_MAX_ADAPTER_RANK)
}

/** The executor refuses more than the engine was built for. */
function within(name: string, wanted: number | undefined, built: number): number {
  if (wanted === undefined || wanted <= built) return wanted ?? built
  throw invalid(name, `<= ${built}, which the engine was built for`, wanted)
}

/** Infinity where the engine does not say. */
function countAt(config: EngineConfig['build'], path: string): number {
  const value = valueAt(config, path)
  return typeof value === 'number' && value > 0 ? value : Number.POSITIVE_INFINITY
}

function requireAll(where: string, limits: RawEngineLimits): void {
  const unsaid = Object.entries(limits).flatMap(([name, value]) => (Number.isFinite(value) ? [] : [name]))
  if (unsaid.length === 0) return
  throw new TrtllmError('ERR_MODEL_INVALID', `${where} do not say their ${unsaid.join(', ')}`)
}
