/**
 * NumPy's .npy files: "\x93NUMPY", version, length of the header, the header (a Python literal), the numbers.
 * Versions 1 to 3, little-endian, C order.
 */
import { TrtllmError } from '../errors.js'

export interface NpyArray {
  /** NumPy's name of the element type: "<f4", "<f2", "<i4", "|V2" (two raw bytes), ... */
  type: string
  shape: number[]
  data: Uint8Array
}

const MAGIC = Buffer.from('\x93NUMPY', 'latin1')
const ALIGNMENT = 64
/** NumPy leaves room for the first dimension to grow to so many digits. */
const GROWTH_DIGITS = 21

/**
 * @param file its path, for messages
 * @throws TrtllmError ERR_LORA_INVALID: damaged; ERR_UNSUPPORTED: big-endian, Fortran order, Python objects
 */
export function parseNpy(bytes: Uint8Array, file: string): NpyArray {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < 12 || !buffer.subarray(0, MAGIC.length).equals(MAGIC)) throw invalid(file, 'is no .npy file')
  const version = buffer.readUInt8(6)
  if (version < 1 || version > 3) throw new TrtllmError('ERR_UNSUPPORTED', `${file}: .npy version ${version}`)
  const start = version === 1 ? 10 : 12
  const length = version === 1 ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8)
  if (start + length > buffer.length) throw invalid(file, 'is truncated within its header')
  const { type, shape } = parseHeader(buffer.toString('utf8', start, start + length), file)
  const data = bytes.subarray(start + length)
  const size = shape.reduce((product, dimension) => product * dimension, elementBytes(type, file))
  if (data.length !== size) throw invalid(file, `has ${data.length} bytes of data, its shape and type make ${size}`)
  return { type, shape, data }
}

function parseHeader(text: string, file: string): Pick<NpyArray, 'type' | 'shape'> {
  const type = /'descr':\s*'([^']+)'/.exec(text)?.[1]
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1]
  const shape = /'shape':\s*\(([\d\s,]*)\)/.exec(text)?.[1]
  if (type === undefined || order === undefined || shape === undefined) {
    throw invalid(file, `has a header that cannot be read: ${text.trim().slice(0, 100)}`)
  }
  if (order === 'True') throw new TrtllmError('ERR_UNSUPPORTED', `${file}: Fortran order`)
  const dimensions = shape.split(',').map((dimension) => dimension.trim())
  return { type, shape: dimensions.filter((dimension) => dimension !== '').map(Number) }
}

function elementBytes(type: string, file: string): number {
  const match = /^[<|][a-zA-Z](\d+)$/.exec(type)
  if (match !== null) return Number(match[1])
  throw new TrtllmError('ERR_UNSUPPORTED', `${file}: elements of type '${type}'`)
}

/** What stands before the data of a file, byte for byte as NumPy writes it. */
export function npyHeader(type: string, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const growth = shape.length === 0 ? 0 : GROWTH_DIGITS - String(shape[0]).length
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${tuple}), }${' '.repeat(growth)}`
  const start = MAGIC.length + 4
  const length = Math.ceil((start + text.length + 1) / ALIGNMENT) * ALIGNMENT
  const header = Buffer.alloc(length, ' ')
  MAGIC.copy(header)
  header.writeUInt16LE(0x0001, MAGIC.length)
  header.writeUInt16LE(length - start, MAGIC.length + 2)
  header.write(text, start, 'latin1')
  header.write('\n', length - 1)
  return header
}

function invalid(file: string, what: string): TrtllmError {
  return new TrtllmError('ERR_LORA_INVALID', `${file} ${what}`)
}
