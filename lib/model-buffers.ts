/** A model in memory, as the executor's constructors take it. */
import { TrtllmError } from './errors.js'
import { describeDecoder, describePart, type Model, modelConfig, parseConfig } from './model-folder.js'
import { type FieldValidators, fields, invalid, isRecord, type Validator } from './validate.js'

/** What would be in the folder of an encoder or a decoder. */
export interface ModelBuffer {
  /**
   * Content of rank0.safetensors, or for TensorRT-LLM of rank0.engine. It is not copied: until the engine is loaded it
   * must neither be changed nor transferred to another thread.
   */
  engine: Uint8Array
  /** Text of config.json. */
  config: string
}

/** The halves of a model in memory. One rank only. */
export interface ModelBuffers {
  /** @default none: a decoder alone, whose requests bring `encoderInputFeatures` */
  encoder?: ModelBuffer | undefined
  decoder: ModelBuffer
}

const bytes: Validator<Uint8Array> = (value, path) => {
  if (value instanceof Uint8Array && value.length > 0) return value
  throw invalid(path, 'a Uint8Array that is not empty', value)
}

const text: Validator<string> = (value, path) => {
  if (typeof value === 'string') return value
  throw invalid(path, 'the text of config.json', value)
}

const BUFFER_FIELDS: FieldValidators<ModelBuffer> = { engine: bytes, config: text }

const buffer: Validator<ModelBuffer> = (value, path) => {
  const checked = fields<ModelBuffer>(BUFFER_FIELDS, 'model field')(value, path)
  return { engine: bytes(checked.engine, `${path}.engine`), config: text(checked.config, `${path}.config`) }
}

const checkFields = fields<ModelBuffers>({ encoder: buffer, decoder: buffer }, 'model field')

/** @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
export function checkModelBuffers(value: unknown): ModelBuffers {
  const { encoder, decoder } = checkFields(value, '')
  return { decoder: buffer(decoder, 'decoder'), ...(encoder && { encoder }) }
}

/** The config.json of both halves; null: there is no encoder. */
export interface ModelConfigs {
  encoder: Record<string, unknown> | null
  decoder: Record<string, unknown>
}

/** @throws TrtllmError ERR_MODEL_INVALID */
export function parseConfigs({ encoder, decoder }: ModelBuffers): ModelConfigs {
  return {
    encoder: encoder ? parseConfig('encoder.config', () => encoder.config) : null,
    decoder: parseConfig('decoder.config', () => decoder.config),
  }
}

/** @throws TrtllmError ERR_MODEL_INVALID */
export function describeConfigs({ encoder, decoder }: ModelConfigs): Model {
  const kind = kindOf(decoder)
  if (encoder !== null && kindOf(encoder) !== kind) {
    throw new TrtllmError(
      'ERR_MODEL_INVALID',
      'encoder.config and decoder.config must both be of engines or of neither',
    )
  }
  const config = modelConfig(decoder)
  return {
    folder: null,
    kind,
    decoderOnly: false,
    encoder: encoder && describePart(modelConfig(encoder)),
    decoder: describePart(config),
    ...describeDecoder(config, 'decoder.config'),
    tokenizerFile: null,
  }
}

const kindOf = (config: Record<string, unknown>): Model['kind'] =>
  isRecord(config.pretrained_config) ? 'engine' : 'checkpoint'
