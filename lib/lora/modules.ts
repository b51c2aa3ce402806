/** The modules of a model that an adapter can change: their ids, their Hugging Face names, their widths. */
import type { LoraModel } from './model.js'

export type LoraComponent = 'encoder' | 'decoder'

/** TensorRT-LLM's modules of encoder-decoder models, and their ids in the first column of a LoRA config tensor. */
export const LORA_MODULE_IDS = {
  attn_qkv: 0,
  attn_q: 1,
  attn_k: 2,
  attn_v: 3,
  attn_dense: 4,
  mlp_h_to_4h: 5,
  mlp_4h_to_h: 6,
  mlp_gate: 7,
  cross_attn_qkv: 8,
  cross_attn_q: 9,
  cross_attn_k: 10,
  cross_attn_v: 11,
  cross_attn_dense: 12,
} as const

export type LoraModule = keyof typeof LORA_MODULE_IDS

/** The module of an id, or null for an id that no encoder-decoder model has. */
export function moduleOfId(id: number): LoraModule | null {
  const found = Object.entries(LORA_MODULE_IDS).find(([, value]) => value === id)
  return found === undefined ? null : (found[0] as LoraModule)
}

/** One matrix of a model. `layer` counts within the component. */
export interface LoraPlace {
  component: LoraComponent
  layer: number
  module: LoraModule
}

export function placeText({ component, layer, module }: LoraPlace): string {
  return `${module} of ${component} layer ${layer}`
}

/** A unique text of a place. */
export function placeKey({ component, layer, module }: LoraPlace): string {
  return `${component}.${layer}.${module}`
}

/** How Hugging Face names modules: 'bart' also stands for mBART and FSMT. */
export type LoraFamily = 't5' | 'bart'

/** A place together with what its Hugging Face name says about the model; `gated` null: nothing. */
export interface NamedPlace extends LoraPlace {
  family: LoraFamily
  gated: boolean | null
}

type Leaf = Pick<NamedPlace, 'module' | 'gated'>

/** The layers of one component: `<prefix><layer>.<leaf>`. */
interface Stack {
  family: LoraFamily
  component: LoraComponent
  prefix: string
  pattern: RegExp
  leaves: ReadonlyMap<string, Leaf>
}

const T5_ATTENTION = { q: 'q', k: 'k', v: 'v', o: 'dense' }
const BART_ATTENTION = { q_proj: 'q', k_proj: 'k', v_proj: 'v', out_proj: 'dense' }

function attention(path: string, prefix: 'attn_' | 'cross_attn_', names: Record<string, string>): [string, Leaf][] {
  return Object.entries(names).map(([name, part]) => [
    `${path}.${name}`,
    { module: `${prefix}${part}` as LoraModule, gated: null },
  ])
}

function t5FeedForward(path: string): [string, Leaf][] {
  return [
    [`${path}.wi`, { module: 'mlp_h_to_4h', gated: false }],
    [`${path}.wi_0`, { module: 'mlp_h_to_4h', gated: true }],
    [`${path}.wi_1`, { module: 'mlp_gate', gated: true }],
    [`${path}.wo`, { module: 'mlp_4h_to_h', gated: null }],
  ]
}

const BART_FEED_FORWARD: [string, Leaf][] = [
  ['fc1', { module: 'mlp_h_to_4h', gated: false }],
  ['fc2', { module: 'mlp_4h_to_h', gated: false }],
]

const T5_ENCODER = [
  ...attention('layer.0.SelfAttention', 'attn_', T5_ATTENTION),
  ...t5FeedForward('layer.1.DenseReluDense'),
]
const T5_DECODER = [
  ...attention('layer.0.SelfAttention', 'attn_', T5_ATTENTION),
  ...attention('layer.1.EncDecAttention', 'cross_attn_', T5_ATTENTION),
  ...t5FeedForward('layer.2.DenseReluDense'),
]
const BART_ENCODER = [...attention('self_attn', 'attn_', BART_ATTENTION), ...BART_FEED_FORWARD]
const BART_DECODER = [...BART_ENCODER, ...attention('encoder_attn', 'cross_attn_', BART_ATTENTION)]

function stack(family: LoraFamily, component: LoraComponent, prefix: string, leaves: [string, Leaf][]): Stack {
  const pattern = new RegExp(`^${prefix.replaceAll('.', '\\.')}(0|[1-9]\\d*)\\.(.+)$`)
  return { family, component, prefix, pattern, leaves: new Map(leaves) }
}

const STACKS: readonly Stack[] = [
  stack('t5', 'encoder', 'encoder.block.', T5_ENCODER),
  stack('t5', 'decoder', 'decoder.block.', T5_DECODER),
  stack('bart', 'encoder', 'model.encoder.layers.', BART_ENCODER),
  stack('bart', 'decoder', 'model.decoder.layers.', BART_DECODER),
]

/** The place of a Hugging Face module name such as "encoder.block.3.layer.0.SelfAttention.q"; null if it is none. */
export function parseModuleName(name: string): NamedPlace | null {
  for (const { family, component, pattern, leaves } of STACKS) {
    const match = pattern.exec(name)
    const leaf = leaves.get(match?.[2] ?? '')
    if (leaf !== undefined) return { family, component, layer: Number(match?.[1]), ...leaf }
  }
  return null
}

/** All modules of a model that an adapter may have, as Hugging Face names; empty if the family is not known. */
export function moduleNames(model: LoraModel): string[] {
  const names: string[] = []
  for (const { family, component, prefix, leaves } of STACKS) {
    if (family !== model.family) continue
    const { layers, gated } = model[component]
    const fitting = [...leaves].filter(([, leaf]) => leaf.gated === null || leaf.gated === gated)
    for (let layer = 0; layer < layers; layer++) {
      for (const [leaf] of fitting) names.push(`${prefix}${layer}.${leaf}`)
    }
  }
  return names
}

/** Whether a model has the place at all; its layer is not looked at. */
export function hasModule({ component, module }: LoraPlace, model: LoraModel): boolean {
  if (module.startsWith('cross_attn_')) return component === 'decoder'
  return module !== 'mlp_gate' || model[component].gated
}

/** Input and output width of a module's matrix: A is [rank, in], B is [out, rank]. */
export interface ModuleWidths {
  in: number
  out: number
}

/** The widths that the model's matrix has. Keys and values of cross attention read what the encoder puts out. */
export function moduleWidths({ component, module }: LoraPlace, model: LoraModel): ModuleWidths {
  const { hidden, attention, intermediate } = model[component]
  switch (module) {
    case 'attn_qkv':
    case 'cross_attn_qkv':
      return { in: hidden, out: 3 * attention }
    case 'attn_q':
    case 'attn_k':
    case 'attn_v':
    case 'cross_attn_q':
      return { in: hidden, out: attention }
    case 'cross_attn_k':
    case 'cross_attn_v':
      return { in: model.encoder.hidden, out: attention }
    case 'attn_dense':
    case 'cross_attn_dense':
      return { in: attention, out: hidden }
    case 'mlp_h_to_4h':
    case 'mlp_gate':
      return { in: hidden, out: intermediate }
    case 'mlp_4h_to_h':
      return { in: intermediate, out: hidden }
  }
}

/** Encoder layer i travels behind the decoder's layers, as layer index decoderLayers + i. */
export function layerIndex({ component, layer }: LoraPlace, model: LoraModel): number {
  return component === 'decoder' ? layer : model.decoder.layers + layer
}

/** The inverse of {@link layerIndex}; null beyond the last layer. */
export function layerOfIndex(index: number, model: LoraModel): Pick<LoraPlace, 'component' | 'layer'> | null {
  if (index < 0) return null
  if (index < model.decoder.layers) return { component: 'decoder', layer: index }
  const layer = index - model.decoder.layers
  return layer < model.encoder.layers ? { component: 'encoder', layer } : null
}
