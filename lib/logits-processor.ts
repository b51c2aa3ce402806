/** Functions of users that change the logits of their request, called once per iteration for all who have one. */
import { TrtllmError } from './errors.js'
import type { RawLogitsBatch } from './raw-response.js'
import { type FieldValidators, invalid } from './validate.js'

/** What a logits processor sees of its request. Valid until it returns: the memory of the logits is reused. */
export interface LogitsContext {
  /** For each beam the tokens generated so far, without decoder prompt. One beam unless `beamWidth` is above 1. */
  readonly outputTokenIds: readonly Int32Array[]
  /** For each beam the logits of the next token, to be changed in place; -Infinity bars a token. */
  readonly logits: readonly Float32Array[]
}

/**
 * Changes the logits before anything but constraints is done with them. It runs on the JavaScript thread while the
 * whole batch waits, so it should be quick, and it must not be async. If it throws, its request fails with
 * ERR_LOGITS_PROCESSOR, no other.
 */
export type LogitsProcessor = (context: LogitsContext) => void

export interface LogitsProcessorOptions {
  /** *Ours.* Called at every step; for each sample of `numReturnSequences` on its own. @default none */
  logitsProcessor?: LogitsProcessor | undefined
}

export const LOGITS_PROCESSOR_FIELDS: FieldValidators<LogitsProcessorOptions> = {
  logitsProcessor: (value, path) => {
    if (typeof value === 'function') return value as LogitsProcessor
    throw invalid(path, 'a function', value)
  },
}

/** The processors of one engine's requests. */
export interface LogitsDispatcher {
  /** The key under which the addon brings the request's logits. `fail` is called at most once. */
  add(processor: LogitsProcessor, fail: (error: Error) => void): number
  remove(key: number): void
  /** Takes what the addon calls back with. Never throws: the runtime waits for it. */
  onLogits(batch: RawLogitsBatch): void
}

export function createLogitsDispatcher(): LogitsDispatcher {
  const entries = new Map<number, { processor: LogitsProcessor; fail(error: Error): void }>()
  let lastKey = 0

  /** A request may be over already; then its logits stay as they are. */
  function dispatch(batch: RawLogitsBatch, index: number): void {
    const key = batch.keys[index] ?? -1
    const entry = entries.get(key)
    if (entry === undefined) return
    const error = errorOf(() => entry.processor(contextOf(batch, index)))
    if (error === undefined) return
    entries.delete(key)
    entry.fail(error)
  }

  function failAll(batch: RawLogitsBatch, error: Error): void {
    for (const key of batch.keys) {
      const entry = entries.get(key)
      entries.delete(key)
      entry?.fail(error)
    }
  }

  return {
    add(processor, fail) {
      entries.set(++lastKey, { processor, fail })
      return lastKey
    },
    remove: (key) => entries.delete(key),
    onLogits(batch) {
      const { byteLength } = batch.logits
      for (let index = 0; index < batch.keys.length; index++) {
        dispatch(batch, index)
        if (batch.logits.byteLength === byteLength) continue
        failAll(batch, processorError('a logitsProcessor gave the memory of the logits away'))
        return
      }
    },
  }
}

function errorOf(run: () => unknown): Error | undefined {
  try {
    const returned = run()
    if (!isThenable(returned)) return undefined
    Promise.resolve(returned).catch(() => {}) // told below
    return processorError('logitsProcessor must not be async: it returned a promise')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    return processorError(`logitsProcessor threw: ${reason}`, cause)
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value
}

function processorError(message: string, cause?: unknown): TrtllmError {
  return new TrtllmError('ERR_LOGITS_PROCESSOR', message, { cause })
}

function contextOf(
  { rowOffsets, tokenOffsets, tokens, logits, vocabSize }: RawLogitsBatch,
  index: number,
): LogitsContext {
  const outputTokenIds: Int32Array[] = []
  const rows: Float32Array[] = []
  for (let row = rowOffsets[index] ?? 0; row < (rowOffsets[index + 1] ?? 0); row++) {
    outputTokenIds.push(tokens.subarray(tokenOffsets[row], tokenOffsets[row + 1]))
    rows.push(logits.subarray(row * vocabSize, (row + 1) * vocabSize))
  }
  return { outputTokenIds, logits: rows }
}
