/** The options of `Engine.load`: documented types, one check per field, and their form at the native border. */
import { TrtllmError } from './errors.js'
import {
  GPU_FIELDS,
  GPU_KV_CACHE_FIELDS,
  type GpuKvCacheOptions,
  type GpuOptions,
  gpuOptionNames,
  toGpuConfig,
  toGpuKvCacheConfig,
} from './gpu-options.js'
import type { Model } from './model-folder.js'
import { PEFT_CACHE_FIELDS, type PeftCacheOptions } from './peft-cache.js'
import type {
  RawEngineLimits,
  RawEngineOptions,
  RawExecutorConfig,
  RawKvCacheConfig,
  RawModelSource,
  RawRuntimeOptions,
} from './raw-config.js'
import { notEmptyText } from './token-ids.js'
import type { Tokenizer } from './tokenizer.js'
import {
  boolean,
  defined,
  type FieldValidators,
  fields,
  fraction,
  integer,
  invalid,
  isRecord,
  oneOf,
  type Validator,
} from './validate.js'

/** Options of `Engine.load`. Names and meanings are those of the executor's `ExecutorConfig` unless marked *ours*. */
export interface EngineOptions extends GpuOptions {
  /** Most requests that run at once, >= 1. @default 64 (engines: what they were built for) */
  maxBatchSize?: number | undefined
  /** Most tokens in one iteration, >= 1; also the longest input. @default 8192 (engines: what they were built for) */
  maxNumTokens?: number | undefined
  /** Widest beam of a request, >= 1. @default 64 (engines: what they were built for) */
  maxBeamWidth?: number | undefined
  /** Most requests that wait, >= 1; one more is refused with ERR_QUEUE_FULL. @default no limit */
  maxQueueSize?: number | undefined
  /**
   * Whether `logProbs` are taken within the tokens that sampling kept (always 0 for greedy decoding) instead of the
   * whole vocabulary. @default false (the executor's own default is true)
   */
  normalizeLogProbs?: boolean | undefined
  /** Whether requests may ask for `returnGenerationLogits`. @default false */
  gatherGenerationLogits?: boolean | undefined
  /** Iterations whose statistics wait to be read, >= 0; 0 switches them off. @default 1000 */
  iterStatsMaxIterations?: number | undefined
  /** The same for the statistics of each request in each iteration. @default 0 */
  requestStatsMaxIterations?: number | undefined
  /** Split long decoder prompts over iterations. @default false */
  enableChunkedContext?: boolean | undefined
  /**
   * How all requests choose their tokens. The embedded runtime takes 'auto' only: there each request says so itself.
   * @default 'auto': TensorRT-LLM looks at the first request's beam width
   */
  decodingMode?: 'auto' | 'top-k' | 'top-p' | 'top-k-top-p' | 'beam-search' | undefined
  scheduler?: SchedulerOptions | undefined
  kvCache?: KvCacheOptions | undefined
  peftCache?: PeftCacheOptions | undefined
  /**
   * *Ours.* Threads for the arithmetic, >= 1. Results do not depend on it.
   * @default the smallest of physical cores, CPU affinity and cgroup quota
   */
  threads?: number | undefined
  /**
   * *Ours.* How weights are held in memory; arithmetic is float32. With 'int8' matrix products round weights and
   * activations to 8 bits and are exact from there on: the fastest and smallest, and less accurate.
   * @default 'auto': bfloat16 checkpoints stay bfloat16, all others become float32
   */
  weights?: 'auto' | 'float32' | 'bfloat16' | 'int8' | undefined
  /**
   * *Ours.* Most encoder tokens of one iteration, >= 1, so that a burst of long inputs does not hold up running
   * streams; an input longer than that runs alone. @default 256
   */
  encoderTokenBudget?: number | undefined
  /** *Ours.* Which runtime runs the model. @default 'auto': what the folder holds */
  runtime?: 'auto' | 'embedded' | 'tensorrt-llm' | undefined
  /** *Ours.* Path of a tokenizer.json, or anything with `encode`, `decode` and perhaps `encodePlain`. @default tokenizer.json of the folder, if any */
  tokenizer?: string | Tokenizer | undefined
  /** *Ours.* Where checkpoints of converted Hugging Face folders are kept. @default $XDG_CACHE_HOME/trtllm-node, or ~/.cache/trtllm-node */
  cacheFolder?: string | undefined
}

export interface SchedulerOptions {
  /**
   * 'guaranteed-no-evict': a request starts when its whole cache is reserved, at any iteration. 'static-batch': only
   * when the previous batch has ended. 'max-utilization' is refused: encoder-decoder models cannot run with it.
   * @default 'guaranteed-no-evict'
   */
  capacitySchedulerPolicy?: 'guaranteed-no-evict' | 'static-batch' | undefined
}

export interface KvCacheOptions extends GpuKvCacheOptions {
  /** Part of the cache memory that holds encoder outputs (cross attention), between 0 and 1. @default 0.5 */
  crossKvCacheFraction?: number | undefined
  /** Tokens that each of the two caches holds, >= 1. @default what the limits need, within the memory there is */
  maxTokens?: number | undefined
  /** Part of the free memory that the caches may take, between 0 and 1. @default 0.25 (engines: 0.9) */
  freeGpuMemoryFraction?: number | undefined
  /** Reuse of decoder prompts between requests. @default false (the executor's own default is true) */
  enableBlockReuse?: boolean | undefined
  /** *Ours.* Tokens of one cache block: 16, 32, 64 or 128. @default 32 */
  tokensPerBlock?: 16 | 32 | 64 | 128 | undefined
  /**
   * *Ours.* Equal inputs share one encoder pass and its cache blocks, while one is in use and, up to `maxBatchSize`
   * inputs, afterwards. Results do not depend on it. @default true
   */
  reuseEncoder?: boolean | undefined
}

const tokenizerOption: Validator<string | Tokenizer> = (value, path) => {
  if (typeof value === 'string' && value !== '') return value
  if (isTokenizer(value)) return value
  throw invalid(path, 'a path or an object with encode, decode and perhaps encodePlain', value)
}

function isTokenizer(value: unknown): value is Tokenizer {
  if (!isRecord(value)) return false
  const { encode, encodePlain = encode, decode } = value
  return [encode, encodePlain, decode].every((method) => typeof method === 'function')
}

const SCHEDULER_FIELDS: FieldValidators<SchedulerOptions> = {
  capacitySchedulerPolicy: (value, path) => {
    if (value === 'max-utilization') {
      throw new TrtllmError(
        'ERR_UNSUPPORTED',
        `${path} 'max-utilization' is not possible with encoder-decoder models`,
        {
          hint: "take 'guaranteed-no-evict'",
        },
      )
    }
    return oneOf(['guaranteed-no-evict', 'static-batch'])(value, path)
  },
}

const BLOCK_SIZES = [16, 32, 64, 128] as const

const KV_CACHE_FIELDS: FieldValidators<KvCacheOptions> = {
  crossKvCacheFraction: fraction,
  maxTokens: integer(1),
  freeGpuMemoryFraction: fraction,
  enableBlockReuse: boolean,
  tokensPerBlock: (value, path) => {
    const found = BLOCK_SIZES.find((size) => size === value)
    if (found !== undefined) return found
    throw invalid(path, BLOCK_SIZES.join(', '), value)
  },
  reuseEncoder: boolean,
  ...GPU_KV_CACHE_FIELDS,
}

const ENGINE_FIELDS: FieldValidators<EngineOptions> = {
  maxBatchSize: integer(1),
  maxNumTokens: integer(1),
  maxBeamWidth: integer(1, 1024),
  maxQueueSize: integer(1),
  iterStatsMaxIterations: integer(0),
  requestStatsMaxIterations: integer(0),
  normalizeLogProbs: boolean,
  gatherGenerationLogits: boolean,
  enableChunkedContext: boolean,
  decodingMode: oneOf(['auto', 'top-k', 'top-p', 'top-k-top-p', 'beam-search']),
  scheduler: fields<SchedulerOptions>(SCHEDULER_FIELDS),
  kvCache: fields<KvCacheOptions>(KV_CACHE_FIELDS),
  peftCache: fields<PeftCacheOptions>(PEFT_CACHE_FIELDS),
  threads: integer(1, 1024),
  weights: oneOf(['auto', 'float32', 'bfloat16', 'int8']),
  runtime: oneOf(['auto', 'embedded', 'tensorrt-llm']),
  encoderTokenBudget: integer(1),
  tokenizer: tokenizerOption,
  cacheFolder: notEmptyText,
  ...GPU_FIELDS,
}

/** @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_UNSUPPORTED */
export const checkEngineOptions = (options: unknown): EngineOptions => fields<EngineOptions>(ENGINE_FIELDS)(options, '')

/**
 * The runtime for a model: each runs its own kind.
 * @throws TrtllmError ERR_UNSUPPORTED if the options name the other one
 */
export function chooseRuntime(model: Model, { runtime = 'auto' }: EngineOptions): 'embedded' | 'tensorrt-llm' {
  const fitting = model.kind === 'engine' ? 'tensorrt-llm' : 'embedded'
  if (runtime === 'auto' || runtime === fitting) return fitting
  if (fitting === 'embedded') {
    throw new TrtllmError(
      'ERR_UNSUPPORTED',
      `runtime 'tensorrt-llm' cannot run the checkpoint in ${model.folder ?? 'memory'}`,
      {
        hint: 'build engines of it: trtllm-node build',
      },
    )
  }
  throw new TrtllmError(
    'ERR_UNSUPPORTED',
    `runtime 'embedded' cannot run the TensorRT engines in ${model.folder ?? 'memory'}`,
    {
      hint: 'load the checkpoint folder that the engine was built from',
    },
  )
}

/**
 * `capabilities` are the options of its own and for GPUs that the addon has; others are refused by name. `engineLimits` are for a
 * runtime that cannot tell them.
 */
export function toRawEngineOptions(
  model: RawModelSource,
  options: EngineOptions,
  capabilities: string[],
  engineLimits?: RawEngineLimits,
): RawEngineOptions {
  const { threads, weights, encoderTokenBudget } = options
  const { tokensPerBlock, reuseEncoder } = options.kvCache ?? {}
  const runtime = defined<RawRuntimeOptions>({ threads, weights, encoderTokenBudget, tokensPerBlock, reuseEncoder })
  for (const name of [...Object.keys(runtime), ...gpuOptionNames(options)]) {
    if (!capabilities.includes(name)) throw new TrtllmError('ERR_UNSUPPORTED', `this runtime has no option ${name}`)
  }
  return {
    model,
    config: toExecutorConfig(model, options, engineLimits),
    runtime: { ...runtime, ...defined({ engineLimits }) },
  }
}

const DEFAULT_MAX_BEAM_WIDTH = 64

/** An engine has the beam width that it was built for, which the executor would not take by itself; a checkpoint has none. */
function toExecutorConfig(
  model: RawModelSource,
  options: EngineOptions,
  engineLimits: RawEngineLimits | undefined,
): RawExecutorConfig {
  const { maxBatchSize, maxNumTokens, maxQueueSize, iterStatsMaxIterations, requestStatsMaxIterations } = options
  return {
    ...defined({ maxBatchSize, maxNumTokens, maxQueueSize, iterStatsMaxIterations, requestStatsMaxIterations }),
    maxBeamWidth: options.maxBeamWidth ?? engineLimits?.maxBeamWidth ?? DEFAULT_MAX_BEAM_WIDTH,
    ...defined({ gatherGenerationLogits: options.gatherGenerationLogits }),
    normalizeLogProbs: options.normalizeLogProbs ?? false,
    enableChunkedContext: options.enableChunkedContext ?? false,
    schedulerConfig: { capacitySchedulerPolicy: options.scheduler?.capacitySchedulerPolicy ?? 'guaranteed-no-evict' },
    kvCacheConfig: toKvCacheConfig(model, options.kvCache ?? {}),
    ...(options.decodingMode === undefined ? {} : { decodingConfig: { decodingMode: options.decodingMode } }),
    ...toGpuConfig(options),
    ...(options.peftCache === undefined ? {} : { peftCacheConfig: defined(options.peftCache) }),
  }
}

/** The executor wants the share of the cross-attention cache of a model that has one, and of no other. */
function toKvCacheConfig({ modelType }: RawModelSource, options: KvCacheOptions): RawKvCacheConfig {
  const { maxTokens, freeGpuMemoryFraction, enableBlockReuse = false } = options
  const own = defined({ maxTokens, freeGpuMemoryFraction })
  const common = { enableBlockReuse, ...own, ...toGpuKvCacheConfig(options) }
  if (modelType !== 'decoder-only') return { ...common, crossKvCacheFraction: options.crossKvCacheFraction ?? 0.5 }
  if (options.crossKvCacheFraction === undefined) return common
  throw new TrtllmError('ERR_UNSUPPORTED', 'kvCache.crossKvCacheFraction needs an encoder-decoder model')
}
