/** Merging an adapter into a checkpoint: W' = W + scale · B·A, with DoRA each row times its m. */
import { chmod, cp, type FileHandle, open } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { BYTES_OF, fromFloat32, toFloat32 } from '../convert/dtype.js'
import { writeStaged } from '../convert/staging.js'
import { createTensorReader, type TensorReader } from '../convert/tensor-index.js'
import { AbortError } from '../errors.js'
import type { Model, ModelFolder } from '../model-folder.js'
import { checkFinite, type LoraAdapter, type LoraPair } from './adapter.js'
import { type PlacedPair, placeInCheckpoint, type Slice } from './checkpoint.js'

/** Numbers of a matrix that are in memory at once. */
const CHUNK = 1 << 18

export interface MergeOptions {
  /** Aborting it ends the merge with AbortError; nothing is left behind. */
  signal?: AbortSignal | undefined
}

export interface MergeResult {
  /** Matrices that were changed; the three of a fused one count singly. */
  matrices: number
  /** Rank files of both components. */
  files: number
}

/**
 * Writes a copy of a checkpoint folder in which an adapter that fits it is part of the weights. Names, shapes, types and
 * rank files stay what they are; sums are taken in float32 or better and rounded once, to nearest even.
 * @param adapter with normalized magnitudes
 * @param out is made; it must not exist or be empty
 * @throws TrtllmError ERR_MODEL_INVALID, ERR_LORA_INVALID, ERR_UNSUPPORTED; ERR_OUTPUT: `out` is in use or cannot be
 * written; AbortError
 */
export async function mergeAdapter(
  adapter: LoraAdapter,
  model: ModelFolder,
  out: string,
  { signal }: MergeOptions = {},
): Promise<MergeResult> {
  const placed = await placeInCheckpoint(adapter, model)
  const files = groupByFile(placed)
  try {
    await writeStaged(out, { ifThere: 'fail' }, async (folder) => {
      // links would lead the changes into the original
      await cp(model.folder, folder, { recursive: true, dereference: true, filter: () => !signal?.aborted })
      for (const [file, work] of files) await mergeFile(join(folder, relative(model.folder, file)), work, signal)
    })
  } catch (error) {
    if (signal?.aborted) throw new AbortError(signal.reason)
    throw error
  }
  return { matrices: placed.length, files: files.size }
}

interface SliceWork {
  pair: LoraPair
  slice: Slice
}

function groupByFile(placed: readonly PlacedPair[]): Map<string, SliceWork[]> {
  const files = new Map<string, SliceWork[]>()
  for (const { pair, slices } of placed) {
    for (const slice of slices) files.set(slice.tensor.file, [...(files.get(slice.tensor.file) ?? []), { pair, slice }])
  }
  return files
}

/** Changes the copy of a rank file in place: the header stays valid, because no size changes. */
async function mergeFile(copy: string, work: readonly SliceWork[], signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await chmod(copy, 0o644)
  const target = await open(copy, 'r+')
  const reader = createTensorReader()
  try {
    for (const { pair, slice } of work) {
      const { name, dtype, offset } = slice.tensor
      for await (const { values, first } of mergedRows(pair, slice, reader)) {
        signal?.throwIfAborted()
        await writeAt(target, fromFloat32(values, dtype, name), offset + first * slice.columns * BYTES_OF[dtype])
      }
    }
    await target.sync()
  } finally {
    await reader.close()
    await target.close()
  }
}

async function writeAt(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await target.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}

interface RowChunk {
  /** [rows, columns] of W + scale · B·A, times m where the pair has magnitudes. */
  values: Float32Array
  /** Row in the tensor. */
  first: number
  /** Output of the module. */
  firstOut: number
}

/** The merged rows of a slice, chunk by chunk. */
async function* mergedRows(pair: LoraPair, slice: Slice, reader: TensorReader): AsyncGenerator<RowChunk> {
  const { tensor, columns, rows, firstRow } = slice
  const most = Math.max(1, Math.floor(CHUNK / columns))
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row)
    const bytes = await reader.read(tensor, (firstRow + row) * columns, count * columns)
    const chunk = { values: toFloat32(bytes, tensor.dtype), first: firstRow + row, firstOut: slice.firstOut + row }
    for (let i = 0; i < count; i++) {
      mergeRow(chunk.values.subarray(i * columns, (i + 1) * columns), pair, chunk.firstOut + i, slice.firstIn)
    }
    yield chunk
  }
}

function mergeRow(weights: Float32Array, pair: LoraPair, out: number, firstIn: number): void {
  const { a, b, rank, scale, magnitude } = pair
  const sums = new Float64Array(weights)
  for (let k = 0; k < rank; k++) {
    addScaled(sums, scale * (b[out * rank + k] as number), a, k * pair.widths.in + firstIn)
  }
  const m = magnitude === null ? 1 : (magnitude[out] as number)
  for (let i = 0; i < sums.length; i++) weights[i] = m * (sums[i] as number)
}

/** sums += factor · values, from `start` on. */
function addScaled(sums: Float64Array, factor: number, values: Float32Array, start: number): void {
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + factor * (values[start + i] as number)
}

/**
 * The adapter with m in place of PEFT's magnitudes: m = magnitude / |row of W + scale · B·A|. Without DoRA, or where it
 * is done already, it comes back as it is.
 * @throws TrtllmError as {@link placeInCheckpoint}
 */
export async function normalizeMagnitudes(adapter: LoraAdapter, model: Model): Promise<LoraAdapter> {
  if (adapter.magnitudesAreNormalized || adapter.modules.every(({ isDora }) => !isDora)) return adapter
  const placed = await placeInCheckpoint(adapter, model)
  const reader = createTensorReader()
  try {
    const modules: LoraPair[] = []
    for (const item of placed) modules.push(await normalized(item, reader))
    const result = { ...adapter, modules, magnitudesAreNormalized: true }
    await checkFinite(result) // a row of zeros has no direction
    return result
  } finally {
    await reader.close()
  }
}

async function normalized({ pair, slices }: PlacedPair, reader: TensorReader): Promise<LoraPair> {
  if (pair.magnitude === null) return pair
  const squares = new Float64Array(pair.widths.out)
  for (const slice of slices) {
    for await (const { values, firstOut } of mergedRows({ ...pair, magnitude: null }, slice, reader)) {
      values.forEach((value, i) => {
        const out = firstOut + Math.floor(i / slice.columns)
        squares[out] = (squares[out] ?? 0) + value * value
      })
    }
  }
  return { ...pair, magnitude: pair.magnitude.map((length, out) => length / Math.sqrt(squares[out] ?? 0)) }
}
