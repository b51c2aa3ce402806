/** What an adapter_config.json of PEFT says. */
import { TrtllmError } from '../errors.js'
import { isRecord } from '../validate.js'
import { firstMatches } from './patterns.js'

/** Names of modules ("q", "decoder.block.0.layer.0.SelfAttention.q"), or one pattern for whole names. */
export type ModuleRule = string | string[]

export interface PeftConfig {
  rank: number
  alpha: number
  /** alpha / √rank instead of alpha / rank. */
  rankStabilized: boolean
  dora: boolean
  /** null: the file has no rule, every module with weights is meant. */
  targetModules: ModuleRule | null
  excludeModules: ModuleRule | null
  modulesToSave: string[]
  /** Layers are chosen by number; what that means differs between releases of PEFT, so the weights decide. */
  choosesLayers: boolean
  /** Pattern and value, in the order of the file: the first that matches counts. */
  rankPattern: [string, number][]
  alphaPattern: [string, number][]
  /** Name or path of the base model, for people. */
  baseModel: string | null
}

/** Fields that change what an adapter computes and that are refused unless null, false or empty. */
const UNSUPPORTED: Record<string, string> = {
  lora_bias: 'a bias on lora_B',
  target_parameters: 'adapters of parameters',
  trainable_token_indices: 'trained embedding rows',
  layer_replication: 'replicated layers',
  alora_invocation_tokens: 'activation by tokens (aLoRA)',
  use_qalora: 'QALoRA',
  use_bdlora: 'block-diagonal adapters',
  monteclora_config: 'Monte Carlo adapters',
  kasa_config: 'KaSA',
  arrow_config: 'Arrow routing',
}

/** Initialisations that change the base model: the adapter alone does not say what was trained. */
const CHANGES_BASE = /^(pissa|corda|olora|loftq|lora_ga)/

/**
 * @param value the parsed file
 * @param file its path, for messages
 * @throws TrtllmError ERR_LORA_INVALID: a field is missing or of a wrong type; ERR_UNSUPPORTED: another kind of adapter
 */
export function parsePeftConfig(value: unknown, file: string): PeftConfig {
  if (!isRecord(value)) throw bad(file, 'must hold a JSON object')
  checkKind(value, file)
  return {
    rank: positiveInteger(value.r, 'r', file),
    alpha: number(value.lora_alpha, 'lora_alpha', file),
    rankStabilized: value.use_rslora === true,
    dora: value.use_dora === true,
    targetModules: rule(value.target_modules, 'target_modules', file),
    excludeModules: rule(value.exclude_modules, 'exclude_modules', file),
    modulesToSave: strings(value.modules_to_save ?? [], 'modules_to_save', file),
    choosesLayers: isSet(value.layers_to_transform),
    rankPattern: pattern(value.rank_pattern, 'rank_pattern', file, positiveInteger),
    alphaPattern: pattern(value.alpha_pattern, 'alpha_pattern', file, number),
    baseModel: typeof value.base_model_name_or_path === 'string' ? value.base_model_name_or_path : null,
  }
}

function checkKind(config: Record<string, unknown>, file: string): void {
  const { peft_type: type, init_lora_weights: init } = config
  if (type !== 'LORA') throw unsupported(file, `peft_type ${JSON.stringify(type)}, only LORA can be applied`)
  for (const [field, what] of Object.entries(UNSUPPORTED)) {
    if (isSet(config[field])) throw unsupported(file, `${field}: ${what}`)
  }
  if (typeof init === 'string' && CHANGES_BASE.test(init.toLowerCase())) {
    throw unsupported(
      file,
      `init_lora_weights '${init}': the adapter belongs to base weights that it has changed`,
      'save it with path_initial_model_for_weight_conversion, which makes a plain LoRA adapter of it',
    )
  }
}

/** Whether a field says something: null, false and empty lists, objects and texts do not. */
function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (isRecord(value)) return Object.keys(value).length > 0
  return typeof value === 'number' || Boolean(value)
}

function bad(file: string, what: string): TrtllmError {
  return new TrtllmError('ERR_LORA_INVALID', `${file}: ${what}`)
}

function unsupported(file: string, what: string, hint?: string): TrtllmError {
  return new TrtllmError('ERR_UNSUPPORTED', `${file}: ${what}`, { hint })
}

type Parser<T> = (value: unknown, name: string, file: string) => T

const number: Parser<number> = (value, name, file) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw bad(file, `${name} must be a number, got ${JSON.stringify(value)}`)
}

const positiveInteger: Parser<number> = (value, name, file) => {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw bad(file, `${name} must be an integer >= 1, got ${JSON.stringify(value)}`)
}

const strings: Parser<string[]> = (value, name, file) => {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw bad(file, `${name} must be a list of names, got ${JSON.stringify(value)}`)
}

const rule: Parser<ModuleRule | null> = (value, name, file) => {
  if (!isSet(value)) return null
  return typeof value === 'string' ? value : strings(value, name, file)
}

function pattern(value: unknown, name: string, file: string, parse: Parser<number>): [string, number][] {
  if (!isSet(value)) return []
  if (!isRecord(value)) throw bad(file, `${name} must be an object, got ${JSON.stringify(value)}`)
  return Object.entries(value).map(([key, item]) => [key, parse(item, `${name}['${key}']`, file)])
}

/**
 * Which of the names are targets, as PEFT decides it (but for layers chosen by number).
 * @param names of modules in the base model
 * @throws TrtllmError ERR_UNSUPPORTED: a pattern that cannot be read
 */
export function targetsOf(config: PeftConfig, names: readonly string[]): boolean[] {
  const { targetModules, excludeModules, modulesToSave } = config
  const included = targetModules === null || targetModules === 'all-linear' ? null : targetModules
  const isIncluded = included === null ? names.map(() => true) : follows(included, names, 'target_modules')
  const isExcluded = follows(excludeModules ?? [], names, 'exclude_modules')
  const saved = modulesToSave.map((module) => `(.*\\.)?${module}(\\..*)?`)
  const isSaved = firstMatches(saved, names, 'modules_to_save').map((index) => index >= 0)
  return names.map((_, i) => isIncluded[i] === true && isExcluded[i] === false && isSaved[i] === false)
}

function follows(moduleRule: ModuleRule, names: readonly string[], option: string): boolean[] {
  if (typeof moduleRule === 'string') return firstMatches([moduleRule], names, option).map((index) => index >= 0)
  return names.map((name) => moduleRule.some((wanted) => name === wanted || name.endsWith(`.${wanted}`)))
}

/** What the configuration says of one module. */
export interface ModuleScale {
  rank: number
  /** What B·A is multiplied with. */
  scale: number
}

/** Rank and scale of each name: the first pattern that matches the name or its end, else the defaults. */
export function scalesOf(config: PeftConfig, names: readonly string[]): ModuleScale[] {
  const ranks = valuesOf(config.rankPattern, config.rank, names, 'rank_pattern')
  const alphas = valuesOf(config.alphaPattern, config.alpha, names, 'alpha_pattern')
  return ranks.map((rank, i) => ({
    rank,
    scale: (alphas[i] ?? config.alpha) / (config.rankStabilized ? Math.sqrt(rank) : rank),
  }))
}

function valuesOf(
  entries: readonly [string, number][],
  otherwise: number,
  names: readonly string[],
  option: string,
): number[] {
  const patterns = entries.map(([key]) => `(.*\\.)?(${key})`)
  return firstMatches(patterns, names, option).map((index) => entries[index]?.[1] ?? otherwise)
}
