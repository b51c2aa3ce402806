/** What a model folder is and what its files say; no weights are read and no addon is needed. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrtllmError } from './errors.js'
import { isRecord } from './validate.js'

/** 'checkpoint': TensorRT-LLM checkpoint folders; 'engine': engines that trtllm-build made. */
export type ModelKind = 'checkpoint' | 'engine'

/** One of the two halves, as its config.json describes it. What the file does not say is null. */
export interface ModelPart {
  architecture: string | null
  dtype: string | null
  vocabSize: number | null
  layers: number | null
  hiddenSize: number | null
  heads: number | null
  headSize: number | null
  intermediateSize: number | null
  gatedMlp: boolean
  maxPositionEmbeddings: number | null
  positionEmbedding: string | null
  /** Rank files: each layer's matrices are split over so many... */
  tensorParallel: number
  /** ...and the layers over so many stages. */
  pipelineParallel: number
}

export interface ModelPartFolder extends ModelPart {
  folder: string
  weightsFile: string
}

/** Ids with a meaning to the decoder; null where the model names none. */
export interface SpecialTokenIds {
  decoderStart: number | null
  end: number | null
  begin: number | null
  pad: number | null
}

/** What an engine runs. */
export interface Model {
  /** Absolute path; null: it came from memory. */
  folder: string | null
  kind: ModelKind
  modelType: string | null
  /** A model that never had an encoder: its engine lies in the folder itself, and `input` is the prompt. */
  decoderOnly: boolean
  /** null: there is none. Unless `decoderOnly` it is a decoder alone, whose requests bring `encoderInputFeatures`. */
  encoder: ModelPart | null
  decoder: ModelPart
  /** Columns of the encoder's output. */
  encoderHiddenSize: number | null
  specialTokenIds: SpecialTokenIds
  /** tokenizer.json of the folder, if it has one. */
  tokenizerFile: string | null
}

export interface ModelFolder extends Model {
  folder: string
  encoder: ModelPartFolder | null
  decoder: ModelPartFolder
}

export const isModelFolder = (model: Model): model is ModelFolder => model.folder !== null

/**
 * Looks into a model folder. One that holds decoder/ and no encoder/ is a decoder alone; rank0.engine beside
 * config.json is a decoder-only model.
 * @throws TrtllmError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, or ERR_UNSUPPORTED for folders of other formats
 */
export function readModelFolder(path: string): ModelFolder {
  const folder = resolve(path)
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new TrtllmError('ERR_MODEL_NOT_FOUND', `there is no model folder ${folder}`)
  }
  const { kind, decoderOnly } = modelKind(folder)
  const encoder = join(folder, 'encoder')
  const decoder = decoderOnly ? folder : join(folder, 'decoder')
  const hasEncoder = !decoderOnly && existsSync(encoder)
  const decoderFile = join(decoder, 'config.json')
  const decoderConfig = readConfig(decoderFile)
  const tokenizerFile = join(folder, 'tokenizer.json')
  return {
    folder,
    kind,
    decoderOnly,
    encoder: hasEncoder ? readPart(encoder, kind, readConfig(join(encoder, 'config.json'))) : null,
    decoder: readPart(decoder, kind, decoderConfig),
    ...describeDecoder(decoderConfig, decoderFile),
    tokenizerFile: existsSync(tokenizerFile) ? tokenizerFile : null,
  }
}

const WEIGHTS_FILE: Record<ModelKind, string> = { checkpoint: 'rank0.safetensors', engine: 'rank0.engine' }

function modelKind(folder: string): { kind: ModelKind; decoderOnly: boolean } {
  const has = (file: string) => existsSync(join(folder, file))
  if (has('decoder/rank0.engine')) return { kind: 'engine', decoderOnly: false }
  if (has('decoder/rank0.safetensors')) return { kind: 'checkpoint', decoderOnly: false }
  if (has('rank0.engine')) return { kind: 'engine', decoderOnly: true }
  if (has('config.json') && (has('model.safetensors') || has('pytorch_model.bin'))) {
    throw new TrtllmError('ERR_UNSUPPORTED', `${folder} is a Hugging Face folder, not a checkpoint`, {
      hint: 'Engine.load converts it by itself; `trtllm-node convert` writes the checkpoint where you want it',
    })
  }
  throw new TrtllmError('ERR_MODEL_INVALID', `${folder} is no encoder-decoder model folder`, {
    hint:
      'expected encoder/ and decoder/ (or decoder/ alone), each with config.json and rank0.safetensors (or rank0.engine); ' +
      'or config.json and rank0.engine of a decoder-only model',
  })
}

function readConfig(file: string): Record<string, unknown> {
  return modelConfig(parseConfig(file, () => readFileSync(file, 'utf8')))
}

/** The model's config; of an engine the part that describes the model. */
export function modelConfig(config: Record<string, unknown>): Record<string, unknown> {
  const model = config.pretrained_config
  return isRecord(model) ? model : config
}

/** @throws TrtllmError ERR_MODEL_INVALID */
export function parseConfig(name: string, read: () => string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(read())
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TrtllmError('ERR_MODEL_INVALID', `${name} cannot be read: ${reason}`, { cause })
  }
  if (!isRecord(parsed)) throw new TrtllmError('ERR_MODEL_INVALID', `${name} must hold a JSON object`)
  return parsed
}

function readPart(folder: string, kind: ModelKind, config: Record<string, unknown>): ModelPartFolder {
  const weightsFile = join(folder, WEIGHTS_FILE[kind])
  if (!existsSync(weightsFile)) throw new TrtllmError('ERR_MODEL_INVALID', `${weightsFile} is missing`)
  return { folder, weightsFile, ...describePart(config) }
}

export function describePart(config: Record<string, unknown>): ModelPart {
  const mapping = isRecord(config.mapping) ? config.mapping : {}
  return {
    architecture: text(config, 'architecture'),
    dtype: text(config, 'dtype'),
    vocabSize: count(config, 'vocab_size'),
    layers: count(config, 'num_hidden_layers'),
    hiddenSize: count(config, 'hidden_size'),
    heads: count(config, 'num_attention_heads'),
    headSize: count(config, 'head_size'),
    intermediateSize: count(config, 'intermediate_size'),
    gatedMlp: config.gated_act === true,
    maxPositionEmbeddings: count(config, 'max_position_embeddings'),
    positionEmbedding: text(config, 'position_embedding_type'),
    tensorParallel: count(mapping, 'tp_size') ?? 1,
    pipelineParallel: count(mapping, 'pp_size') ?? 1,
  }
}

/**
 * What the decoder's config says about the whole model.
 * @param name of the config, for errors
 * @throws TrtllmError ERR_MODEL_INVALID
 */
export function describeDecoder(
  config: Record<string, unknown>,
  name: string,
): Pick<Model, 'modelType' | 'encoderHiddenSize' | 'specialTokenIds'> {
  const id = (field: string) => {
    const value = config[field] ?? null
    if (value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0)) return value
    throw new TrtllmError(
      'ERR_MODEL_INVALID',
      `${name}: ${field} must be a token id or null, got ${JSON.stringify(value)}`,
    )
  }
  return {
    modelType: text(config, 'model_type'),
    encoderHiddenSize: count(config, 'encoder_hidden_size') ?? count(config, 'hidden_size'),
    specialTokenIds: {
      decoderStart: id('decoder_start_token_id'),
      end: id('eos_token_id'),
      begin: id('bos_token_id'),
      pad: id('pad_token_id'),
    },
  }
}

function text(config: Record<string, unknown>, name: string): string | null {
  const value = config[name]
  return typeof value === 'string' ? value : null
}

function count(config: Record<string, unknown>, name: string): number | null {
  const value = config[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
