/** The names that pickles of weights may use, and what each stands for here. Nothing else is read. */
import { BYTES_OF, type WeightDtype } from './dtype.js'
import type { PickleGlobal, PickleValue } from './pickle.js'

/** A file of raw elements in the archive. */
export class StorageRef {
  constructor(
    readonly dtype: string,
    /** Its file in the archive is data/{key}. */
    readonly key: string,
  ) {}
}

/** A tensor of a pickle; offset and strides count elements. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** An object of settings: what argparse.Namespace and the containers of omegaconf hold. */
export class Settings {
  fields = new Map<PickleValue, PickleValue>()
}

/** Storages by their type; integers and others can be in a file, but are no weights. */
const STORAGES: Record<string, WeightDtype | string> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
}

const settings = { make: () => new Settings(), build: setFields }
const dropped = { make: () => null }

const GLOBALS: Record<string, Omit<PickleGlobal, 'name'>> = {
  ...Object.fromEntries(Object.keys(STORAGES).map((name) => [`torch.${name}`, {}])),
  'torch._utils._rebuild_tensor_v2': { make: rebuildTensor },
  'torch._utils._rebuild_parameter': { make: ([tensor]) => tensor },
  'torch.Size': { make: ([sizes]) => sizes },
  'collections.OrderedDict': {
    make: ([pairs]) => new Map(Array.isArray(pairs) ? (pairs as [unknown, unknown][]) : []),
  },
  // settings of fairseq: arguments, and omegaconf's containers with the types that they note about their values
  'argparse.Namespace': settings,
  'omegaconf.dictconfig.DictConfig': settings,
  'omegaconf.listconfig.ListConfig': settings,
  'omegaconf.base.ContainerMetadata': settings,
  'omegaconf.base.Metadata': settings,
  'omegaconf.nodes.AnyNode': settings,
  'omegaconf.nodes.BooleanNode': settings,
  'omegaconf.nodes.FloatNode': settings,
  'omegaconf.nodes.IntegerNode': settings,
  'omegaconf.nodes.StringNode': settings,
  'collections.defaultdict': { make: () => new Map() },
  'typing.Any': {},
  'builtins.bool': {},
  'builtins.dict': {},
  'builtins.float': {},
  'builtins.int': {},
  'builtins.list': {},
  'builtins.long': {},
  'builtins.str': {},
  // numbers of NumPy among a trainer's statistics, which are not needed
  'numpy.core.multiarray.scalar': dropped,
  'numpy._core.multiarray.scalar': dropped,
  'numpy.dtype': { make: () => new Settings() },
  '_codecs.encode': { make: ([text]) => text },
}

const TABLE: ReadonlyMap<string, PickleGlobal> = new Map(
  Object.entries(GLOBALS).map(([name, rule]) => [name, { name, ...rule }]),
)

export const torchGlobal = (name: string): PickleGlobal | undefined => TABLE.get(name)

/** ('storage', storage type, key, device, elements) */
export function storageOf(id: PickleValue): StorageRef {
  const [kind, type, key] = Array.isArray(id) ? id : []
  const name = typeof type === 'object' && type !== null && 'name' in type ? String(type.name) : ''
  const dtype = STORAGES[name.replace('torch.', '')]
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string') {
    throw new Error('the pickle refers to something that is no storage')
  }
  return new StorageRef(dtype, key)
}

/** Bytes of an element, for those that can be weights. */
export function storageBytes({ dtype }: StorageRef): number | undefined {
  return Object.hasOwn(BYTES_OF, dtype) ? BYTES_OF[dtype as WeightDtype] : undefined
}

function rebuildTensor([storage, offset, shape, strides]: PickleValue[]): TensorRef {
  if (storage instanceof StorageRef && isCounts([offset]) && isCounts(shape) && isCounts(strides)) {
    if (shape.length === strides.length) return new TensorRef(storage, offset as number, shape, strides)
  }
  throw new Error('the pickle holds a damaged tensor')
}

function isCounts(value: PickleValue): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0)
}

function setFields(instance: PickleValue, state: PickleValue): void {
  if (instance instanceof Settings && state instanceof Map) instance.fields = state
}
