export {
  EMBEDDED_LORA,
  type LoraCapabilities,
  type Refusal,
  TENSORRT_LLM_LORA,
} from './adapter.js'
export { type AdapterDescription, describeAdapter, type ModuleDescription } from './describe.js'
export type { MergeOptions, MergeResult } from './merge.js'
export type { LoraComponent, LoraModule } from './modules.js'
export { readPairFolder, writePairFolder } from './pair-folder.js'
export {
  type AdapterForm,
  checkAdapter,
  type LoraSource,
  mergeIntoCheckpoint,
  type PrepareOptions,
  prepareAdapter,
} from './source.js'
export type { LoraConfigTensor, LoraTensors, LoraWeights } from './tensors.js'
