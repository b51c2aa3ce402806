export { type CacheOptions, checkpointFor } from './cache.js'
export { type Conversion, type ConvertOptions, type ConvertProgress, convertModel } from './convert.js'
export type { Dtype } from './dtype.js'
