/** An adapter in memory, and whether it fits a model and a runtime. */
import { TrtllmError, type TrtllmErrorCode } from '../errors.js'
import type { LoraModel } from './model.js'
import { hasModule, type LoraFamily, type LoraPlace, type ModuleWidths, moduleNames, moduleWidths } from './modules.js'
import { createPauses } from './pauses.js'

/** One module of an adapter: W' = W + scale · B·A. */
export interface LoraModuleInfo {
  /** As its file names it, for messages. */
  name: string
  place: LoraPlace
  rank: number
  scale: number
  widths: ModuleWidths
  /** Weight-decomposed (DoRA): W' = m · (W + scale · B·A), row by row. */
  isDora: boolean
}

/** A module and its numbers. */
export interface LoraPair extends LoraModuleInfo {
  /** [rank, in] */
  a: Float32Array
  /** [out, rank], the scale not applied. */
  b: Float32Array
  /** [out] with DoRA, else null. */
  magnitude: Float32Array | null
}

/** Modules that belong together. */
export interface LoraModules<Module extends LoraModuleInfo = LoraModuleInfo> {
  /** The folder that they come from, or what else to call it in messages. */
  source: string
  /** How the modules are named; null where the files hold TensorRT-LLM's ids. */
  family: LoraFamily | null
  modules: Module[]
}

export interface LoraAdapter extends LoraModules<LoraPair> {
  /** PEFT stores the length of m · (W + scale · B·A)'s rows as magnitude, TensorRT-LLM wants m. */
  magnitudesAreNormalized: boolean
}

/** What a runtime can do with adapters. */
export interface LoraCapabilities {
  /** Adapters of encoder layers. */
  encoder: boolean
  /** Weight-decomposed adapters. */
  dora: boolean
  /** The output projections of self and cross attention each have an adapter, whose input is heads × headSize wide. */
  attentionDense: boolean
}

/** What TensorRT-LLM's C++ runtime can do with adapters of encoder-decoder models. */
export const TENSORRT_LLM_LORA: LoraCapabilities = {
  encoder: false,
  dora: true,
  attentionDense: false,
}

/** What the embedded runtime can do. */
export const EMBEDDED_LORA: LoraCapabilities = {
  encoder: true,
  dora: false,
  attentionDense: true,
}

/** Something of an adapter that is refused, by its name. */
export interface Refusal {
  name: string
  reason: string
}

const MOST_NAMED = 6

/** One error that names what is refused, reason by reason. */
export function refusal(
  code: TrtllmErrorCode,
  source: string,
  refused: readonly Refusal[],
  hint?: string,
): TrtllmError {
  const byReason = new Map<string, string[]>()
  for (const { name, reason } of refused) byReason.set(reason, [...(byReason.get(reason) ?? []), name])
  const parts = [...byReason].map(([reason, names]) => `${listed(names)}: ${reason}`)
  return new TrtllmError(code, `adapter ${source}: ${parts.join('; ')}`, { hint })
}

/** A few of them, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMED
  return more > 0 ? `${names.slice(0, MOST_NAMED).join(', ')} and ${more} more` : names.join(', ')
}

/**
 * Whether the adapter belongs to this model.
 * @throws TrtllmError ERR_LORA_INVALID: names the modules that the model does not have or has in another shape
 */
export function checkFits({ source, family, modules }: LoraModules, model: LoraModel): void {
  const known = family !== null && model.family !== null ? new Set(moduleNames(model)) : null
  const refused = refusals(modules, (module) => misfit(module, model, known))
  if (refused.length > 0) {
    throw refusal('ERR_LORA_INVALID', source, refused, 'was it trained on another base model?')
  }
}

/** Those modules for which there is a reason. */
function refusals<Module extends LoraModuleInfo>(
  modules: readonly Module[],
  reasonAgainst: (module: Module) => string | null,
): Refusal[] {
  return modules.flatMap((module) => {
    const reason = reasonAgainst(module)
    return reason === null ? [] : [{ name: module.name, reason }]
  })
}

function misfit({ name, place, widths }: LoraModuleInfo, model: LoraModel, known: Set<string> | null): string | null {
  const exists = known?.has(name) ?? (place.layer < model[place.component].layers && hasModule(place, model))
  if (!exists) return 'the model has no such module'
  const { in: input, out } = moduleWidths(place, model)
  if (widths.in === input && widths.out === out) return null
  return `made for a matrix of ${widths.out} × ${widths.in}, the model's is ${out} × ${input}`
}

function lacking({ place, isDora }: LoraModuleInfo, model: LoraModel, runtime: LoraCapabilities): string | null {
  if (place.component === 'encoder' && !runtime.encoder) return 'the runtime has no adapters in the encoder'
  if (isDora && !runtime.dora) return 'the runtime has no weight-decomposed adapters (DoRA)'
  if (place.module.endsWith('attn_dense') && !runtime.attentionDense) {
    return 'the runtime does not keep the output projections of self and cross attention apart'
  }
  const readsEncoder = place.module === 'cross_attn_k' || place.module === 'cross_attn_v'
  if (readsEncoder && model.encoder.hidden !== model.decoder.hidden) {
    return "runtimes take the decoder's width for the encoder's here"
  }
  return null
}

/**
 * Whether a runtime can apply the adapter, which fits the model.
 * @throws TrtllmError ERR_UNSUPPORTED: names the modules
 */
export function checkCapabilities(
  { source, modules }: LoraModules,
  model: LoraModel,
  capabilities: LoraCapabilities,
): void {
  const refused = refusals(modules, (module) => lacking(module, model, capabilities))
  const hint = 'merge it into the checkpoint instead: trtllm-node lora merge'
  if (refused.length > 0) throw refusal('ERR_UNSUPPORTED', source, refused, hint)
}

/** @throws TrtllmError ERR_LORA_INVALID: names the modules whose rank is above the limit */
export function checkRanks({ source, modules }: LoraModules, maxRank: number): void {
  const refused = refusals(modules, ({ rank }) =>
    rank > maxRank ? `rank ${rank} is above the limit ${maxRank}` : null,
  )
  if (refused.length > 0) throw refusal('ERR_LORA_INVALID', source, refused)
}

/** @throws TrtllmError ERR_LORA_INVALID: names the modules with a NaN or an infinity, the scale included */
export async function checkFinite({ source, modules }: LoraAdapter): Promise<void> {
  const refused: Refusal[] = []
  const pause = createPauses()
  for (const { name, a, b, scale, magnitude } of modules) {
    const finite = areFinite(a) && areFinite(b, scale) && (magnitude === null || areFinite(magnitude))
    if (!finite) refused.push({ name, reason: 'holds NaN or infinity' })
    await pause(a.length + b.length)
  }
  if (refused.length > 0) throw refusal('ERR_LORA_INVALID', source, refused)
}

/** Whether all products are finite float32 numbers. */
function areFinite(values: Float32Array, factor = 1): boolean {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(Math.fround((values[i] as number) * factor))) return false
  }
  return true
}
