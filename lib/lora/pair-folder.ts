/** TensorRT-LLM's own form of an adapter: a folder with model.lora_weights.npy and model.lora_config.npy. */
import { existsSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Dtype } from '../convert/dtype.js'
import { TrtllmError } from '../errors.js'
import { type NpyArray, npyHeader, parseNpy } from './npy.js'
import { checkShapes, type LoraConfigTensor, type LoraTensors, type LoraWeights } from './tensors.js'

export const WEIGHTS_NAME = 'model.lora_weights.npy'
export const CONFIG_NAME = 'model.lora_config.npy'

/** NumPy has no bfloat16: two raw bytes stand for one. */
const TYPES: Record<Dtype, string> = { float32: '<f4', float16: '<f2', bfloat16: '|V2' }

export function isPairFolder(folder: string): boolean {
  return existsSync(join(folder, WEIGHTS_NAME)) || existsSync(join(folder, CONFIG_NAME))
}

/**
 * The tensors of a folder, with or without their leading dimension of 1.
 * @throws TrtllmError ERR_LORA_NOT_FOUND, ERR_LORA_INVALID, ERR_UNSUPPORTED
 */
export async function readPairFolder(folder: string): Promise<LoraTensors> {
  const [weights, config] = await Promise.all([
    readArray(join(folder, WEIGHTS_NAME)).then(toWeights),
    readArray(join(folder, CONFIG_NAME)).then(toConfig),
  ])
  checkShapes({ weights, config }, folder)
  return { weights, config }
}

interface NamedArray extends NpyArray {
  file: string
}

async function readArray(file: string): Promise<NamedArray> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TrtllmError('ERR_LORA_NOT_FOUND', `${file} cannot be read`, { cause })
  })
  return { file, ...parseNpy(bytes, file) }
}

function toWeights(array: NamedArray): LoraWeights {
  const [rows, width] = twoDimensions(array)
  const dtype = (Object.keys(TYPES) as Dtype[]).find((name) => TYPES[name].slice(1) === array.type.slice(1))
  if (dtype !== undefined) return { dtype, rows, width, data: array.data }
  throw new TrtllmError('ERR_UNSUPPORTED', `${array.file}: elements of type '${array.type}'`, {
    hint: `there are ${Object.values(TYPES).join(', ')} (two raw bytes: bfloat16)`,
  })
}

function toConfig(array: NamedArray): LoraConfigTensor {
  const [rows, columns] = twoDimensions(array)
  if (array.type !== '<i4') throw invalid(array, `must hold int32, got '${array.type}'`)
  if (columns !== 3 && columns !== 4) throw invalid(array, `must have 3 or 4 columns, got ${columns}`)
  return { rows, columns, data: new Int32Array(new Uint8Array(array.data).buffer) }
}

function twoDimensions(array: NamedArray): [number, number] {
  const shape = array.shape.length === 3 && array.shape[0] === 1 ? array.shape.slice(1) : array.shape
  const [rows, columns] = shape
  if (shape.length === 2 && rows !== undefined && columns !== undefined) return [rows, columns]
  throw invalid(array, `must have the shape [1, rows, columns], got [${array.shape.join(', ')}]`)
}

function invalid({ file }: NamedArray, what: string): TrtllmError {
  return new TrtllmError('ERR_LORA_INVALID', `${file} ${what}`)
}

/** Writes the two files, each [1, rows, columns], into a folder that exists. */
export async function writePairFolder({ weights, config }: LoraTensors, folder: string): Promise<void> {
  const configBytes = new Uint8Array(config.data.buffer, config.data.byteOffset, config.data.byteLength)
  await writeArray(join(folder, WEIGHTS_NAME), TYPES[weights.dtype], [1, weights.rows, weights.width], weights.data)
  await writeArray(join(folder, CONFIG_NAME), '<i4', [1, config.rows, config.columns], configBytes)
}

async function writeArray(file: string, type: string, shape: number[], data: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(npyHeader(type, shape))
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
