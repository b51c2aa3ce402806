/** trtllm-node generate */
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Engine } from '../engine.js'
import { TrtllmError } from '../errors.js'
import type { Request } from '../request.js'
import type { Result, Sequence } from '../response.js'
import type { TextStream } from '../stream.js'
import { DECODING_FLAGS, DECODING_USAGE, parseIds, toDecodingFields } from './decoding-options.js'
import { printError, UsageError, write } from './output.js'

export const GENERATE_USAGE = `Usage: trtllm-node generate --model DIR [options] [texts...]

One line per sequence, in the order of the inputs; that is one line per input unless several
beams or samples are wanted. Inputs are the texts given and then the --ids given, or else the
lines of standard input.

  --model DIR              model folder
  --lora DIR               adapter folder: of PEFT, or TensorRT-LLM's pair of files
  --ids 5,17,3             token ids instead of a text; may be given many times
  --stream                 print text as it is generated: of the first sequence; the others follow
  --json                   one JSON object per input: text, outputTokenIds, finishReason, sequences,
                           usage, timings, or error; with --stream also one per chunk: {"index", "chunk"}

Decoding; texts are tokenised as the model's tokenizer does, ids are lists like 5,17,3:
${DECODING_USAGE}`

/** So many inputs are in flight at once. */
const MAX_IN_FLIGHT = 256

type Input = Pick<Request, 'input' | 'inputTokenIds'>
type Flags = { stream: boolean; json: boolean }

/** An input on its way; `stream` where its text is printed as it comes. */
interface Job {
  index: number
  stream: TextStream | undefined
  outcome: Promise<Result | TrtllmError>
}

export async function generate(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      model: { type: 'string' },
      lora: { type: 'string' },
      ids: { type: 'string', multiple: true, default: [] },
      stream: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      ...DECODING_FLAGS,
    },
  })
  if (values.model === undefined) throw new UsageError('--model DIR is missing')
  const { lora } = values
  const fields = { ...toDecodingFields(values), lora }
  const idLists = values.ids.map((list) => ({ inputTokenIds: parseIds(list, '--ids') }))
  const given: Input[] = [...positionals.map((input) => ({ input })), ...idLists]
  const engine = await Engine.load(values.model)
  try {
    if (lora !== undefined) await engine.loras.load(lora, lora)
    return await runAll(engine, given.length > 0 ? given : linesOfStdin(), fields, values)
  } finally {
    await engine.close()
  }
}

/** Starts inputs as long as few enough are in flight, and prints each result as soon as those before it are printed. */
async function runAll(
  engine: Engine,
  inputs: Iterable<Input> | AsyncIterable<Input>,
  fields: Partial<Request>,
  flags: Flags,
): Promise<number> {
  const unprinted: Promise<void>[] = []
  let printed = Promise.resolve()
  let index = 0
  let failures = 0
  for await (const input of inputs) {
    const job = start(engine, { ...input, ...fields }, index++, flags)
    printed = printed.then(async () => {
      if (!(await print(engine, job, flags))) failures++
    })
    if (unprinted.push(printed) >= MAX_IN_FLIGHT) await unprinted.shift()
  }
  await printed
  return failures === 0 ? 0 : 1
}

function start(engine: Engine, request: Request, index: number, flags: Flags): Job {
  try {
    const stream = flags.stream ? engine.stream(request) : undefined
    return { index, stream, outcome: (stream?.result ?? engine.generate(request)).catch(onlyOurs) }
  } catch (error) {
    return { index, stream: undefined, outcome: Promise.resolve(onlyOurs(error)) }
  }
}

function onlyOurs(error: unknown): TrtllmError {
  if (error instanceof TrtllmError) return error
  throw error
}

/** Text, or the token ids where the engine has no tokenizer. */
function shown({ text, outputTokenIds }: Pick<Sequence, 'text' | 'outputTokenIds'>, engine: Engine): string {
  return engine.tokenizer === undefined ? `${outputTokenIds.join(' ')} ` : text
}

/** Whether it succeeded. A failed input still has its line, so that lines of input and output correspond. */
async function print(engine: Engine, { index, stream, outcome }: Job, { json }: Flags): Promise<boolean> {
  if (stream !== undefined) await printChunks(engine, stream, index, json)
  const result = await outcome
  const failed = result instanceof TrtllmError
  if (failed) printError(result, `input ${index + 1}: `)
  if (json) await write(`${JSON.stringify(failed ? errorLine(index, result) : { index, ...result })}\n`)
  else await write(failed ? '\n' : asLines(engine, result, stream !== undefined))
  return !failed
}

/** A line for each sequence; the text of the first may be there already. */
function asLines(engine: Engine, { sequences }: Result, isFirstPrinted: boolean): string {
  return sequences.map((sequence, i) => `${i === 0 && isFirstPrinted ? '' : shown(sequence, engine)}\n`).join('')
}

async function printChunks(engine: Engine, stream: TextStream, index: number, json: boolean): Promise<void> {
  try {
    for await (const chunk of stream) {
      await write(json ? `${JSON.stringify({ index, chunk })}\n` : shown(chunk, engine))
    }
  } catch (error) {
    onlyOurs(error) // told by the result
  }
}

function errorLine(index: number, { code, message }: TrtllmError): object {
  return { index, error: { code, message } }
}

async function* linesOfStdin(): AsyncGenerator<Input> {
  for await (const input of createInterface({ input: process.stdin })) yield { input }
}
