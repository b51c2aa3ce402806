#!/usr/bin/env node
/** The command-line tool: picks the command, turns errors into messages and exit codes. */
import { readFileSync } from 'node:fs'
import { TrtllmError } from '../errors.js'
import { BUILD_USAGE, build } from './build.js'
import { CONVERT_USAGE, convert } from './convert.js'
import { DOCTOR_USAGE, doctor } from './doctor.js'
import { GENERATE_USAGE, generate } from './generate.js'
import { INSPECT_USAGE, inspect } from './inspect.js'
import { LORA_USAGE, lora } from './lora.js'
import { printError, UsageError } from './output.js'
import { RUN_USAGE, run } from './run.js'
import { RUNTIME_USAGE, runtime } from './runtime.js'

const COMMANDS: Record<string, { usage: string; run(args: string[]): Promise<number> }> = {
  generate: { usage: GENERATE_USAGE, run: generate },
  build: { usage: BUILD_USAGE, run: build },
  convert: { usage: CONVERT_USAGE, run: convert },
  inspect: { usage: INSPECT_USAGE, run: inspect },
  lora: { usage: LORA_USAGE, run: lora },
  runtime: { usage: RUNTIME_USAGE, run: runtime },
  run: { usage: RUN_USAGE, run },
  doctor: { usage: DOCTOR_USAGE, run: doctor },
}

const USAGE = `Usage: trtllm-node <command> [options]

Commands:
  generate   text or token ids in, generated text out
  convert    a Hugging Face or fairseq model to a checkpoint folder
  build      TensorRT engines from a checkpoint folder, with trtllm-build
  inspect    what a model folder is
  lora       adapters: inspect, convert, merge into a checkpoint
  runtime    the addon for an installed TensorRT-LLM: build, list, remove
  run        one script on several GPUs
  doctor     whether this machine can run it, and what to do where it cannot

  trtllm-node <command> --help   options of a command
  trtllm-node --version
`

async function main([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h') return print(USAGE)
  if (name === '--version') return print(`${packageVersion()}\n`)
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw new UsageError(`there is no command ${name}`)
  const own = name === 'run' ? args.slice(0, 1) : args // the rest is the script's
  if (own.includes('--help') || own.includes('-h')) return print(command.usage)
  return command.run(args)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError || isParseArgsError(error)) {
    process.stderr.write(`error: ${error.message}\ntrtllm-node --help shows what there is\n`)
    return 2
  }
  if (!(error instanceof TrtllmError)) throw error
  printError(error)
  return 1
}

function isParseArgsError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
}

// A reader that goes away (`| head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await main(process.argv.slice(2)).catch(exitCodeOf)
