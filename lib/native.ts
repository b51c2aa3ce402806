/**
 * The native addon: how it is found, and its surface. Nothing else knows the `.node` file. What crosses is in
 * `raw-config.ts`, `raw-request.ts` and `raw-response.ts`.
 *
 * Both directions are batched: `enqueue` takes many requests, the response pump hands over all ready responses as
 * flat typed arrays in one call.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { TrtllmError } from './errors.js'
import type { RawEngineLimits, RawEngineOptions } from './raw-config.js'
import type { RawRequest } from './raw-request.js'
import type { RawLogitsBatch, RawResponseBatch } from './raw-response.js'

/** What a loaded engine accepts, and what it chose. What the runtime does not tell is absent. */
export interface RawLimits extends RawEngineLimits {
  /** Blocks of the cache that grows with each generated token. */
  numSelfBlocks?: number
  /** Blocks of the cache that holds encoder outputs. */
  numCrossBlocks?: number
  /** Threads of the arithmetic. */
  threads?: number
  /** How the weights are held. */
  weights?: 'float32' | 'bfloat16' | 'int8'
}

/** The state between two iterations. */
export interface RawSnapshot {
  /** Requests that wait. */
  numQueuedRequests: number
  /** Requests that have started and not ended. */
  numActiveRequests: number
  /** Blocks in use of `limits.numSelfBlocks`. */
  usedSelfBlocks: number
  /** Blocks in use of `limits.numCrossBlocks`. */
  usedCrossBlocks: number
  /** Iterations since the start. */
  iteration: number
}

export interface RawEngine {
  readonly limits: RawLimits
  readonly canEnqueueRequests: boolean
  /** One id, or one error message, per request, in order. Never throws for one bad request. */
  enqueue(requests: RawRequest[]): (number | string)[]
  /** Unknown and ended ids are ignored. */
  cancel(ids: number[]): void
  /** Drops adapters as soon as no request uses them; unknown ids are ignored. Nothing happens after `close`. */
  releaseAdapters(ids: number[]): void
  /** Keeps an adapter from eviction, from when it is cached. Nothing happens after `close`. */
  pinAdapter(id: number, pinned: boolean): void
  snapshot(): RawSnapshot
  /** What was recorded since the last call; reading takes it. */
  takeStats(): RawStats
  /** Cancels what is in flight, drains the pump, shuts the executor down. The same promise on every call. */
  close(): Promise<void>
  /** Only where `canEnqueueRequests` is false, beside nothing but that and `limits`: whether the leader has closed. */
  hasEnded?(): boolean
}

/** One pool of cache blocks: the first four of this moment, the next four since the start. */
export interface KvCacheStats {
  maxNumBlocks: number
  freeNumBlocks: number
  usedNumBlocks: number
  tokensPerBlock: number
  allocTotalBlocks: number
  allocNewBlocks: number
  reusedBlocks: number
  missedBlocks: number
  /** reused / (reused + missed), 0 if both are 0. */
  cacheHitRate: number
}

/** The decoder's part of one iteration. */
export interface InflightBatchingStats {
  numScheduledRequests: number
  numContextRequests: number
  numGenRequests: number
  numPausedRequests: number
  numCtxTokens: number
  microBatchId: number
  avgNumDecodedTokensPerIter: number
}

/** One iteration. Names and meanings are the executor's. */
export interface IterationStats {
  /** Local time: month-day-year hours:minutes:seconds.microseconds. */
  timestamp: string
  iter: number
  iterLatencyMS: number
  /** Sum over the requests that became active. */
  newActiveRequestsQueueLatencyMS: number
  numNewActiveRequests: number
  numActiveRequests: number
  numQueuedRequests: number
  numCompletedRequests: number
  maxNumActiveRequests: number
  maxBatchSizeStatic: number
  maxBatchSizeTunerRecommended: number
  maxBatchSizeRuntime: number
  maxNumTokensStatic: number
  maxNumTokensTunerRecommended: number
  maxNumTokensRuntime: number
  /** Bytes. */
  gpuMemUsage: number
  cpuMemUsage: number
  pinnedMemUsage: number
  kvCacheStats?: KvCacheStats
  crossKvCacheStats?: KvCacheStats
  inflightBatchingStats?: InflightBatchingStats
}

export type RequestStage =
  | 'queued'
  | 'encoder-in-progress'
  | 'context-in-progress'
  | 'generation-in-progress'
  | 'generation-complete'

export interface RequestStats {
  id: number
  stage: RequestStage
  contextPrefillPosition: number
  numGeneratedTokens: number
  avgNumDecodedTokensPerIter: number
  scheduled: boolean
  paused: boolean
  allocTotalBlocksPerRequest: number
  allocNewBlocksPerRequest: number
  reusedBlocksPerRequest: number
  missedBlocksPerRequest: number
  kvCacheHitRatePerRequest: number
}

export interface RawStats {
  iterations: IterationStats[]
  requests: { iter: number; requestStats: RequestStats[] }[]
}

export interface NativeAddon {
  readonly runtime: 'embedded' | 'tensorrt-llm'
  /** Version of the Executor API, e.g. "1.2.1". */
  readonly apiVersion: string
  readonly capabilities: string[]
  /**
   * Loads off the main thread. The two listeners must not throw. They are held for the engine's life: if they referred
   * to the engine, one that nobody closed could never be collected. The runtime waits while `onLogits` runs.
   */
  createEngine(
    options: RawEngineOptions,
    onResponses: (batch: RawResponseBatch) => void,
    onLogits: (batch: RawLogitsBatch) => void,
  ): Promise<RawEngine>
  /**
   * Ends the engines that are open, within seconds: for a process that exits, where nothing else does. TensorRT-LLM's
   * own exit handlers run then, and wait for the other ranks.
   */
  endEngines(): void
  /** Opens an installed TensorRT-LLM for the addon that was compiled for it. */
  preload(plan: RawPreloadPlan): Promise<void>
  /** Starts and ends MPI, whose library is at `path`: for a process that does nothing else. */
  tryMpi(path: string): Promise<void>
}

/** The libraries of an installation; all paths are full. */
export interface RawPreloadPlan {
  /** In the order of opening. */
  dependencies: { soname: string; path: string; global: boolean }[]
  /** libtensorrt_llm.so */
  runtime: string
  /** libnvinfer_plugin_tensorrt_llm.so */
  plugins: string
  /** What the runtime must say it is. */
  version: string
}

/**
 * The embedded addon: build/Release of a checkout or source install, else the packed prebuild of this platform.
 * @throws TrtllmError ERR_ADDON_LOAD
 */
export function loadAddon(): NativeAddon {
  return explained((require) => require(findAddon(require)) as NativeAddon)
}

/**
 * Where that addon lies.
 * @throws TrtllmError ERR_ADDON_LOAD
 */
export const addonFile = (): string => explained(findAddon)

function findAddon(require: NodeJS.Require): string {
  return (require('node-gyp-build') as { resolve(folder: string): string }).resolve(packageRoot)
}

function explained<T>(load: (require: NodeJS.Require) => T): T {
  try {
    return load(createRequire(import.meta.url))
  } catch (cause) {
    throw explainLoadFailure(cause, currentPlatform())
  }
}

export interface Platform {
  os: string
  arch: string
  /** Version of the C library glibc; undefined where there is none (musl). */
  glibc: string | undefined
}

/** Why the addon did not load here, what was tried, and the command that mends it. */
export function explainLoadFailure(cause: unknown, { os, arch, glibc }: Platform): TrtllmError {
  const reason = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause)
  const failure = (why: string, hint: string) =>
    new TrtllmError('ERR_ADDON_LOAD', `the native addon of trtllm-node did not load: ${why}`, { cause, hint })
  const elsewhere = 'run it in Linux on x86-64 with glibc, for example in the container node:20-bookworm'
  if (os !== 'linux' || arch !== 'x64') return failure(`there is none for ${os}-${arch}`, elsewhere)
  if (glibc === undefined) return failure('this system uses musl, not glibc', elsewhere)
  if (reason.includes('GLIBC_')) return failure(`glibc ${glibc} is too old: ${reason}`, 'it needs glibc 2.34 or newer')
  return failure(
    `tried build/Release and prebuilds/linux-x64 in ${packageRoot}: ${reason}`,
    'compile it with `npm rebuild trtllm-node`, in a checkout with `npm run build` (needs g++, cmake, make and libhwy-dev)',
  )
}

/** lib/ and dist/ both lie directly in it. */
export const packageRoot = fileURLToPath(new URL('..', import.meta.url))

function currentPlatform(): Platform {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return { os: process.platform, arch: process.arch, glibc: report.header?.glibcVersionRuntime }
}
