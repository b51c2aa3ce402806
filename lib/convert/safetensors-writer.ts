/** Writes safetensors files tensor after tensor, without holding any of them. */
import { type FileHandle, open } from 'node:fs/promises'
import { BYTES_OF, type Dtype } from './dtype.js'
import { elementsOf } from './tensor-index.js'

const TYPE_NAMES: Record<Dtype, string> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

export interface TensorHeader {
  name: string
  dtype: Dtype
  shape: readonly number[]
}

export const byteLength = ({ dtype, shape }: TensorHeader): number => elementsOf(shape) * BYTES_OF[dtype]

/** Wider types first, so that each tensor starts where its type may start; then by name. */
export function fileOrder<T extends TensorHeader>(tensors: readonly T[]): T[] {
  return tensors.toSorted((a, b) => BYTES_OF[b.dtype] - BYTES_OF[a.dtype] || (a.name < b.name ? -1 : 1))
}

/**
 * Writes a file; `blocks` gives each tensor's bytes in turn. The file is on the disk when it returns.
 * @throws Error if a tensor has another size than its header says, and errors of the file system
 */
export async function writeSafetensors<T extends TensorHeader>(
  file: string,
  tensors: readonly T[],
  blocks: (tensor: T) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const ordered = fileOrder(tensors)
  const handle = await open(file, 'wx')
  try {
    await writeAll(handle, headerBytes(ordered))
    for (const tensor of ordered) {
      let written = 0
      for await (const block of blocks(tensor)) {
        await writeAll(handle, block)
        written += block.length
      }
      if (written !== byteLength(tensor))
        throw new Error(`${tensor.name} has ${written} bytes, not ${byteLength(tensor)}`)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Length, JSON, and spaces up to a multiple of 8. */
function headerBytes(tensors: readonly TensorHeader[]): Uint8Array {
  let offset = 0
  const entries = tensors.map((tensor) => {
    const end = offset + byteLength(tensor)
    const entry = { dtype: TYPE_NAMES[tensor.dtype], shape: tensor.shape, data_offsets: [offset, end] }
    offset = end
    return [tensor.name, entry]
  })
  const json = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) })
  const text = new TextEncoder().encode(json)
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true)
  bytes.set(text, 8)
  return bytes
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten
  }
}
