/** The engine's cache of adapters: options and their checks. */
import { type FieldValidators, fraction, integer } from './validate.js'

/**
 * The cache of adapters, as `PeftCacheConfig`. It holds what requests use and the least recently used of the rest; an
 * adapter that was evicted comes back by itself with its next request.
 */
export interface PeftCacheOptions {
  /** Bytes of the cache in host memory, >= 1. @default 2 ** 30 */
  hostCacheSize?: number | undefined
  /** The same as a number of modules of the largest kind with the largest rank, >= 0; 0: by `hostCacheSize`. @default 0 */
  numHostModuleLayer?: number | undefined
  /** Largest rank of an adapter, >= 1: `limits.maxAdapterRank`. @default 64 (engines: at most what they were built for) */
  maxAdapterSize?: number | undefined
  /** Rank that the cache's pages are made for, >= 1. @default 8 */
  optimalAdapterSize?: number | undefined
  /** GPU: part of the memory left after loading that holds adapters, between 0 and 1. @default 0.02 */
  deviceCachePercent?: number | undefined
  /** GPU: as `numHostModuleLayer`; 0: by `deviceCachePercent`. @default 0 */
  numDeviceModuleLayer?: number | undefined
  /** GPU: threads that put adapters into the host cache, >= 1. @default 1 */
  numPutWorkers?: number | undefined
  /** GPU: threads that copy adapters to the device, >= 1. @default 1 */
  numEnsureWorkers?: number | undefined
  /** GPU: streams of these copies, >= 1. @default 1 */
  numCopyStreams?: number | undefined
  /** GPU: pages that the host cache allocates at once, >= 1. @default 24 */
  maxPagesPerBlockHost?: number | undefined
  /** GPU: the same of the device cache. @default 8 */
  maxPagesPerBlockDevice?: number | undefined
}

export const PEFT_CACHE_FIELDS: FieldValidators<PeftCacheOptions> = {
  hostCacheSize: integer(1, Number.MAX_SAFE_INTEGER),
  numHostModuleLayer: integer(0),
  maxAdapterSize: integer(1),
  optimalAdapterSize: integer(1),
  deviceCachePercent: fraction,
  numDeviceModuleLayer: integer(0),
  numPutWorkers: integer(1),
  numEnsureWorkers: integer(1),
  numCopyStreams: integer(1),
  maxPagesPerBlockHost: integer(1),
  maxPagesPerBlockDevice: integer(1),
}
