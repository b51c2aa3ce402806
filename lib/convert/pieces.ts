/** Reads the pieces of planned tensors, in blocks of bounded size, as elements of the checkpoint's type. */
import { BYTES_OF, convertElements, type Dtype, fromFloat32, toFloat32 } from './dtype.js'
import type { Piece, PlannedTensor } from './plan.js'
import { elementsOf, type TensorReader } from './tensor-index.js'

/** A block has about so many elements, so that memory does not depend on the size of the tensors. */
const BLOCK_ELEMENTS = 1 << 20

type Of<Kind extends Piece['kind']> = Extract<Piece, { kind: Kind }>

/** The bytes of a tensor, in order. */
export async function* tensorBlocks(tensor: PlannedTensor, reader: TensorReader): AsyncGenerator<Uint8Array> {
  for (const piece of tensor.pieces) yield* pieceBlocks(piece, tensor.dtype, reader)
}

function pieceBlocks(
  piece: Piece,
  dtype: Dtype,
  reader: TensorReader,
): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  switch (piece.kind) {
    case 'matrix':
      return matrixBlocks(piece, dtype, reader)
    case 'transpose':
      return transposed(piece, dtype, reader)
    case 'sinusoids':
      return sinusoidBlocks(piece)
    case 'zeros':
      return zeroBlocks(piece, dtype)
  }
}

async function* matrixBlocks(piece: Of<'matrix'>, dtype: Dtype, reader: TensorReader): AsyncGenerator<Uint8Array> {
  const { source, rows, columns, width } = piece
  const height = Math.max(1, Math.floor(BLOCK_ELEMENTS / width))
  for (let row = rows[0]; row < rows[1]; row += height) {
    const count = Math.min(height, rows[1] - row)
    const stored = await reader.read(source, row * width, count * width)
    const part = columns[1] - columns[0] === width ? stored : cutColumns(stored, piece, count)
    yield convertElements(part, source.dtype, dtype, source.name)
  }
}

function cutColumns(bytes: Uint8Array, { source, columns, width }: Of<'matrix'>, rows: number): Uint8Array {
  const size = BYTES_OF[source.dtype]
  const [from, to] = [columns[0] * size, columns[1] * size]
  const cut = new Uint8Array(rows * (to - from))
  for (let row = 0; row < rows; row++) {
    const start = row * width * size
    cut.set(bytes.subarray(start + from, start + to), row * (to - from))
  }
  return cut
}

async function* transposed(piece: Of<'transpose'>, dtype: Dtype, reader: TensorReader): AsyncGenerator<Uint8Array> {
  const { source, rows, width, height } = piece
  const floats = toFloat32(await reader.read(source, 0, elementsOf(source.shape)), source.dtype)
  const turned = new Float32Array((rows[1] - rows[0]) * width)
  for (let row = rows[0]; row < rows[1]; row++) {
    for (let column = 0; column < width; column++) {
      turned[(row - rows[0]) * width + column] = floats[column * height + row] as number
    }
  }
  yield fromFloat32(turned, dtype, source.name)
}

/** Sines in the first half of a row, cosines in the second; an odd last column is 0. */
function* sinusoidBlocks({ first, rows, width }: Of<'sinusoids'>): Generator<Uint8Array> {
  const half = Math.floor(width / 2)
  const step = Math.log(10000) / (half - 1)
  for (let row = 0; row < rows; row++) {
    const values = new Float32Array(width)
    for (let k = 0; k < half; k++) {
      const angle = (first + row) * Math.exp(-k * step)
      values[k] = Math.sin(angle)
      values[half + k] = Math.cos(angle)
    }
    yield fromFloat32(values, 'float32', 'sinusoids')
  }
}

function* zeroBlocks({ elements }: Of<'zeros'>, dtype: Dtype): Generator<Uint8Array> {
  for (let done = 0; done < elements; done += BLOCK_ELEMENTS) {
    yield new Uint8Array(Math.min(BLOCK_ELEMENTS, elements - done) * BYTES_OF[dtype])
  }
}
