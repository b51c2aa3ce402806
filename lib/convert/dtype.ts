/** Floating-point types of stored tensors, and exact conversion between them. */
import { TrtllmError } from '../errors.js'

/** Types that a checkpoint may have. */
export type Dtype = 'float32' | 'float16' | 'bfloat16'

/** Types that can be read as weights. */
export type WeightDtype = Dtype | 'float64'

export const DTYPES = ['float32', 'float16', 'bfloat16'] as const satisfies readonly Dtype[]

/** Bytes of one element. */
export const BYTES_OF: Record<WeightDtype, number> = { float64: 8, float32: 4, float16: 2, bfloat16: 2 }

/** The largest finite float16. */
const FLOAT16_MAX = 65504

/**
 * Converts little-endian elements, rounding to nearest, ties to even. NaN and infinities stay what they are. Equal types
 * give back the bytes as they are, without a copy.
 * @param name of the tensor, for the error
 * @throws TrtllmError ERR_UNSUPPORTED if a finite number is too large for float16
 */
export function convertElements(bytes: Uint8Array, from: WeightDtype, to: Dtype, name: string): Uint8Array {
  if (from === to) return bytes
  const floats = DECODERS[from](aligned(bytes, BYTES_OF[from]))
  return to === 'float32' ? bytesOf(floats) : bytesOf(ENCODERS[to](floats, name))
}

/** Little-endian elements as float32; float64 is rounded. */
export function toFloat32(bytes: Uint8Array, from: WeightDtype): Float32Array {
  return DECODERS[from](aligned(bytes, BYTES_OF[from]))
}

/** Float32 values as little-endian elements of a type. See {@link convertElements}. */
export function fromFloat32(floats: Float32Array, to: Dtype, name: string): Uint8Array {
  return to === 'float32' ? bytesOf(floats) : bytesOf(ENCODERS[to](floats, name))
}

const DECODERS: Record<WeightDtype, (bytes: Uint8Array) => Float32Array> = {
  float64: (bytes) => new Float32Array(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)),
  float32: (bytes) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
  float16: decodeFloat16,
  bfloat16: decodeBfloat16,
}

const ENCODERS: Record<Exclude<Dtype, 'float32'>, (floats: Float32Array, name: string) => Uint16Array> = {
  float16: encodeFloat16,
  bfloat16: encodeBfloat16,
}

// Loops instead of TypedArray.from, which is ten times slower.

function decodeFloat16(bytes: Uint8Array): Float32Array {
  const table = float16Table()
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  const floats = new Float32Array(halves.length)
  for (let i = 0; i < halves.length; i++) floats[i] = table[halves[i] as number] as number
  return floats
}

function decodeBfloat16(bytes: Uint8Array): Float32Array {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  const words = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) words[i] = (halves[i] as number) << 16
  return new Float32Array(words.buffer)
}

function encodeBfloat16(floats: Float32Array): Uint16Array {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length)
  const halves = new Uint16Array(words.length)
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number
    const nan = (word & 0x7fffffff) > 0x7f800000
    halves[i] = nan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return halves
}

function encodeFloat16(floats: Float32Array, name: string): Uint16Array {
  const words = new Uint32Array(floats.buffer, floats.byteOffset, floats.length)
  const halves = new Uint16Array(words.length)
  for (let i = 0; i < words.length; i++) {
    const half = encodeHalf(words[i] as number)
    if ((half & 0x7fff) === 0x7c00 && Number.isFinite(floats[i])) throw tooLarge(floats[i] as number, name)
    halves[i] = half
  }
  return halves
}

function tooLarge(value: number, name: string): TrtllmError {
  return new TrtllmError('ERR_UNSUPPORTED', `${name} holds ${value}, more than float16's ${FLOAT16_MAX}`, {
    hint: 'convert to bfloat16 or float32',
  })
}

/** Bits of a float32 to bits of the nearest float16. */
function encodeHalf(word: number): number {
  const sign = (word >>> 16) & 0x8000
  const magnitude = word & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // rounds to infinity
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13)
  const shift = 126 - (magnitude >>> 23) // subnormal: the implicit bit becomes explicit
  return shift > 24 ? sign : sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift)
}

/** Drops the lowest `shift` bits, to nearest, ties to even. */
function roundShift(value: number, shift: number): number {
  const half = 1 << (shift - 1)
  return (value + half - 1 + ((value >>> shift) & 1)) >>> shift
}

let decoded: Float32Array | undefined

/** [65536] the value of each float16. */
function float16Table(): Float32Array {
  decoded ??= Float32Array.from({ length: 65536 }, (_, half) => {
    const sign = half & 0x8000 ? -1 : 1
    const exponent = (half >>> 10) & 31
    const fraction = half & 1023
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
  })
  return decoded
}

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** The same bytes where a typed array of that element size may start. */
function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
}
