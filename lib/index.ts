export type { EngineOptions, KvCacheOptions, SchedulerOptions } from './config.js'
export type { ConstraintOptions } from './constraints.js'
export type { CrossAttentionMask, EncoderInputOptions } from './encoder-inputs.js'
export { Engine, type EngineLimits, type EngineSnapshot } from './engine.js'
export { AbortError, TrtllmError, type TrtllmErrorCode } from './errors.js'
export type {
  ExtendedRuntimePerfKnobOptions,
  GpuKvCacheOptions,
  GpuOptions,
} from './gpu-options.js'
export type { LogitsContext, LogitsProcessor, LogitsProcessorOptions } from './logits-processor.js'
export type { LoraConfigTensor, LoraSource, LoraTensors, LoraWeights } from './lora/index.js'
export type { LoraInfo, LoraOptions, Loras } from './loras.js'
export type { ModelBuffer, ModelBuffers } from './model-buffers.js'
export type { LanguageOptions } from './model-defaults.js'
export {
  type Model,
  type ModelFolder,
  type ModelKind,
  type ModelPart,
  type ModelPartFolder,
  readModelFolder,
  type SpecialTokenIds,
} from './model-folder.js'
export type { InflightBatchingStats, IterationStats, KvCacheStats, RequestStage, RequestStats } from './native.js'
export type { OutputOptions } from './outputs.js'
export type { ParallelOptions } from './parallel.js'
export type { PeftCacheOptions } from './peft-cache.js'
export type { ControlOptions, InputOptions, Request } from './request.js'
export type { FinishReason, Result, Sequence, Timings, Usage } from './response.js'
export type { SamplingOptions } from './sampling.js'
export type { EmbedRequest, Score, ScoreRequest } from './score.js'
export type { EngineStats } from './stats.js'
export type { BestSoFar, StreamChunk, TextStream } from './stream.js'
export type { Tensor } from './tensor.js'
export type { TokenIds } from './token-ids.js'
export { loadTokenizer, type Tokenizer } from './tokenizer.js'
export type { WordOptions } from './words.js'
