export type { EngineOptions, KvCacheOptions, SchedulerOptions } from './config.js'
export { Engine, type EngineLimits, type EngineSnapshot } from './engine.js'
export { AbortError, TrtllmError, type TrtllmErrorCode } from './errors.js'
export {
  type ModelFolder,
  type ModelKind,
  type ModelPart,
  readModelFolder,
  type SpecialTokenIds,
} from './model-folder.js'
export type { InflightBatchingStats, IterationStats, KvCacheStats, RequestStage, RequestStats } from './native.js'
export type { Request, TokenIds } from './request.js'
export type { FinishReason, Result, Timings, Usage } from './response.js'
export type { EngineStats } from './stats.js'
export type { StreamChunk, TextStream } from './stream.js'
export { loadTokenizer, type Tokenizer } from './tokenizer.js'
