/** trtllm-node convert */
import { parseArgs } from 'node:util'
import { type ConvertProgress, convertModel } from '../convert/convert.js'
import { DTYPES } from '../convert/dtype.js'
import { countOf, UsageError, write } from './output.js'

export const CONVERT_USAGE = `Usage: trtllm-node convert MODEL OUT [options]

Converts a Hugging Face folder (T5, mT5, Flan-T5, ByT5, UL2, BART, mBART), or a checkpoint of
fairseq (a .pt file or its folder), into the checkpoint folder OUT that this package loads and
that trtllm-build reads. OUT must not exist, and appears when everything is written.

  --dtype D   float32, float16 or bfloat16; the type of the model's weights by default
  --tp N      ranks that share each layer; 1 by default
  --pp M      stages that share the layers; 1 by default
  --json      one JSON object: folder, family, dtype, bytes, warnings
`

export async function convert(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      dtype: { type: 'string' },
      tp: { type: 'string' },
      pp: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const [model, out, ...more] = positionals
  if (model === undefined || out === undefined || more.length > 0) throw new UsageError('convert takes MODEL and OUT')
  const dtype = DTYPES.find((known) => known === values.dtype)
  if (values.dtype !== undefined && dtype === undefined) {
    throw new UsageError(`--dtype is one of ${DTYPES.join(', ')}, not '${values.dtype}'`)
  }
  const stop = new AbortController()
  const interrupted = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupted)
  try {
    const conversion = await convertModel(model, out, {
      dtype,
      tp: countOf('--tp', values.tp),
      pp: countOf('--pp', values.pp),
      onProgress: process.stderr.isTTY ? createProgressLine() : undefined,
      signal: stop.signal,
    })
    for (const warning of conversion.warnings) process.stderr.write(`warning: ${warning}\n`)
    const { folder, family, bytes } = conversion
    const line = `${folder}: ${family} model, ${conversion.dtype}, ${megabytes(bytes)}\n`
    await write(values.json ? `${JSON.stringify(conversion)}\n` : line)
    return 0
  } catch (error) {
    if (!stop.signal.aborted) throw error
    process.stderr.write('interrupted; nothing was written\n')
    return 130
  } finally {
    process.off('SIGINT', interrupted)
  }
}

/** Redraws one line on a terminal, at most ten times a second, and removes it at the end. */
function createProgressLine(): (progress: ConvertProgress) => void {
  let drawn = 0
  return ({ bytesWritten, bytesTotal, tensor }) => {
    const ended = bytesWritten >= bytesTotal
    if (!ended && Date.now() - drawn < 100) return
    drawn = Date.now()
    const percent = Math.floor((100 * bytesWritten) / bytesTotal)
    const line = `${percent}% of ${megabytes(bytesTotal)}  ${tensor}`
    process.stderr.write(ended ? '\r\u001b[K' : `\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
