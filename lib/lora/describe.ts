/** What an adapter folder holds, for people; no model is needed. */
import { BYTES_OF } from '../convert/dtype.js'
import { elementsOf } from '../convert/tensor-index.js'
import type { Refusal } from './adapter.js'
import { type LoraComponent, type LoraModule, moduleOfId } from './modules.js'
import { readPairFolder } from './pair-folder.js'
import { openPeftFolder, type PeftModule } from './peft-folder.js'
import { type AdapterForm, adapterForm } from './source.js'

export interface ModuleDescription {
  name: string
  /** null: TensorRT-LLM's files count layers through both components. */
  component: LoraComponent | null
  layer: number
  module: LoraModule
  rank: number
  /** null: folded into B. */
  scale: number | null
  /** null: only the model says it. */
  in: number | null
  out: number | null
}

export interface AdapterDescription {
  folder: string
  form: AdapterForm
  /** As the adapter names it. */
  baseModel: string | null
  dora: boolean
  /** Of the stored numbers. */
  dtypes: string[]
  /** Numbers and bytes, without the padding of TensorRT-LLM's rows where that is known. */
  parameters: number | null
  bytes: number
  modules: ModuleDescription[]
  /** What can be applied by no runtime. */
  refused: Refusal[]
}

/** @throws TrtllmError ERR_LORA_NOT_FOUND, ERR_LORA_INVALID, ERR_UNSUPPORTED */
export async function describeAdapter(folder: string): Promise<AdapterDescription> {
  return adapterForm(folder) === 'peft' ? describePeft(folder) : describePair(folder)
}

async function describePeft(folder: string): Promise<AdapterDescription> {
  const { config, modules, refused } = await openPeftFolder(folder)
  const tensors = modules.flatMap(({ a, b, magnitude }) => (magnitude === null ? [a, b] : [a, b, magnitude]))
  return {
    folder,
    form: 'peft',
    baseModel: config.baseModel,
    dora: config.dora,
    dtypes: [...new Set(tensors.map(({ dtype }) => dtype))],
    parameters: sum(tensors.map(({ shape }) => elementsOf(shape))),
    bytes: sum(tensors.map(({ shape, dtype }) => elementsOf(shape) * BYTES_OF[dtype])),
    modules: modules.map(describeModule),
    refused,
  }
}

function describeModule({ name, place, rank, scale, widths }: PeftModule): ModuleDescription {
  const { component, layer, module } = place
  return { name, component, layer, module, rank, scale, in: widths.in, out: widths.out }
}

async function describePair(folder: string): Promise<AdapterDescription> {
  const { weights, config } = await readPairFolder(folder)
  const modules: ModuleDescription[] = []
  const refused: Refusal[] = []
  let dora = false
  for (let row = 0; row < config.rows; row++) {
    const [id = -1, layer = -1, rank = 0, flag = 0] = config.data.subarray(row * config.columns)
    const module = moduleOfId(id)
    const name = `${module ?? `module ${id}`} of layer index ${layer}`
    dora ||= config.columns === 4 && flag !== 0
    if (module === null) refused.push({ name, reason: 'encoder-decoder models have no such module' })
    else modules.push({ name, component: null, layer, module, rank, scale: null, in: null, out: null })
  }
  const { dtype, data } = weights
  const bytes = data.byteLength
  return {
    folder,
    form: 'tensorrt-llm',
    baseModel: null,
    dora,
    dtypes: [dtype],
    parameters: null,
    bytes,
    modules,
    refused,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
