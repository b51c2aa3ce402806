/** trtllm-node build */
import { parseArgs } from 'node:util'
import { type BuildOptions, buildCommands, shellLine } from '../convert/build-commands.js'
import { buildEngines } from '../convert/build-engines.js'
import { type CheckpointPair, readCheckpointPair } from '../convert/checkpoint-pair.js'
import { countOf, UsageError, write } from './output.js'

export const BUILD_USAGE = `Usage: trtllm-node build CHECKPOINT ENGINE [options]

Prints the two trtllm-build commands that make TensorRT engines in the folder ENGINE from a
checkpoint folder, after checking that its encoder and decoder fit each other.

  --run                     run them (needs TensorRT-LLM 1.2 and a GPU), and check the engines;
                            ENGINE must not exist, and appears when both are built
  --max-batch-size N        most requests that run at once; 64
  --max-beam-width N        most beams of a request; 1
  --max-input-length N      longest input, tokens; 1024 or the model's positions
  --max-prompt-length N     longest decoder prompt, tokens; 4
  --max-sequence-length N   longest decoder sequence with its prompt, tokens; 256 or the model's positions
  --max-num-tokens N        most tokens of one iteration; trtllm-build's default
`

const LIMITS = {
  'max-batch-size': 'maxBatchSize',
  'max-beam-width': 'maxBeamWidth',
  'max-input-length': 'maxInputLength',
  'max-prompt-length': 'maxPromptLength',
  'max-sequence-length': 'maxSequenceLength',
  'max-num-tokens': 'maxNumTokens',
} as const satisfies Record<string, keyof BuildOptions>

type LimitFlag = keyof typeof LIMITS

export async function build(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: flags() })
  const [checkpoint, engine, ...more] = positionals
  if (checkpoint === undefined || engine === undefined || more.length > 0) {
    throw new UsageError('build takes CHECKPOINT and ENGINE')
  }
  const options = limitsOf(values)
  const pair = await readCheckpointPair(checkpoint)
  const commands = buildCommands(pair, engine, options)
  for (const warning of warningsOf(pair)) process.stderr.write(`warning: ${warning}\n`)
  for (const { command } of commands) await write(`${shellLine(command)}\n`)
  if (values.run !== true) return 0
  await write(`${await buildEngines(pair, engine, options)}: built\n`)
  return 0
}

function flags() {
  const limits = Object.keys(LIMITS).map((name) => [name, { type: 'string' }])
  return { run: { type: 'boolean' }, ...(Object.fromEntries(limits) as Record<LimitFlag, { type: 'string' }>) } as const
}

function limitsOf(values: Partial<Record<LimitFlag, string>>): BuildOptions {
  const names = Object.keys(LIMITS) as LimitFlag[]
  return Object.fromEntries(names.map((name) => [LIMITS[name], countOf(`--${name}`, values[name])]))
}

function warningsOf({ modelType, dtype, pp }: CheckpointPair): string[] {
  const warnings: string[] = []
  if (modelType === 't5' && dtype === 'float16') {
    warnings.push("sums in T5's layers exceed float16's largest number; convert with --dtype bfloat16 or float32")
  }
  if (pp > 1) warnings.push('the executor of TensorRT-LLM does not run encoder-decoder models with pipeline stages')
  return warnings
}
