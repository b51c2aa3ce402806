/** The adapters of one engine, by name: loaded, replaced, pinned and unloaded while requests run. */
import { type Adapter, createAdapter } from './adapters.js'
import { closedError, TrtllmError } from './errors.js'
import { EMBEDDED_LORA, listed, TENSORRT_LLM_LORA } from './lora/adapter.js'
import { checkLoraSource } from './lora/check-source.js'
import { type LoraSource, prepareAdapter } from './lora/source.js'
import type { LoraTensors } from './lora/tensors.js'
import type { Model } from './model-folder.js'
import type { NativeAddon, RawEngine } from './native.js'
import { notEmptyText } from './token-ids.js'
import { createTurns } from './turns.js'
import type { FieldValidators } from './validate.js'

/** Which adapter a request runs with. */
export interface LoraOptions {
  /** *Ours.* Name of a loaded adapter, as it is at the moment of the call. @default none: the model as it is */
  lora?: string | undefined
}

export const LORA_FIELDS: FieldValidators<LoraOptions> = { lora: notEmptyText }

/** A loaded adapter. */
export interface LoraInfo {
  name: string
  /** The runtime's number for this version: counts up from 1 with every load of any name. */
  taskId: number
  /** Absolute path; null if it was given as tensors. */
  folder: string | null
  /** Matrices of the model that it changes. */
  modules: number
  /** Largest rank of a module. */
  maxRank: number
  /** Of its numbers, as they are kept to be sent to the runtime. */
  bytes: number
  /** Requests with this version that have not ended. */
  requestsInFlight: number
  pinned: boolean
}

/**
 * The adapters of an engine. Calls for one name take effect one after the other, in the order of the calls; calls for
 * different names do not wait for each other. What needs no files (`unload`, `pin`, `unpin`) takes effect at once unless
 * an earlier call for the name is under way.
 */
export interface Loras {
  /**
   * Reads and checks an adapter: a folder as PEFT saves it, one with TensorRT-LLM's pair of files, or its two tensors.
   * The name stands for it from when the promise resolves. A name that is in use is replaced: requests that were made
   * before keep the old version, which is let go with the last of them; a pin moves to the new version. If loading
   * fails, nothing has changed.
   * @throws TrtllmError (as rejection) ERR_INVALID_ARGUMENT; ERR_LORA_NOT_FOUND: no such folder; ERR_LORA_INVALID:
   * damaged, of another base model, NaN, a rank above `limits.maxAdapterRank`; ERR_UNSUPPORTED: names what the runtime
   * cannot apply; ERR_CLOSED
   */
  load(name: string, source: LoraSource): Promise<LoraInfo>
  /**
   * The name is free at once. Resolves when the requests that use the adapter have ended and its memory is let go, here
   * and in the runtime; TensorRT-LLM keeps its copy until other adapters displace it.
   * @throws TrtllmError (as rejection) ERR_LORA_NOT_FOUND, ERR_CLOSED
   */
  unload(name: string): Promise<void>
  /**
   * Those that requests can name now, in the order in which their names were first loaded.
   * @throws TrtllmError ERR_CLOSED
   */
  list(): LoraInfo[]
  /**
   * Keeps the adapter in the runtime's cache, from when a request has brought it there until `unpin` or `unload`.
   * @throws TrtllmError (as rejection) ERR_LORA_NOT_FOUND, ERR_CLOSED; ERR_UNSUPPORTED: the runtime has no pins
   */
  pin(name: string): Promise<void>
  /**
   * The runtime may evict the adapter again. Does nothing if it is not pinned.
   * @throws TrtllmError (as rejection) as `pin`
   */
  unpin(name: string): Promise<void>
}

/** What the engine needs of its adapters. */
export interface LoraRegistry {
  loras: Loras
  /** @throws TrtllmError ERR_LORA_NOT_FOUND */
  find(name: string): Adapter
  /** Lets everything go; the requests have ended. */
  close(): void
}

interface Entry extends Omit<LoraInfo, 'taskId' | 'requestsInFlight'> {
  adapter: Adapter
}

/** `raw` is called until `close`. */
export function createLoras(
  raw: RawEngine,
  model: Model,
  { runtime, capabilities }: Pick<NativeAddon, 'runtime' | 'capabilities'>,
): LoraRegistry {
  const entries = new Map<string, Entry>()
  const turns = createTurns()
  let lastTaskId = 0
  let isWarned = false
  let isClosed = false

  function find(name: string): Entry {
    const entry = entries.get(name)
    if (entry !== undefined) return entry
    const names = [...entries.keys()]
    const loaded = names.length === 0 ? 'none is loaded' : `loaded are ${listed(names)}`
    throw new TrtllmError('ERR_LORA_NOT_FOUND', `no adapter of the name '${name}': ${loaded}`)
  }

  /** Runs for one name after the other calls for it; without those at once. */
  async function inTurn<T>(name: unknown, run: (name: string) => T | Promise<T>): Promise<T> {
    const checked = notEmptyText(name, 'the name of an adapter')
    if (isClosed) throw closedError()
    return turns.take(checked, async () => {
      if (isClosed) throw closedError()
      return run(checked)
    })
  }

  function prepare(source: LoraSource): Promise<LoraTensors> {
    const maxRank = raw.limits.maxAdapterRank
    if (maxRank < 1) {
      throw new TrtllmError('ERR_UNSUPPORTED', 'the engine takes no adapters: limits.maxAdapterRank is 0', {
        hint: 'merge it into the checkpoint instead: trtllm-node lora merge',
      })
    }
    if (runtime === 'embedded') {
      return prepareAdapter(source, model, { capabilities: EMBEDDED_LORA, maxRank, dtype: 'float32' })
    }
    if (!isWarned) warnOfEncoderDecoder()
    isWarned = true
    return prepareAdapter(source, model, { capabilities: TENSORRT_LLM_LORA, maxRank })
  }

  /** The new version takes the place, and the pin, of the old one. */
  function put(name: string, source: LoraSource, tensors: LoraTensors): Entry {
    const before = entries.get(name)
    const taskId = ++lastTaskId
    const entry: Entry = {
      name,
      folder: typeof source === 'string' ? source : null,
      ...sizesOf(tensors),
      pinned: before?.pinned ?? false,
      adapter: createAdapter(taskId, tensors, () => raw.releaseAdapters([taskId])),
    }
    entries.set(name, entry)
    if (entry.pinned) raw.pinAdapter(taskId, true)
    if (before !== undefined) void retire(before)
    return entry
  }

  function retire({ adapter, pinned }: Entry): Promise<void> {
    if (pinned) raw.pinAdapter(adapter.taskId, false)
    return adapter.retire()
  }

  function setPinned(name: string, pinned: boolean): void {
    const entry = find(name)
    if (!capabilities.includes('pinAdapter')) {
      throw new TrtllmError('ERR_UNSUPPORTED', `runtime '${runtime}' cannot pin adapters`)
    }
    entry.pinned = pinned
    raw.pinAdapter(entry.adapter.taskId, pinned)
  }

  return {
    loras: {
      async load(name, source) {
        const checked = checkLoraSource(source)
        return inTurn(name, async (name) => {
          const tensors = await prepare(checked)
          if (isClosed) throw closedError()
          return infoOf(put(name, checked, tensors))
        })
      },
      async unload(name) {
        const { left } = await inTurn(name, (name) => {
          const entry = find(name)
          entries.delete(name)
          return { left: retire(entry) } // the next call for the name does not wait for that
        })
        return left
      },
      list() {
        if (isClosed) throw closedError()
        return [...entries.values()].map(infoOf)
      },
      pin: (name) => inTurn(name, (name) => setPinned(name, true)),
      unpin: (name) => inTurn(name, (name) => setPinned(name, false)),
    },
    find: (name) => find(name).adapter,
    close() {
      isClosed = true
      entries.clear()
    },
  }
}

function infoOf({ adapter, ...rest }: Entry): LoraInfo {
  return { ...rest, taskId: adapter.taskId, requestsInFlight: adapter.requestsInFlight() }
}

function sizesOf({ weights, config }: LoraTensors): Pick<LoraInfo, 'modules' | 'maxRank' | 'bytes'> {
  const ranks = Array.from({ length: config.rows }, (_, row) => config.data[row * config.columns + 2] ?? 0)
  return {
    modules: config.rows,
    maxRank: Math.max(...ranks),
    bytes: weights.data.byteLength + config.data.byteLength,
  }
}

function warnOfEncoderDecoder(): void {
  process.emitWarning(
    "public sources say that adapters of encoder-decoder models do not work in TensorRT-LLM's C++ runtime; " +
      'merge them into the checkpoint with `trtllm-node lora merge`',
    { code: 'TRTLLM_LORA_ENCODER_DECODER' },
  )
}
