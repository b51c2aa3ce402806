import { describe, expect, test } from 'vitest'
import { convertElements, type Dtype, type WeightDtype } from '../lib/convert/dtype.js'

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const words = (...values: number[]) => new Uint8Array(Uint16Array.from(values).buffer)
const asWords = (bytes: Uint8Array) => [...new Uint16Array(bytes.slice().buffer)]
const asFloats = (bytes: Uint8Array) => [...new Float32Array(bytes.slice().buffer)]
const convert = (bytes: Uint8Array, from: WeightDtype, to: Dtype) => convertElements(bytes, from, to, 'weights')

/** The value of a half, from its definition. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  if (exponent === 31) return bits & 1023 ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent === 0 ? (bits & 1023) * 2 ** -24 : (1024 + (bits & 1023)) * 2 ** (exponent - 25))
}

describe('float32 to bfloat16 rounds to nearest, ties to even', () => {
  test.each([
    ['one', 1, 0x3f80],
    ['a tie goes down to even', 1 + 2 ** -8, 0x3f80],
    ['a tie goes up to even', 1 + 3 * 2 ** -8, 0x3f82],
    ['just above a tie', 1 + 2 ** -8 + 2 ** -20, 0x3f81],
    ['negative', -1 - 3 * 2 ** -8, 0xbf82],
    ['negative zero', -0, 0x8000],
    ['infinity', Number.POSITIVE_INFINITY, 0x7f80],
    ['beyond the largest', 3.4028234663852886e38, 0x7f80],
    ['pi', Math.PI, 0x4049],
    ['a subnormal', 2 ** -133, 0x0001],
  ])('%s', (_, value, bits) => {
    expect(asWords(convert(floats(value), 'float32', 'bfloat16'))).toEqual([bits])
  })

  test('NaN stays NaN', () => {
    const [bits = 0] = asWords(convert(floats(Number.NaN), 'float32', 'bfloat16'))
    expect(bits & 0x7fff).toBeGreaterThan(0x7f80)
    const tiny = new Uint8Array(Uint32Array.of(0x7f800001).buffer) // its payload lies in the dropped half
    expect((asWords(convert(tiny, 'float32', 'bfloat16'))[0] ?? 0) & 0x7fff).toBeGreaterThan(0x7f80)
  })
})

describe('float32 to float16 rounds to nearest, ties to even', () => {
  test.each([
    ['one', 1, 0x3c00],
    ['the largest', 65504, 0x7bff],
    ['rounds to the largest', 65519, 0x7bff],
    ['a tie goes down to even', 1 + 2 ** -11, 0x3c00],
    ['a tie goes up to even', 1 + 3 * 2 ** -11, 0x3c02],
    ['rounds up into the next exponent', 2 - 2 ** -12, 0x4000],
    ['the smallest normal', 2 ** -14, 0x0400],
    ['rounds up to the smallest normal', 2 ** -14 - 2 ** -26, 0x0400],
    ['the smallest subnormal', 2 ** -24, 0x0001],
    ['half of it is a tie to zero', 2 ** -25, 0x0000],
    ['more than half of it', 2 ** -25 + 2 ** -40, 0x0001],
    ['a subnormal tie', 3 * 2 ** -25, 0x0002],
    ['far too small', 1e-30, 0x0000],
    ['negative', -0.1, 0xae66],
    ['infinity stays', Number.NEGATIVE_INFINITY, 0xfc00],
  ])('%s', (_, value, bits) => {
    expect(asWords(convert(floats(value), 'float32', 'float16'))).toEqual([bits])
  })

  test('NaN stays NaN', () => {
    expect((asWords(convert(floats(Number.NaN), 'float32', 'float16'))[0] ?? 0) & 0x7fff).toBeGreaterThan(0x7c00)
  })

  test.each([65520, -1e6, 3e38])('%d is refused by name', (value) => {
    expect(() => convert(floats(1, value), 'float32', 'float16')).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('weights holds') }),
    )
  })
})

test('every float16 becomes float32 exactly, and back', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
  const wide = convert(words(...all), 'float16', 'float32')
  expect(asFloats(wide)).toEqual(Array.from(all, half))
  const back = asWords(convert(wide, 'float32', 'float16'))
  const wrong = [...all].filter((bits) => back[bits] !== bits && !Number.isNaN(half(bits)))
  expect(wrong).toEqual([])
})

test('bfloat16 is the upper half of float32', () => {
  expect(asFloats(convert(words(0x3f80, 0xc049, 0x7f80), 'bfloat16', 'float32'))).toEqual([
    1,
    -3.140625,
    Number.POSITIVE_INFINITY,
  ])
  expect(asWords(convert(words(0x3f80, 0xc049), 'bfloat16', 'float16'))).toEqual([0x3c00, 0xc248])
})

test('float64 is rounded to float32, and bytes may start anywhere', () => {
  const doubles = new Uint8Array(Float64Array.of(0.1, -(2 ** 60)).buffer)
  expect(asFloats(convert(doubles, 'float64', 'float32'))).toEqual([Math.fround(0.1), -(2 ** 60)])
  const shifted = new Uint8Array(9)
  shifted.set(floats(1.5, -2), 1)
  expect(asWords(convert(shifted.subarray(1), 'float32', 'bfloat16'))).toEqual([0x3fc0, 0xc000])
})

test('equal types are not copied', () => {
  const bytes = words(1, 2)
  expect(convert(bytes, 'float16', 'float16')).toBe(bytes)
})
