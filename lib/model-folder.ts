/** What a model folder is and what its files say; no weights are read and no addon is needed. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrtllmError } from './errors.js'
import { isRecord } from './validate.js'

/** 'checkpoint': TensorRT-LLM checkpoint folders; 'engine': engines that trtllm-build made. */
export type ModelKind = 'checkpoint' | 'engine'

/** One of the two halves, as its config.json describes it. What the file does not say is null. */
export interface ModelPart {
  folder: string
  weightsFile: string
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

/** Ids with a meaning to the decoder; null where the model names none. */
export interface SpecialTokenIds {
  decoderStart: number | null
  end: number | null
  begin: number | null
  pad: number | null
}

export interface ModelFolder {
  /** Absolute path. */
  folder: string
  kind: ModelKind
  modelType: string | null
  encoder: ModelPart
  decoder: ModelPart
  specialTokenIds: SpecialTokenIds
  /** tokenizer.json of the folder, if it has one. */
  tokenizerFile: string | null
}

/**
 * Looks into a model folder.
 * @throws TrtllmError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, or ERR_UNSUPPORTED for folders of other formats
 */
export function readModelFolder(path: string): ModelFolder {
  const folder = resolve(path)
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new TrtllmError('ERR_MODEL_NOT_FOUND', `there is no model folder ${folder}`)
  }
  const kind = modelKind(folder)
  const encoderConfig = readConfig(join(folder, 'encoder'))
  const decoderConfig = readConfig(join(folder, 'decoder'))
  const tokenizerFile = join(folder, 'tokenizer.json')
  return {
    folder,
    kind,
    modelType: text(decoderConfig, 'model_type'),
    encoder: describePart(join(folder, 'encoder'), kind, encoderConfig),
    decoder: describePart(join(folder, 'decoder'), kind, decoderConfig),
    specialTokenIds: readSpecialTokenIds(join(folder, 'decoder'), decoderConfig),
    tokenizerFile: existsSync(tokenizerFile) ? tokenizerFile : null,
  }
}

const WEIGHTS_FILE: Record<ModelKind, string> = { checkpoint: 'rank0.safetensors', engine: 'rank0.engine' }

function modelKind(folder: string): ModelKind {
  const has = (file: string) => existsSync(join(folder, file))
  if (has('decoder/rank0.engine')) return 'engine'
  if (has('decoder/rank0.safetensors')) return 'checkpoint'
  if (has('config.json') && (has('model.safetensors') || has('pytorch_model.bin'))) {
    throw new TrtllmError('ERR_UNSUPPORTED', `${folder} is a Hugging Face folder, not a checkpoint`, {
      hint: 'Engine.load converts it by itself; `trtllm-node convert` writes the checkpoint where you want it',
    })
  }
  throw new TrtllmError('ERR_MODEL_INVALID', `${folder} is no encoder-decoder model folder`, {
    hint: 'expected encoder/ and decoder/, each with config.json and rank0.safetensors (or rank0.engine)',
  })
}

/** The model's config; of an engine the part that describes the model. */
function readConfig(folder: string): Record<string, unknown> {
  const file = join(folder, 'config.json')
  const config = parseJson(file)
  const model = config.pretrained_config
  return isRecord(model) ? model : config
}

function parseJson(file: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TrtllmError('ERR_MODEL_INVALID', `${file} cannot be read: ${reason}`, { cause })
  }
  if (!isRecord(parsed)) throw new TrtllmError('ERR_MODEL_INVALID', `${file} must hold a JSON object`)
  return parsed
}

function describePart(folder: string, kind: ModelKind, config: Record<string, unknown>): ModelPart {
  const weightsFile = join(folder, WEIGHTS_FILE[kind])
  if (!existsSync(weightsFile)) throw new TrtllmError('ERR_MODEL_INVALID', `${weightsFile} is missing`)
  const mapping = isRecord(config.mapping) ? config.mapping : {}
  return {
    folder,
    weightsFile,
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

function readSpecialTokenIds(folder: string, config: Record<string, unknown>): SpecialTokenIds {
  const id = (name: string) => {
    const value = config[name] ?? null
    if (value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 0)) return value
    const file = join(folder, 'config.json')
    throw new TrtllmError(
      'ERR_MODEL_INVALID',
      `${file}: ${name} must be a token id or null, got ${JSON.stringify(value)}`,
    )
  }
  return {
    decoderStart: id('decoder_start_token_id'),
    end: id('eos_token_id'),
    begin: id('bos_token_id'),
    pad: id('pad_token_id'),
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
