/** Engine options at the native border. Names are the executor's, without `set`; native/addon/config.cpp reads them. */

export interface RawExecutorConfig {
  maxBatchSize?: number
  maxNumTokens?: number
  maxBeamWidth?: number
  maxQueueSize?: number
  iterStatsMaxIterations?: number
  requestStatsMaxIterations?: number
  normalizeLogProbs?: boolean
  enableChunkedContext?: boolean
  gatherGenerationLogits?: boolean
  schedulerConfig?: { capacitySchedulerPolicy?: RawCapacitySchedulerPolicy }
  kvCacheConfig?: RawKvCacheConfig
  peftCacheConfig?: RawPeftCacheConfig
  parallelConfig?: RawParallelConfig
  decodingConfig?: RawDecodingConfig
  gpuWeightsPercent?: number
  useGpuDirectStorage?: boolean
  extendedRuntimePerfKnobConfig?: RawExtendedRuntimePerfKnobConfig
  maxSeqIdleMicroseconds?: number
  enableTrtOverlap?: boolean
}

export type RawCapacitySchedulerPolicy = 'max-utilization' | 'guaranteed-no-evict' | 'static-batch'

export interface RawKvCacheConfig {
  enableBlockReuse?: boolean
  maxTokens?: number
  freeGpuMemoryFraction?: number
  crossKvCacheFraction?: number
  hostCacheSize?: number
  useUvm?: boolean
  maxGpuTotalBytes?: number
}

export interface RawPeftCacheConfig {
  numHostModuleLayer?: number
  numDeviceModuleLayer?: number
  optimalAdapterSize?: number
  maxAdapterSize?: number
  numPutWorkers?: number
  numEnsureWorkers?: number
  numCopyStreams?: number
  maxPagesPerBlockHost?: number
  maxPagesPerBlockDevice?: number
  deviceCachePercent?: number
  hostCacheSize?: number
}

export interface RawParallelConfig {
  deviceIds?: Int32Array
  participantIds?: Int32Array
}

export interface RawDecodingConfig {
  decodingMode?: 'auto' | 'top-k' | 'top-p' | 'top-k-top-p' | 'beam-search'
}

export interface RawExtendedRuntimePerfKnobConfig {
  multiBlockMode?: boolean
  enableContextFMHAFP32Acc?: boolean
  cudaGraphMode?: boolean
  cudaGraphCacheSize?: number
}

export interface RawRuntimeOptions {
  threads?: number
  weights?: 'auto' | 'float32' | 'bfloat16' | 'int8'
  tokensPerBlock?: number
  encoderTokenBudget?: number
  reuseEncoder?: boolean
  /** What the engines were built for, where the runtime cannot tell it. */
  engineLimits?: RawEngineLimits
}

/** A model in memory, which must stay as it is until the engine is loaded. */
export interface RawModelBuffer {
  engine: Uint8Array
  config: string
}

/** Both halves as folders, or both in memory. */
export interface RawModelSource {
  /** No encoder: requests bring its output. */
  encoderPath?: string
  decoderPath?: string
  encoderBuffer?: RawModelBuffer
  decoderBuffer?: RawModelBuffer
  /** 'decoder-only': a model that never had an encoder. @default 'encoder-decoder' */
  modelType?: 'encoder-decoder' | 'decoder-only'
}

export interface RawEngineOptions {
  model: RawModelSource
  config: RawExecutorConfig
  runtime: RawRuntimeOptions
}

/** What a loaded engine accepts. */
export interface RawEngineLimits {
  /** Most requests that run at once. */
  maxBatchSize: number
  /** Most tokens in one iteration. */
  maxNumTokens: number
  maxBeamWidth: number
  /** Longest encoder input, tokens. */
  maxInputLength: number
  /** Most decoder tokens of a request, prompt and generated ones. */
  maxSequenceLength: number
  /** Encoder ids are smaller. */
  encoderVocabSize: number
  /** Decoder ids are smaller. */
  decoderVocabSize: number
  /** Size of a cache block, tokens. */
  tokensPerBlock: number
  /** Most encoder tokens of one iteration. */
  encoderTokenBudget: number
  /** Largest rank of an adapter; 0: the engine takes none. */
  maxAdapterRank: number
}
