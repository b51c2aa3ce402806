/** Where the tensors of a model lie in its files, and reading them piece by piece. */
import { type FileHandle, open } from 'node:fs/promises'
import { TrtllmError } from '../errors.js'
import { BYTES_OF, type WeightDtype } from './dtype.js'

/** A tensor in a file: little-endian, row after row, without gaps. */
export interface TensorInfo {
  name: string
  /** One of {@link WeightDtype}, or the file's own name of a type that weights cannot have (integers, FP8). */
  dtype: WeightDtype | (string & {})
  shape: readonly number[]
  file: string
  /** Bytes from the start of the file. */
  offset: number
}

/** By name. */
export type TensorIndex = ReadonlyMap<string, TensorInfo>

/** A tensor whose elements are floating-point numbers. */
export type WeightInfo = TensorInfo & { dtype: WeightDtype }

export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

export function isWeight(info: TensorInfo): info is WeightInfo {
  return Object.hasOwn(BYTES_OF, info.dtype)
}

/** Reads parts of tensors; keeps files open until it is closed. */
export interface TensorReader {
  /**
   * The elements `first` … `first + count` (exclusive) as they are stored. The bytes are the caller's.
   * @throws TrtllmError ERR_MODEL_INVALID if the file ends before
   */
  read(info: WeightInfo, first: number, count: number): Promise<Uint8Array>
  close(): Promise<void>
}

export function createTensorReader(): TensorReader {
  const files = new Map<string, Promise<FileHandle>>()
  const handleOf = (file: string) => {
    const opened = files.get(file) ?? open(file, 'r')
    files.set(file, opened)
    return opened
  }
  return {
    async read(info, first, count) {
      const size = BYTES_OF[info.dtype]
      return readExactly(await handleOf(info.file), info.file, info.offset + first * size, count * size)
    },
    async close() {
      for (const opened of await Promise.allSettled(files.values())) {
        if (opened.status === 'fulfilled') await opened.value.close()
      }
    },
  }
}

/** @throws TrtllmError ERR_MODEL_INVALID if the file ends before */
export async function readExactly(
  handle: FileHandle,
  file: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled)
    if (bytesRead === 0) {
      throw new TrtllmError('ERR_MODEL_INVALID', `${file} is truncated: it ends before byte ${position + length}`)
    }
    filled += bytesRead
  }
  return bytes
}
