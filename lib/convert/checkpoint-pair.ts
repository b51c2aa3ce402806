/** Reads the two halves of a checkpoint and checks that they fit each other. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrtllmError } from '../errors.js'
import { isRecord } from '../validate.js'
import type { Side } from './checkpoint-config.js'
import { type JsonObject, readJsonFile } from './files.js'

export interface CheckpointPair {
  /** Absolute path. */
  folder: string
  encoder: JsonObject
  decoder: JsonObject
  tp: number
  pp: number
  dtype: string
  modelType: string
  /** Algorithm of the weights, such as 'FP8'; null: none. */
  quantAlgo: string | null
}

const ARCHITECTURES: Record<Side, string> = { encoder: 'EncoderModel', decoder: 'DecoderModel' }

/** Fields that must be equal in both halves. */
const EQUAL = ['dtype', 'model_type', 'mapping.tp_size', 'mapping.pp_size', 'quantization.quant_algo'] as const

/** The decoder's fields that repeat one of the encoder's. */
const REPEATED = [
  ['encoder_hidden_size', 'hidden_size'],
  ['encoder_num_heads', 'num_attention_heads'],
  ['encoder_head_size', 'head_size'],
] as const

/**
 * @throws TrtllmError ERR_MODEL_INVALID naming every contradiction and missing file
 */
export async function readCheckpointPair(path: string): Promise<CheckpointPair> {
  const folder = resolve(path)
  const encoder = await readJsonFile(join(folder, 'encoder/config.json'))
  const decoder = await readJsonFile(join(folder, 'decoder/config.json'))
  const problems = [...contradictions(encoder, decoder), ...missingFiles(folder, decoder)]
  if (problems.length > 0) {
    throw new TrtllmError('ERR_MODEL_INVALID', `${folder}: ${problems.join('; ')}`, {
      hint: 'encoder and decoder must come from one conversion',
    })
  }
  return {
    folder,
    encoder,
    decoder,
    tp: countAt(decoder, 'mapping.tp_size'),
    pp: countAt(decoder, 'mapping.pp_size'),
    dtype: String(decoder.dtype),
    modelType: String(decoder.model_type),
    quantAlgo: textAt(decoder, 'quantization.quant_algo'),
  }
}

/** What of an encoder's and a decoder's config contradicts; also for the pretrained_config of engines. */
export function contradictions(encoder: JsonObject, decoder: JsonObject): string[] {
  const problems: string[] = []
  for (const [side, config] of [['encoder', encoder] as const, ['decoder', decoder] as const]) {
    if (config.architecture !== ARCHITECTURES[side]) {
      problems.push(`${side}: architecture is ${show(config.architecture)}, not ${show(ARCHITECTURES[side])}`)
    }
  }
  const compare = (name: string, a: unknown, b: unknown) => {
    if (a !== b) problems.push(`${name} is ${show(a)} in the encoder and ${show(b)} in the decoder`)
  }
  for (const name of EQUAL) compare(name, valueAt(encoder, name), valueAt(decoder, name))
  for (const [ours, theirs] of REPEATED) compare(`${theirs} (${ours})`, encoder[theirs], decoder[ours])
  if (decoder.cross_attention === false) problems.push('the decoder has no cross attention')
  return problems
}

function missingFiles(folder: string, config: JsonObject): string[] {
  const ranks = countAt(config, 'mapping.tp_size') * countAt(config, 'mapping.pp_size')
  return (['encoder', 'decoder'] as const).flatMap((side) =>
    Array.from({ length: ranks }, (_, rank) => `${side}/rank${rank}.safetensors`)
      .filter((file) => !existsSync(join(folder, file)))
      .map((file) => `${file} is missing`),
  )
}

/** The value at a path such as 'mapping.tp_size'; undefined where there is none. */
export function valueAt(config: JsonObject, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), config)
}

/** 1 where it is absent. */
export function countAt(config: JsonObject, path: string): number {
  const value = valueAt(config, path)
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 1
}

function textAt(config: JsonObject, path: string): string | null {
  const value = valueAt(config, path)
  return typeof value === 'string' ? value : null
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'absent'
