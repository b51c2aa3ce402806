/** The configuration of a pair of TensorRT engines: whether the executor can run it, and the limits it was built with. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Side } from '../convert/checkpoint-config.js'
import { contradictions, countAt, valueAt } from '../convert/checkpoint-pair.js'
import { type JsonObject, readJsonFile } from '../convert/files.js'
import { TrtllmError } from '../errors.js'
import type { ModelConfigs } from '../model-buffers.js'
import { isRecord } from '../validate.js'

export interface EngineConfig {
  /** Of the TensorRT-LLM that built it; null if it does not say. */
  version: string | null
  /** What the checkpoint said. */
  model: JsonObject
  /** What trtllm-build was told. */
  build: JsonObject
}

export interface EnginePair {
  /** Absolute path; null: they are in memory. */
  folder: string | null
  /** null: a decoder alone. */
  encoder: EngineConfig | null
  decoder: EngineConfig
  /** Processes that run it: tensor, pipeline and context parallelism of the decoder, multiplied. */
  worldSize: number
}

export interface PairProblem {
  /** Of config.json, or the file that is missing. */
  field: string
  /** 'error': the executor refuses the pair, or runs it wrongly. */
  severity: 'warning' | 'error'
  message: string
}

/** What a request may need at most, tokens; Infinity where the engines do not say. */
export interface PairLimits {
  /** Longer inputs would fail every active request, or wait for ever. */
  maxInputLength: number
  maxPromptLength: number
  /** Prompt and generated tokens. */
  maxSequenceLength: number
  maxBeamWidth: number
  maxBatchSize: number
}

/** @throws TrtllmError ERR_MODEL_INVALID */
export async function readEnginePair(path: string): Promise<EnginePair> {
  const folder = resolve(path)
  const fileOf = (side: Side) => join(folder, side, 'config.json')
  const hasEncoder = existsSync(join(folder, 'encoder'))
  const configs = {
    encoder: hasEncoder ? await readJsonFile(fileOf('encoder')) : null,
    decoder: await readJsonFile(fileOf('decoder')),
  }
  return enginePair(configs, folder, fileOf)
}

/**
 * @param nameOf the config.json of a side, for errors
 * @throws TrtllmError ERR_MODEL_INVALID
 */
export function enginePair(configs: ModelConfigs, folder: string | null, nameOf: (side: Side) => string): EnginePair {
  const encoder = configs.encoder && engineConfig(configs.encoder, nameOf('encoder'))
  const decoder = engineConfig(configs.decoder, nameOf('decoder'))
  return { folder, encoder, decoder, worldSize: worldSizeOf(decoder) }
}

/** Tensor, pipeline and context parallelism, multiplied. */
export function worldSizeOf({ model }: EngineConfig): number {
  return ['tp', 'pp', 'cp'].reduce((product, name) => product * countAt(model, `mapping.${name}_size`), 1)
}

/** @throws TrtllmError ERR_MODEL_INVALID */
export async function readEngineConfig(file: string): Promise<EngineConfig> {
  return engineConfig(await readJsonFile(file), file)
}

function engineConfig(config: JsonObject, file: string): EngineConfig {
  const { version, pretrained_config: model, build_config: build } = config
  if (!isRecord(model) || !isRecord(build)) {
    throw new TrtllmError('ERR_MODEL_INVALID', `${file} has no pretrained_config and build_config`)
  }
  return { version: typeof version === 'string' ? version : null, model, build }
}

/** Everything that keeps the executor from running the pair. */
export function pairProblems(pair: EnginePair): PairProblem[] {
  const { encoder, decoder } = pair
  return [
    ...missingEngines(pair),
    ...(encoder === null ? [] : encoderProblems(encoder, decoder)),
    ...unfitFlags('decoder', decoder.build),
    ...stages(decoder),
  ]
}

function encoderProblems(encoder: EngineConfig, decoder: EngineConfig): PairProblem[] {
  return [
    ...contradictions(encoder.model, decoder.model).map((message) => error('pretrained_config', message)),
    ...buildContradictions(encoder, decoder),
    ...unfitFlags('encoder', encoder.build),
  ]
}

const error = (field: string, message: string): PairProblem => ({ field, severity: 'error', message })

function missingEngines({ folder, encoder, worldSize }: EnginePair): PairProblem[] {
  if (folder === null) return []
  const sides: Side[] = encoder === null ? ['decoder'] : ['encoder', 'decoder']
  return sides.flatMap((side) =>
    Array.from({ length: worldSize }, (_, rank) => `${side}/rank${rank}.engine`)
      .filter((file) => !existsSync(join(folder, file)))
      .map((file) => error(file, `${file} is missing`)),
  )
}

function buildContradictions(encoder: EngineConfig, decoder: EngineConfig): PairProblem[] {
  const pairs: [PairProblem['severity'], string, unknown, unknown][] = [
    ['error', 'version', encoder.version, decoder.version],
    ['warning', 'max_batch_size', encoder.build.max_batch_size, decoder.build.max_batch_size],
    ['warning', 'max_beam_width', encoder.build.max_beam_width, decoder.build.max_beam_width],
    [
      'error',
      'max_input_len (max_encoder_input_len)',
      encoder.build.max_input_len,
      decoder.build.max_encoder_input_len,
    ],
  ]
  const problems = pairs
    .filter(([, , a, b]) => a !== b)
    .map(([severity, field, a, b]): PairProblem => {
      return { field, severity, message: `${field} is ${show(a)} in the encoder and ${show(b)} in the decoder` }
    })
  if (limitAt(encoder.build, 'max_input_len') > limitAt(encoder.build, 'max_num_tokens')) {
    problems.push(error('max_num_tokens', 'max_input_len of the encoder exceeds its max_num_tokens'))
  }
  return problems
}

/** What the executor needs of an engine and this one lacks; a field that is not there is not judged. */
function unfitFlags(side: Side, build: JsonObject): PairProblem[] {
  const lacks = (path: string, values: unknown[]) => values.includes(valueAt(build, path))
  const unpaged =
    lacks('kv_cache_type', ['disabled', 'DISABLED', 'continuous', 'CONTINUOUS']) ||
    lacks('plugin_config.paged_kv_cache', [false])
  const flags: [boolean, string, string][] = [
    [lacks('plugin_config.remove_input_padding', [false]), 'remove_input_padding', 'remove_input_padding'],
    [
      side === 'decoder' && lacks('plugin_config.gpt_attention_plugin', [null, false]),
      'gpt_attention_plugin',
      'gpt_attention_plugin',
    ],
    [side === 'decoder' && unpaged, 'kv_cache_type', 'a paged cache'],
  ]
  return flags
    .filter(([unfit]) => unfit)
    .map(([, field, what]) => error(field, `the ${side} was built without ${what}`))
}

export const STAGES_FIELD = 'mapping.pp_size'

function stages({ model }: EngineConfig): PairProblem[] {
  const count = countAt(model, STAGES_FIELD)
  if (count === 1) return []
  return [error(STAGES_FIELD, `${STAGES_FIELD} is ${count}; the executor runs encoder-decoder models with 1 only`)]
}

export function limitsOf({ encoder, decoder }: EnginePair): PairLimits {
  const ofEncoder = (name: string) => (encoder === null ? Number.POSITIVE_INFINITY : limitAt(encoder.build, name))
  return {
    maxInputLength: Math.min(
      ofEncoder('max_input_len'),
      ofEncoder('max_num_tokens'),
      limitAt(decoder.build, 'max_encoder_input_len'),
    ),
    maxPromptLength: limitAt(decoder.build, 'max_input_len'),
    maxSequenceLength: limitAt(decoder.build, 'max_seq_len'),
    maxBeamWidth: limitAt(decoder.build, 'max_beam_width'),
    maxBatchSize: Math.min(ofEncoder('max_batch_size'), limitAt(decoder.build, 'max_batch_size')),
  }
}

function limitAt(build: JsonObject, name: string): number {
  const value = build[name]
  return typeof value === 'number' && value > 0 ? value : Number.POSITIVE_INFINITY
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'absent'
