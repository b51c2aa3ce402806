/** The types of what a program hands over as an adapter; what it says is checked when it is read. */
import { resolve } from 'node:path'
import { DTYPES } from '../convert/dtype.js'
import { TrtllmError } from '../errors.js'
import { type FieldValidators, fields, integer, invalid, isRecord, oneOf, type Validator } from '../validate.js'
import type { LoraSource } from './source.js'
import type { LoraConfigTensor, LoraTensors, LoraWeights } from './tensors.js'

const WEIGHTS_FIELDS: FieldValidators<LoraWeights> = {
  dtype: oneOf(DTYPES),
  rows: integer(1),
  width: integer(1),
  data: (value, path) => {
    if (value instanceof Uint8Array) return value
    throw invalid(path, 'a Uint8Array', value)
  },
}

const CONFIG_FIELDS: FieldValidators<LoraConfigTensor> = {
  rows: integer(1),
  columns: (value, path) => {
    if (value === 3 || value === 4) return value
    throw invalid(path, '3 or 4', value)
  },
  data: (value, path) => {
    if (value instanceof Int32Array) return value
    throw invalid(path, 'an Int32Array', value)
  },
}

const checkTensors = whole<LoraTensors>({ weights: whole(WEIGHTS_FIELDS), config: whole(CONFIG_FIELDS) })

/** An object with all of the fields. */
function whole<T extends object>(validators: FieldValidators<T>): Validator<T> {
  const check = fields<T>(validators, 'field of an adapter')
  return (value, path) => {
    const found = check(value, path)
    for (const name of Object.keys(validators)) {
      if (!Object.hasOwn(found, name)) throw new TrtllmError('ERR_INVALID_ARGUMENT', `${path}.${name} is missing`)
    }
    return found as T
  }
}

/**
 * A folder becomes an absolute path.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function checkLoraSource(value: unknown): LoraSource {
  if (typeof value === 'string' && value !== '') return resolve(value)
  if (isRecord(value)) return checkTensors(value, 'the adapter')
  throw invalid('the adapter', 'the path of a folder, or { weights, config }', value)
}
