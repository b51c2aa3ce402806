/** The sizes of a model that its adapters depend on. */
import type { Side } from '../convert/checkpoint-config.js'
import { DTYPES, type Dtype } from '../convert/dtype.js'
import { TrtllmError } from '../errors.js'
import type { Model, ModelPart } from '../model-folder.js'
import type { LoraFamily } from './modules.js'

export interface LoraModelPart {
  layers: number
  hidden: number
  /** heads × headSize, which may differ from hidden. */
  attention: number
  intermediate: number
  gated: boolean
}

export interface LoraModel {
  /** null if the model's type is not known: then names of all families are taken. */
  family: LoraFamily | null
  dtype: Dtype
  encoder: LoraModelPart
  decoder: LoraModelPart
}

const FAMILIES: Record<string, LoraFamily> = { t5: 't5', bart: 'bart', mbart: 'bart', nmt: 'bart' }

/**
 * @throws TrtllmError ERR_MODEL_INVALID: a size or the dtype is missing in the model's config.json; ERR_UNSUPPORTED for
 * a decoder-only model
 */
export function loraModel(model: Model): LoraModel {
  if (model.decoderOnly) {
    const what = `${model.folder} is a decoder-only model: adapters are for encoder-decoder ones`
    throw new TrtllmError('ERR_UNSUPPORTED', what)
  }
  const decoder = sizesOf(model.decoder, 'decoder')
  return {
    family: FAMILIES[model.modelType ?? ''] ?? null,
    dtype: dtypeOf(model.decoder),
    encoder: model.encoder ? sizesOf(model.encoder, 'encoder') : { ...decoder, layers: 0 },
    decoder,
  }
}

function sizesOf(part: ModelPart, side: Side): LoraModelPart {
  const size = (name: 'layers' | 'hiddenSize' | 'heads' | 'headSize' | 'intermediateSize') => {
    const value = part[name]
    if (value !== null && Number.isInteger(value) && value > 0) return value
    throw new TrtllmError('ERR_MODEL_INVALID', `config.json of the ${side} does not say the model's ${name}`)
  }
  return {
    layers: size('layers'),
    hidden: size('hiddenSize'),
    attention: size('heads') * size('headSize'),
    intermediate: size('intermediateSize'),
    gated: part.gatedMlp,
  }
}

function dtypeOf({ dtype }: ModelPart): Dtype {
  const found = DTYPES.find((name) => name === dtype)
  if (found !== undefined) return found
  throw new TrtllmError('ERR_MODEL_INVALID', `config.json of the decoder: dtype must be ${DTYPES.join(', ')}`)
}
