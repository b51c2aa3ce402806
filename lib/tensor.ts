/** Arrays of numbers in results. */

/** A dense array in row-major order. */
export interface Tensor {
  /** Extents, outermost first. */
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Tensors of equal rows, one below the other. */
export function concatenate(parts: readonly Tensor[]): Tensor | undefined {
  const [first] = parts
  if (first === undefined || parts.length === 1) return first
  const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0)
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let offset = 0
  for (const part of parts) {
    data.set(part.data, offset)
    offset += part.data.length
  }
  return { shape: [rows, ...first.shape.slice(1)], data }
}
