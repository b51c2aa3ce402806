/** trtllm-node lora */
import { parseArgs } from 'node:util'
import { DTYPES } from '../convert/dtype.js'
import { writeStaged } from '../convert/staging.js'
import { AbortError } from '../errors.js'
import { EMBEDDED_LORA, TENSORRT_LLM_LORA } from '../lora/adapter.js'
import { describeAdapter } from '../lora/describe.js'
import { writePairFolder } from '../lora/pair-folder.js'
import { checkAdapter, mergeIntoCheckpoint, prepareAdapter } from '../lora/source.js'
import { type ModelFolder, readModelFolder } from '../model-folder.js'
import { descriptionText } from './lora-table.js'
import { UsageError, write } from './output.js'

export const LORA_USAGE = `Usage: trtllm-node lora <command> [options]

ADAPTER is a folder as PEFT saves it, or one with TensorRT-LLM's model.lora_weights.npy and
model.lora_config.npy.

  lora inspect ADAPTER           modules, layers, ranks, scale and size of an adapter
    --model DIR                  also whether it fits this model
    --json                       one JSON object

  lora convert ADAPTER OUT       writes TensorRT-LLM's pair of files into the new folder OUT
    --model DIR                  the model that it belongs to: a checkpoint or engine folder
    --dtype TYPE                 float32, float16 or bfloat16; default: the model's
    --runtime NAME               embedded or tensorrt-llm, which has to apply it; default: what
                                 the model folder is for

  lora merge CHECKPOINT ADAPTER OUT
                                 writes a copy of the checkpoint with the adapter in its weights
`

const COMMANDS: Record<string, (args: string[]) => Promise<number>> = { inspect, convert, merge }

export async function lora([name, ...args]: string[]): Promise<number> {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw new UsageError(`lora takes one of ${Object.keys(COMMANDS).join(', ')}`)
  return command(args)
}

async function inspect(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { model: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [folder] = takePaths(positionals, 'lora inspect', ['ADAPTER'])
  const description = await describeAdapter(folder)
  await write(values.json ? `${JSON.stringify(description)}\n` : descriptionText(description))
  if (values.model === undefined) return 0
  await checkAdapter(folder, readModelFolder(values.model))
  if (!values.json) await write(`fits ${values.model}\n`)
  return 0
}

async function convert(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { model: { type: 'string' }, dtype: { type: 'string' }, runtime: { type: 'string' } },
  })
  const [folder, out] = takePaths(positionals, 'lora convert', ['ADAPTER', 'OUT'])
  if (values.model === undefined) throw new UsageError('--model DIR is missing')
  const dtype = choice('--dtype', values.dtype, DTYPES)
  const runtime = choice('--runtime', values.runtime, ['embedded', 'tensorrt-llm'])
  const model = readModelFolder(values.model)
  const capabilities = (runtime ?? runtimeOf(model)) === 'embedded' ? EMBEDDED_LORA : TENSORRT_LLM_LORA
  const tensors = await prepareAdapter(folder, model, { capabilities, dtype })
  const { rows, width } = tensors.weights
  await writeStaged(out, { ifThere: 'fail' }, (partial) => writePairFolder(tensors, partial))
  await write(`${out}: ${rows} rows of ${width} numbers, ${tensors.weights.dtype}\n`)
  return 0
}

async function merge(args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} })
  const [checkpoint, adapter, out] = takePaths(positionals, 'lora merge', ['CHECKPOINT', 'ADAPTER', 'OUT'])
  const stop = new AbortController()
  const interrupted = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupted)
  try {
    const { matrices, files } = await mergeIntoCheckpoint(adapter, readModelFolder(checkpoint), out, stop)
    await write(`${out}: ${matrices} matrices in ${files} ${files === 1 ? 'file' : 'files'} changed\n`)
    return 0
  } catch (error) {
    if (!(error instanceof AbortError)) throw error
    process.stderr.write('interrupted; nothing was written\n')
    return 130
  } finally {
    process.off('SIGINT', interrupted)
  }
}

const runtimeOf = ({ kind }: ModelFolder) => (kind === 'checkpoint' ? 'embedded' : 'tensorrt-llm')

/** As many paths as there are names. */
function takePaths<const Names extends readonly string[]>(
  positionals: string[],
  command: string,
  names: Names,
): { [I in keyof Names]: string } {
  if (positionals.length !== names.length) throw new UsageError(`${command} takes ${names.join(' ')}`)
  return positionals as unknown as { [I in keyof Names]: string }
}

function choice<const T extends string>(flag: string, value: string | undefined, known: readonly T[]): T | undefined {
  const found = known.find((name) => name === value)
  if (value === undefined || found !== undefined) return found
  throw new UsageError(`${flag} is one of ${known.join(', ')}, not '${value}'`)
}
