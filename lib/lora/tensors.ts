/**
 * The two tensors in which TensorRT-LLM takes an adapter. One row for each (module, layer):
 *
 *   config   module id, layer index, rank, and in a fourth column, if there is one, 1 for DoRA
 *   weights  A [rank, in], B [out, rank] with the scale folded in, with DoRA the magnitude [out], then zeros
 */
import { BYTES_OF, type Dtype, fromFloat32, toFloat32 } from '../convert/dtype.js'
import { TrtllmError } from '../errors.js'
import type { LoraAdapter, LoraPair } from './adapter.js'
import type { LoraModel } from './model.js'
import {
  LORA_MODULE_IDS,
  type LoraModule,
  type LoraPlace,
  layerIndex,
  layerOfIndex,
  moduleOfId,
  moduleWidths,
  placeKey,
  placeText,
} from './modules.js'
import { createPauses } from './pauses.js'

export interface LoraTensors {
  weights: LoraWeights
  config: LoraConfigTensor
}

/** [rows, width], row-major. */
export interface LoraWeights {
  dtype: Dtype
  rows: number
  width: number
  /** Little-endian, rows × width × bytes of the dtype. */
  data: Uint8Array
}

/** int32 [rows, columns], row-major. */
export interface LoraConfigTensor {
  rows: number
  columns: 3 | 4
  data: Int32Array
}

/**
 * The tensors of an adapter, rows in the order of layers and module ids. The adapter must fit the model.
 * @throws TrtllmError ERR_UNSUPPORTED: names a module with a number that is too large for float16
 */
export async function toLoraTensors(adapter: LoraAdapter, model: LoraModel, dtype: Dtype): Promise<LoraTensors> {
  const rows = adapter.modules
    .map((pair) => toRow(pair, model))
    .sort((x, y) => x.layer - y.layer || x.module - y.module)
  const width = Math.max(...rows.map(({ pair }) => rowLength(pair)))
  const columns = rows.some(({ pair }) => pair.magnitude !== null) ? 4 : 3
  const data = new Uint8Array(rows.length * width * BYTES_OF[dtype])
  const config = new Int32Array(rows.length * columns)
  const pause = createPauses()
  for (const [index, { pair, layer, module }] of rows.entries()) {
    data.set(fromFloat32(flattened(pair), dtype, pair.name), index * width * BYTES_OF[dtype])
    config.set([module, layer, pair.rank, pair.magnitude === null ? 0 : 1].slice(0, columns), index * columns)
    await pause(rowLength(pair))
  }
  return {
    weights: { dtype, rows: rows.length, width, data },
    config: { rows: rows.length, columns, data: config },
  }
}

function toRow(pair: LoraPair, model: LoraModel): { pair: LoraPair; layer: number; module: number } {
  return { pair, layer: layerIndex(pair.place, model), module: LORA_MODULE_IDS[pair.place.module] }
}

function rowLength({ rank, widths, magnitude }: Pick<LoraPair, 'rank' | 'widths' | 'magnitude'>): number {
  return rank * (widths.in + widths.out) + (magnitude?.length ?? 0)
}

/** A, then scale · B, then the magnitude. */
function flattened(pair: LoraPair): Float32Array {
  const { a, b, scale, magnitude } = pair
  const row = new Float32Array(rowLength(pair))
  row.set(a)
  for (let i = 0; i < b.length; i++) row[a.length + i] = (b[i] as number) * scale
  if (magnitude !== null) row.set(magnitude, a.length + b.length)
  return row
}

/**
 * The adapter that tensors describe for a model.
 * @throws TrtllmError ERR_LORA_INVALID: the tensors contradict each other or the model
 */
export function fromLoraTensors({ weights, config }: LoraTensors, model: LoraModel, source: string): LoraAdapter {
  checkShapes({ weights, config }, source)
  const modules = Array.from({ length: config.rows }, (_, row) => {
    const [id = -1, layer = -1, rank = 0, dora = 0] = config.data.subarray(
      row * config.columns,
      (row + 1) * config.columns,
    )
    return readRow({ row, id, layer, rank, isDora: dora !== 0 }, weights, model, source)
  })
  const seen = new Set<string>()
  for (const { place, name } of modules) {
    for (const matrix of matricesOf(place)) {
      if (seen.has(matrix)) throw invalid(source, `${name} has two rows, or is a part of another`)
      seen.add(matrix)
    }
  }
  return { source, family: null, modules, magnitudesAreNormalized: true }
}

/** Keys of what a row changes; a row of stacked matrices stands for all of them. */
function matricesOf(place: LoraPlace): string[] {
  const { module } = place
  if (!module.endsWith('qkv')) return [placeKey(place)]
  return ['q', 'k', 'v'].map((part) => placeKey({ ...place, module: module.replace('qkv', part) as LoraModule }))
}

/** @throws TrtllmError ERR_LORA_INVALID */
export function checkShapes({ weights, config }: LoraTensors, source: string): void {
  if (weights.rows !== config.rows || config.rows === 0) {
    throw invalid(source, `${weights.rows} rows of weights and ${config.rows} of config, must be equal and at least 1`)
  }
  if (config.data.length !== config.rows * config.columns) {
    throw invalid(source, `a config of ${config.data.length} numbers is not ${config.rows} × ${config.columns}`)
  }
  const bytes = weights.rows * weights.width * BYTES_OF[weights.dtype]
  if (weights.data.byteLength !== bytes) {
    throw invalid(source, `weights of ${weights.data.byteLength} bytes, their shape and dtype make ${bytes}`)
  }
}

interface ConfigRow {
  row: number
  id: number
  layer: number
  rank: number
  isDora: boolean
}

function readRow(config: ConfigRow, weights: LoraWeights, model: LoraModel, source: string): LoraPair {
  const { row, id, layer, rank, isDora } = config
  const module = moduleOfId(id)
  if (module === null) throw invalid(source, `row ${row}: there is no module with id ${id} in encoder-decoder models`)
  const position = layerOfIndex(layer, model)
  const layers = model.decoder.layers + model.encoder.layers
  if (position === null) throw invalid(source, `row ${row}: layer index ${layer}, the model has ${layers} layers`)
  if (rank < 1) throw invalid(source, `row ${row}: rank ${rank}, must be at least 1`)
  const place = { ...position, module }
  const widths = moduleWidths(place, model)
  const [sizeA, sizeB, sizeM] = [rank * widths.in, rank * widths.out, isDora ? widths.out : 0]
  const needed = sizeA + sizeB + sizeM
  if (needed > weights.width) {
    throw invalid(source, `row ${row}: ${placeText(place)} takes ${needed} numbers, a row has ${weights.width}`)
  }
  const size = BYTES_OF[weights.dtype]
  const start = weights.data.byteOffset + row * weights.width * size
  const values = toFloat32(new Uint8Array(weights.data.buffer, start, needed * size), weights.dtype)
  return {
    name: placeText(place),
    place,
    rank,
    scale: 1,
    widths,
    isDora,
    a: values.subarray(0, sizeA),
    b: values.subarray(sizeA, sizeA + sizeB),
    magnitude: isDora ? values.subarray(sizeA + sizeB) : null,
  }
}

function invalid(source: string, what: string): TrtllmError {
  return new TrtllmError('ERR_LORA_INVALID', `adapter ${source}: ${what}`)
}
