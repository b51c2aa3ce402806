/** Runs trtllm-build for both halves of a checkpoint, and checks the engines. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { isRecord } from '../validate.js'
import { type BuildCommand, type BuildOptions, buildCommands } from './build-commands.js'
import type { Side } from './checkpoint-config.js'
import { type CheckpointPair, contradictions, valueAt } from './checkpoint-pair.js'
import { codeOf, type JsonObject, readJsonFile, reasonOf } from './files.js'
import { writeStaged } from './staging.js'

/** What a checkpoint folder may hold beside encoder and decoder, and an engine folder needs for texts. */
const COMPANIONS = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'] as const

/**
 * Builds both engines into the new folder `target`, which appears when both are built and fit each other. What
 * trtllm-build prints goes to this process's standard output and error.
 * @returns the absolute path of `target`
 * @throws TrtllmError ERR_BUILD_FAILED, ERR_OUTPUT, ERR_INVALID_ARGUMENT
 */
export function buildEngines(pair: CheckpointPair, target: string, options: BuildOptions): Promise<string> {
  return writeStaged(target, { ifThere: 'fail' }, async (folder) => {
    for (const command of buildCommands(pair, folder, options)) await run(command)
    await checkEngines(folder, pair)
    await copyCompanions(pair.folder, folder)
  })
}

async function run({ side, command: [program = '', ...args] }: BuildCommand): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', (error) => reject(notStarted(program, error)))
    child.on('close', (...ended) => resolve(ended))
  })
  if (code === 0) return
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`
  throw new TrtllmError('ERR_BUILD_FAILED', `${program} for the ${side} ended with ${how}`, {
    hint: 'its own messages above say why; often the GPU memory is too small for the limits asked for',
  })
}

function notStarted(program: string, error: Error): TrtllmError {
  const missing = codeOf(error) === 'ENOENT'
  const why = missing ? 'is not installed, or not on the PATH' : `cannot be started: ${reasonOf(error)}`
  return new TrtllmError('ERR_BUILD_FAILED', `${program} ${why}`, {
    cause: error,
    hint: 'it comes with TensorRT-LLM 1.2 (pip install tensorrt_llm, or its container); without --run the commands are only printed',
  })
}

/**
 * Checks a pair of engines.
 * @throws TrtllmError ERR_BUILD_FAILED naming everything that does not fit
 */
export async function checkEngines(folder: string, { tp, pp }: Pick<CheckpointPair, 'tp' | 'pp'>): Promise<void> {
  const encoder = await readEngineConfig(folder, 'encoder')
  const decoder = await readEngineConfig(folder, 'decoder')
  const problems = [
    ...missingEngines(folder, tp * pp),
    ...contradictions(encoder.model, decoder.model),
    ...buildContradictions(encoder, decoder),
  ]
  if (problems.length > 0) throw new TrtllmError('ERR_BUILD_FAILED', `the engines do not fit: ${problems.join('; ')}`)
}

interface EngineConfig {
  version: unknown
  model: JsonObject
  build: JsonObject
}

async function readEngineConfig(folder: string, side: Side): Promise<EngineConfig> {
  const file = join(folder, side, 'config.json')
  const { version, pretrained_config: model, build_config: build } = await readJsonFile(file)
  if (isRecord(model) && isRecord(build)) return { version, model, build }
  throw new TrtllmError('ERR_BUILD_FAILED', `${file} has no pretrained_config and build_config`)
}

function missingEngines(folder: string, ranks: number): string[] {
  return (['encoder', 'decoder'] as const).flatMap((side) =>
    Array.from({ length: ranks }, (_, rank) => `${side}/rank${rank}.engine`)
      .filter((file) => !existsSync(join(folder, file)))
      .map((file) => `${file} is missing`),
  )
}

function buildContradictions(encoder: EngineConfig, decoder: EngineConfig): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['version', encoder.version, decoder.version],
    ['max_batch_size', encoder.build.max_batch_size, decoder.build.max_batch_size],
    ['max_beam_width', encoder.build.max_beam_width, decoder.build.max_beam_width],
    ['max_input_len (max_encoder_input_len)', encoder.build.max_input_len, decoder.build.max_encoder_input_len],
  ]
  const problems = pairs
    .filter(([, a, b]) => a !== b)
    .map(([name, a, b]) => `${name} is ${show(a)} in the encoder and ${show(b)} in the decoder`)
  if (Number(encoder.build.max_input_len) > Number(encoder.build.max_num_tokens)) {
    problems.push('max_input_len of the encoder exceeds its max_num_tokens')
  }
  return [...problems, ...unfitFlags('encoder', encoder.build), ...unfitFlags('decoder', decoder.build)]
}

/** What the executor needs of an engine and this one lacks; a field that is not there is not judged. */
function unfitFlags(side: Side, build: JsonObject): string[] {
  const lacks = (path: string, values: unknown[]) => values.includes(valueAt(build, path))
  const flags: [boolean, string][] = [
    [lacks('plugin_config.remove_input_padding', [false]), 'remove_input_padding'],
    [side === 'decoder' && lacks('plugin_config.gpt_attention_plugin', [null, false]), 'gpt_attention_plugin'],
    [side === 'decoder' && lacks('kv_cache_type', ['disabled', 'DISABLED', 'continuous']), 'a paged cache'],
  ]
  return flags.filter(([unfit]) => unfit).map(([, what]) => `the ${side} was built without ${what}`)
}

async function copyCompanions(from: string, to: string): Promise<void> {
  for (const name of COMPANIONS) {
    await copyFile(join(from, name), join(to, name)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
  }
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'absent'
