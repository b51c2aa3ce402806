/** Generation settings of Hugging Face that change what is generated and that the executor does not have. */
import type { JsonObject } from './files.js'

/** Each with the values that change nothing; null and absence never do. */
const NEUTRAL: Record<string, readonly unknown[]> = {
  constraints: [],
  diversity_penalty: [0],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  exponential_decay_length_penalty: [],
  force_words_ids: [],
  guidance_scale: [1],
  max_time: [],
  num_beam_groups: [1],
  penalty_alpha: [0],
  renormalize_logits: [false],
  sequence_bias: [],
  stop_strings: [],
  top_h: [],
  typical_p: [1],
  watermarking_config: [],
}

/** As 'name: value', by name. */
export function unsupportedFields(config: JsonObject): string[] {
  const changed = Object.entries(NEUTRAL)
    .filter(([name, neutral]) => (config[name] ?? undefined) !== undefined && !neutral.includes(config[name]))
    .map(([name]) => `${name}: ${JSON.stringify(config[name])}`)
  const samplesBeams = config.do_sample === true && typeof config.num_beams === 'number' && config.num_beams > 1
  return samplesBeams ? [...changed, `do_sample: true with num_beams: ${config.num_beams}`] : changed
}
