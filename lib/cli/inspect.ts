/** trtllm-node inspect */
import { statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Engine, type EngineLimits } from '../engine.js'
import { TrtllmError } from '../errors.js'
import { type ModelFolder, type ModelPartFolder, readModelFolder } from '../model-folder.js'
import { printError, UsageError, write } from './output.js'

export const INSPECT_USAGE = `Usage: trtllm-node inspect DIR [options]

What a model folder is: kind, architecture, sizes, special tokens, and the limits of an engine
that loads it with default options.

  --no-load   only read the configuration files, do not load the model: no limits
  --json      one JSON object
`

export async function inspect(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'no-load': { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  })
  const [folder, ...more] = positionals
  if (folder === undefined || more.length > 0) throw new UsageError('inspect takes one model folder')
  const model = readModelFolder(folder)
  const limits = values['no-load'] ? null : await loadLimits(folder)
  const failed = limits instanceof TrtllmError
  const report = describe(model, failed ? null : limits)
  await write(values.json ? `${JSON.stringify(report)}\n` : asText(report))
  if (failed) printError(limits, 'the model cannot be loaded: ')
  return failed ? 1 : 0
}

async function loadLimits(folder: string): Promise<EngineLimits | TrtllmError> {
  try {
    const engine = await Engine.load(folder)
    await engine.close()
    return engine.limits
  } catch (error) {
    if (error instanceof TrtllmError) return error
    throw error
  }
}

type Report = ReturnType<typeof describe>

function describe(model: ModelFolder, limits: EngineLimits | null) {
  const encoder = model.encoder && withSize(model.encoder)
  const decoder = withSize(model.decoder)
  return {
    ...model,
    encoder,
    decoder,
    weightsBytes: (encoder?.weightsBytes ?? 0) + decoder.weightsBytes,
    limits,
  }
}

function withSize(part: ModelPartFolder): ModelPartFolder & { weightsBytes: number } {
  return { ...part, weightsBytes: statSync(part.weightsFile).size }
}

function encoderAsText({ encoder, decoderOnly }: Report): string {
  if (encoder !== null) return partAsText(encoder)
  return decoderOnly ? 'none: decoder-only' : 'none'
}

function asText(report: Report): string {
  const { begin, end, pad, decoderStart } = report.specialTokenIds
  const rows: [string, unknown][] = [
    ['folder', report.folder],
    ['kind', report.kind === 'checkpoint' ? 'TensorRT-LLM checkpoint' : 'TensorRT-LLM engines'],
    ['model type', report.modelType],
    ['encoder', encoderAsText(report)],
    ['decoder', partAsText(report.decoder)],
    ['size of weights', megabytes(report.weightsBytes)],
    ['tokenizer', report.tokenizerFile === null ? 'none' : 'tokenizer.json'],
    ['special tokens', `start ${decoderStart}, end ${end}, begin ${begin}, pad ${pad}`],
    ...Object.entries(report.limits ?? {}),
  ]
  return rows.map(([name, value]) => `${name.padEnd(20)}${value ?? 'not said'}\n`).join('')
}

function partAsText(part: Report['decoder']): string {
  const { architecture, dtype, layers, hiddenSize, heads, headSize, intermediateSize, vocabSize } = part
  const sizes = `${layers} layers, hidden ${hiddenSize}, ${heads} heads of ${headSize}, feed-forward ${intermediateSize}`
  return `${architecture} ${dtype}: ${sizes}, vocabulary ${vocabSize}, ${megabytes(part.weightsBytes)}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
