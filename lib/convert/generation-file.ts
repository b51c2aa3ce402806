/** The generation settings of a Hugging Face folder, as one object, from whichever file holds them. */
import { join } from 'node:path'
import { type JsonObject, readJsonFileIfThere } from './files.js'

/** The settings that Hugging Face takes over from config.json, where generation_config.json is missing. */
const LEGACY_FIELDS = [
  'bad_words_ids',
  'begin_suppress_tokens',
  'bos_token_id',
  'decoder_start_token_id',
  'diversity_penalty',
  'do_sample',
  'early_stopping',
  'encoder_no_repeat_ngram_size',
  'eos_token_id',
  'forced_bos_token_id',
  'forced_eos_token_id',
  'length_penalty',
  'max_length',
  'min_length',
  'no_repeat_ngram_size',
  'num_beam_groups',
  'num_beams',
  'num_return_sequences',
  'pad_token_id',
  'repetition_penalty',
  'suppress_tokens',
  'temperature',
  'top_k',
  'top_p',
  'typical_p',
] as const

/**
 * The content of generation_config.json, or of the fields of config.json that older folders have instead; undefined
 * where there is neither file.
 * @throws TrtllmError ERR_MODEL_INVALID
 */
export async function generationFileFor(folder: string): Promise<JsonObject | undefined> {
  const generation = await readJsonFileIfThere(join(folder, 'generation_config.json'))
  if (generation !== undefined) return generation
  const config = await readJsonFileIfThere(join(folder, 'config.json'))
  return config === undefined ? undefined : fromModelConfig(config)
}

/** What config.json says about generation. */
export function fromModelConfig(config: JsonObject): JsonObject {
  const given = LEGACY_FIELDS.filter((name) => (config[name] ?? null) !== null)
  return Object.fromEntries(given.map((name) => [name, config[name]]))
}
