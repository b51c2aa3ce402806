/** Zip archives like those of torch.save, with any pickle in them. */

export interface ArchiveOptions {
  /** Compression method that the entries claim. */
  method?: number
  /** Files beside data.pkl. */
  files?: Record<string, Uint8Array>
  /** All sizes and offsets in the 64-bit records, as in archives beyond 4 GB. */
  zip64?: boolean
}

/** archive/data.pkl and others, stored. */
export function torchArchive(
  pickle: Uint8Array,
  { method = 0, files = {}, zip64 = false }: ArchiveOptions = {},
): Buffer {
  const entries = { 'archive/data.pkl': pickle, 'archive/byteorder': Buffer.from('little'), ...files }
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const [name, data] of Object.entries(entries)) {
    const sizes: Field[] = [18, 22].map((at) => [at, data.length, 4])
    locals.push(header(0x04034b50, 30, name, [[8, method, 2], [26, name.length, 2], ...sizes]), Buffer.from(data))
    central.push(centralEntry(name, method, data.length, offset, zip64))
    offset += 30 + name.length + data.length
  }
  const directory = Buffer.concat(central)
  const count = Object.keys(entries).length
  const end = zip64 ? zip64End(count, directory.length, offset) : plainEnd(count, directory.length, offset)
  return Buffer.concat([...locals, directory, end])
}

type Field = [at: number, value: number, bytes: number]

function centralEntry(name: string, method: number, size: number, offset: number, zip64: boolean): Buffer {
  const fields: Field[] = [
    [10, method, 2],
    [28, name.length, 2],
  ]
  if (!zip64) {
    return header(0x02014b50, 46, name, [...fields, [20, size, 4], [24, size, 4], [42, offset, 4]])
  }
  const full: Field[] = [20, 24, 42].map((at) => [at, 0xffffffff, 4])
  const unknown = Buffer.from([0x99, 0x99, 2, 0, 1, 2]) // an extra field of some other kind
  const extra = header(1, 28, '', [
    [2, 24, 2],
    [4, size, 6],
    [12, size, 6],
    [20, offset, 6],
  ])
  const entry = header(0x02014b50, 46, name, [...fields, ...full, [30, unknown.length + extra.length, 2]])
  return Buffer.concat([entry, unknown, extra])
}

function plainEnd(count: number, size: number, offset: number): Buffer {
  return header(0x06054b50, 22, '', [
    [8, count, 2],
    [10, count, 2],
    [12, size, 4],
    [16, offset, 4],
  ])
}

function zip64End(count: number, size: number, offset: number): Buffer {
  return Buffer.concat([
    header(0x06064b50, 56, '', [
      [24, count, 6],
      [32, count, 6],
      [40, size, 6],
      [48, offset, 6],
    ]),
    header(0x07064b50, 20, '', [[8, offset + size, 6]]),
    plainEnd(0xffff, 0xffffffff, 0xffffffff),
  ])
}

/** Fields of at most 6 bytes in a record of zeros, then the name. */
function header(signature: number, size: number, name: string, fields: Field[]): Buffer {
  const bytes = Buffer.alloc(size)
  bytes.writeUInt32LE(signature)
  for (const [at, value, width] of fields) bytes.writeUIntLE(value, at, width)
  return Buffer.concat([bytes, Buffer.from(name)])
}

/** Opcodes of pickles, by hand. */
export const op = {
  proto: Buffer.from([0x80, 2]),
  stop: Buffer.from('.'),
  mark: Buffer.from('('),
  tuple: Buffer.from('t'),
  reduce: Buffer.from('R'),
  newObject: Buffer.from([0x81]),
  build: Buffer.from('b'),
  emptyDict: Buffer.from('}'),
  emptyTuple: Buffer.from(')'),
  setItem: Buffer.from('s'),
  persistentId: Buffer.from('Q'),
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  text(value: string) {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    return Buffer.concat([Buffer.from('X'), length, bytes])
  },
  number: (value: number) => Buffer.from([0x4b, value]),
}

export const pickleOf = (...parts: Uint8Array[]): Buffer => Buffer.concat([op.proto, ...parts, op.stop])

/** A tensor on storage `key`. */
export function tensorOps(type: string, key: string, shape: number[], strides: number[], offset = 0): Buffer {
  const numbers = (values: number[]) => Buffer.concat([op.mark, ...values.map(op.number), op.tuple])
  return Buffer.concat([
    op.global('torch._utils', '_rebuild_tensor_v2'),
    op.mark,
    op.mark,
    ...[op.text('storage'), op.global('torch', type), op.text(key), op.text('cpu'), op.number(1)],
    op.tuple,
    op.persistentId,
    ...[op.number(offset), numbers(shape), numbers(strides), Buffer.from([0x89])],
    ...[op.global('collections', 'OrderedDict'), op.emptyTuple, op.reduce],
    op.tuple,
    op.reduce,
  ])
}
