/** Rows of numbers against those of a reference. */
import { expect } from 'vitest'
import type { Tensor } from '../../lib/index.js'

/** Of the largest value of a row. */
const TOLERANCE = 1e-4

export interface Expected {
  shape: number[]
  values: number[]
}

export function rowsOf({ shape, values }: Expected): number[][] {
  const width = shape[1] ?? 1
  return Array.from({ length: shape[0] ?? 0 }, (_, row) => values.slice(row * width, (row + 1) * width))
}

export function firstRows({ shape: [, width = 0], values }: Expected, rows: number): Expected {
  return { shape: [rows, width], values: values.slice(0, rows * width) }
}

export function expectClose(found: Tensor | undefined, expected: Expected): void {
  expect(found?.shape).toEqual(expected.shape)
  const rows = rowsOf({ shape: expected.shape, values: [...(found?.data ?? [])] })
  for (const [i, row] of rowsOf(expected).entries()) {
    const bound = TOLERANCE * Math.max(...row.map(Math.abs))
    const worst = Math.max(...row.map((value, j) => Math.abs(value - (rows[i]?.[j] ?? Number.NaN))))
    expect(worst, `row ${i}`).toBeLessThanOrEqual(bound)
  }
}
