/** Engine options of TensorRT-LLM on GPUs, as the executor names them. The embedded runtime refuses them by name. */
import { PARALLEL_FIELDS, type ParallelOptions, toParallelConfig } from './parallel.js'
import type { RawExecutorConfig, RawKvCacheConfig } from './raw-config.js'
import { boolean, defined, type FieldValidators, fields, integer, number } from './validate.js'

/** GPU only. */
export interface GpuOptions {
  /** Part of the weights that is kept in GPU memory, 0 to 1, for engines built with weight streaming. @default 1 */
  gpuWeightsPercent?: number | undefined
  /** Read weights straight from storage into GPU memory. @default false */
  useGpuDirectStorage?: boolean | undefined
  extendedRuntimePerfKnobConfig?: ExtendedRuntimePerfKnobOptions | undefined
  /** Microseconds for which an idle sequence keeps its place, >= 1. @default 180_000_000 */
  maxSeqIdleMicroseconds?: number | undefined
  /** Prepare the next step on the host while the GPU runs. @default false */
  enableTrtOverlap?: boolean | undefined
  /** Several GPUs, for engines that were built for them. @default one rank, on the first GPU */
  parallel?: ParallelOptions | undefined
}

/** GPU only. */
export interface ExtendedRuntimePerfKnobOptions {
  /** Several blocks of threads for one sequence in the attention of generation steps. @default true */
  multiBlockMode?: boolean | undefined
  /** Accumulate the attention of prompts in float32. @default false */
  enableContextFMHAFP32Acc?: boolean | undefined
  /** Run generation steps as CUDA graphs. @default false */
  cudaGraphMode?: boolean | undefined
  /** Graphs that are kept, >= 0. @default 0 */
  cudaGraphCacheSize?: number | undefined
}

/** GPU only. */
export interface GpuKvCacheOptions {
  /** Bytes of host memory that blocks may be moved to. @default 0 */
  hostCacheSize?: number | undefined
  /** Unified memory. @default false */
  useUvm?: boolean | undefined
  /** Bytes of both caches; 0: no limit of this kind. @default 0 */
  maxGpuTotalBytes?: number | undefined
}

const KNOB_FIELDS: FieldValidators<ExtendedRuntimePerfKnobOptions> = {
  multiBlockMode: boolean,
  enableContextFMHAFP32Acc: boolean,
  cudaGraphMode: boolean,
  cudaGraphCacheSize: integer(0),
}

const bytes = integer(0, Number.MAX_SAFE_INTEGER)

export const GPU_FIELDS: FieldValidators<GpuOptions> = {
  gpuWeightsPercent: number('from 0 to 1', (value) => value >= 0 && value <= 1),
  useGpuDirectStorage: boolean,
  extendedRuntimePerfKnobConfig: fields<ExtendedRuntimePerfKnobOptions>(KNOB_FIELDS),
  maxSeqIdleMicroseconds: integer(1, Number.MAX_SAFE_INTEGER),
  enableTrtOverlap: boolean,
  parallel: fields<ParallelOptions>(PARALLEL_FIELDS),
}

export const GPU_KV_CACHE_FIELDS: FieldValidators<GpuKvCacheOptions> = {
  hostCacheSize: bytes,
  useUvm: boolean,
  maxGpuTotalBytes: bytes,
}

type WithGpuOptions = GpuOptions & { kvCache?: GpuKvCacheOptions | undefined }

/** Those that are given, as capabilities name them. */
export function gpuOptionNames(options: WithGpuOptions): string[] {
  const given = (object: object, known: object) =>
    Object.keys(known).filter((name) => Reflect.get(object, name) !== undefined)
  return [
    ...given(options, GPU_FIELDS),
    ...given(options.kvCache ?? {}, GPU_KV_CACHE_FIELDS).map((name) => `kvCache.${name}`),
  ]
}

export function toGpuConfig(options: GpuOptions): RawExecutorConfig {
  const { gpuWeightsPercent, useGpuDirectStorage, maxSeqIdleMicroseconds, enableTrtOverlap, parallel } = options
  const knobs = options.extendedRuntimePerfKnobConfig
  return defined({
    gpuWeightsPercent,
    useGpuDirectStorage,
    maxSeqIdleMicroseconds,
    enableTrtOverlap,
    extendedRuntimePerfKnobConfig: knobs && defined(knobs),
    parallelConfig: parallel && toParallelConfig(parallel),
  })
}

export function toGpuKvCacheConfig(options: GpuKvCacheOptions): RawKvCacheConfig {
  const { hostCacheSize, useUvm, maxGpuTotalBytes } = options
  return defined({ hostCacheSize, useUvm, maxGpuTotalBytes })
}
