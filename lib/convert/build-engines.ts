/** Runs trtllm-build for both halves of a checkpoint, and checks the engines. */
import { spawn } from 'node:child_process'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { pairProblems, readEnginePair, STAGES_FIELD } from '../runtime/engine-pair.js'
import { type BuildCommand, type BuildOptions, buildCommands } from './build-commands.js'
import type { CheckpointPair } from './checkpoint-pair.js'
import { codeOf, reasonOf } from './files.js'
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
    await checkEngines(folder)
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
 * Checks a pair of engines. Stages are the user's wish, of which the commands have warned.
 * @throws TrtllmError ERR_BUILD_FAILED naming everything that does not fit
 */
export async function checkEngines(folder: string): Promise<void> {
  const pair = await readEnginePair(folder).catch((cause: unknown) => {
    throw new TrtllmError('ERR_BUILD_FAILED', reasonOf(cause), { cause })
  })
  const problems = pairProblems(pair).filter(({ field }) => field !== STAGES_FIELD)
  if (problems.length === 0) return
  throw new TrtllmError(
    'ERR_BUILD_FAILED',
    `the engines do not fit: ${problems.map(({ message }) => message).join('; ')}`,
  )
}

async function copyCompanions(from: string, to: string): Promise<void> {
  for (const name of COMPANIONS) {
    await copyFile(join(from, name), join(to, name)).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
  }
}
