/** Reads files of torch.save: a zip archive with a pickle (data.pkl) and one file of raw elements per storage. */
import type { FileHandle } from 'node:fs/promises'
import { TrtllmError } from '../errors.js'
import { reasonOf, withFile } from './files.js'
import { type PickleValue, readPickle } from './pickle.js'
import { elementsOf, readExactly, type TensorInfo } from './tensor-index.js'
import { Settings, storageBytes, storageOf, TensorRef, torchGlobal } from './torch-globals.js'
import { readZipEntries, type ZipEntry } from './zip.js'

const MAX_PICKLE_BYTES = 256 * 2 ** 20

export interface TorchFile {
  file: string
  /** The saved object; tensors in it are {@link TensorRef}s. */
  root: PickleValue
  /** Storages by key. */
  storages: ReadonlyMap<string, ZipEntry>
}

/**
 * Reads everything but the elements of the tensors.
 * @throws TrtllmError ERR_UNSAFE_MODEL if the pickle names what weights do not need, ERR_UNSUPPORTED for the format
 * before torch 1.6, ERR_MODEL_INVALID for damaged files
 */
export async function readTorchFile(file: string): Promise<TorchFile> {
  try {
    return await withFile(file, (handle, size) => readArchive(handle, size, file))
  } catch (cause) {
    if (cause instanceof TrtllmError) throw cause
    throw new TrtllmError('ERR_MODEL_INVALID', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

async function readArchive(handle: FileHandle, size: number, file: string): Promise<TorchFile> {
  await checkStart(handle, size, file)
  const entries = await readZipEntries(handle, size, file)
  const pickle = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name))
  if (pickle === undefined) throw new Error('it holds no data.pkl')
  const folder = pickle.slice(0, -'data.pkl'.length)
  await checkByteOrder(handle, file, entries.get(`${folder}byteorder`))
  const storages = new Map<string, ZipEntry>()
  for (const [name, entry] of entries) {
    if (name.startsWith(`${folder}data/`)) storages.set(name.slice(folder.length + 'data/'.length), entry)
  }
  const root = await readRoot(handle, file, entries.get(pickle))
  return { file, root, storages }
}

/** Zip files begin with "PK". Older files of torch.save begin with a pickled magic number. */
async function checkStart(handle: FileHandle, size: number, file: string): Promise<void> {
  const start = await readExactly(handle, file, 0, Math.min(size, 2))
  if (start[0] !== 0x80) return
  throw new TrtllmError('ERR_UNSUPPORTED', `${file} has the format of torch before 1.6, which is not read`, {
    hint: 'save it anew with a current torch: torch.save(torch.load(file, map_location="cpu"), file)',
  })
}

async function checkByteOrder(handle: FileHandle, file: string, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined || entry.size > 16) return // older versions wrote none, on little-endian machines
  const order = new TextDecoder().decode(await readExactly(handle, file, entry.offset, entry.size))
  if (order !== 'little') throw new TrtllmError('ERR_UNSUPPORTED', `${file} has ${order}-endian tensors`)
}

async function readRoot(handle: FileHandle, file: string, entry: ZipEntry | undefined): Promise<PickleValue> {
  if (entry === undefined || entry.size > MAX_PICKLE_BYTES) throw new Error('its data.pkl is too large')
  const bytes = await readExactly(handle, file, entry.offset, entry.size)
  try {
    return readPickle(bytes, { global: torchGlobal, persistent: storageOf })
  } catch (error) {
    if (!(error instanceof TrtllmError)) throw error
    throw new TrtllmError(error.code, `${file}: ${error.message}`, { hint: error.hint })
  }
}

/**
 * The tensors of a dict, as parts of the file. What is no tensor is left out.
 * @throws TrtllmError ERR_MODEL_INVALID for a tensor outside of its storage, ERR_UNSUPPORTED for one with gaps
 */
export function tensorsOf({ file, storages }: TorchFile, dict: PickleValue): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>()
  if (!(dict instanceof Map)) throw new TrtllmError('ERR_MODEL_INVALID', `${file} holds no dict of tensors`)
  for (const [name, value] of dict) {
    if (typeof name === 'string' && value instanceof TensorRef) tensors.set(name, locate(name, value, file, storages))
  }
  return tensors
}

function locate(name: string, tensor: TensorRef, file: string, storages: TorchFile['storages']): TensorInfo {
  const { storage, shape, strides, offset } = tensor
  const entry = storages.get(storage.key)
  if (entry === undefined) throw new TrtllmError('ERR_MODEL_INVALID', `${file}: the data of ${name} is missing`)
  const bytes = storageBytes(storage)
  const info = { name, dtype: storage.dtype, shape, file, offset: entry.offset + offset * (bytes ?? 1) }
  if (bytes === undefined) return info // never read
  if (!isContiguous(shape, strides)) {
    throw new TrtllmError('ERR_UNSUPPORTED', `${file}: ${name} has the strides [${strides}], not row after row`, {
      hint: 'save it anew with tensor.contiguous()',
    })
  }
  if ((offset + elementsOf(shape)) * bytes > entry.size) {
    throw new TrtllmError('ERR_MODEL_INVALID', `${file}: ${name} of shape [${shape}] is larger than its data`)
  }
  return info
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if ((shape[i] as number) > 1 && strides[i] !== step) return false
    step *= shape[i] as number
  }
  return true
}

/** A member of a dict, of an argparse.Namespace or of one of omegaconf's containers. */
export function member(container: PickleValue, name: string): PickleValue {
  if (container instanceof Map) return container.get(name)
  return container instanceof Settings ? contentOf(container).get(name) : undefined
}

/** Settings as a plain object; what is neither a number, text, boolean nor null is left out. */
export function plainSettings(container: PickleValue): Record<string, unknown> {
  const fields = container instanceof Settings ? contentOf(container) : container
  if (!(fields instanceof Map)) return {}
  const plain: [string, unknown][] = []
  for (const [name, value] of fields) {
    const scalar = value instanceof Settings ? value.fields.get('_val') : value
    if (typeof name === 'string' && isScalar(scalar)) plain.push([name, scalar])
  }
  return Object.fromEntries(plain)
}

/** omegaconf keeps the members of a container under _content; a Namespace's fields are its members. */
function contentOf(settings: Settings): Map<PickleValue, PickleValue> {
  const content = settings.fields.get('_content')
  return content instanceof Map ? content : settings.fields
}

function isScalar(value: PickleValue): boolean {
  return value === null || ['number', 'string', 'boolean'].includes(typeof value)
}
