/**
 * Reads Python pickles as plain data. A pickle is a program for a small stack machine that may name any Python function
 * and have it called; here nothing is ever called: a name outside of the table that the caller gives is refused, and
 * those inside give plain values. Protocols 2 to 5, without protocol 0's text opcodes, which torch
 * never writes.
 */
import { TrtllmError } from '../errors.js'

/** dict: Map; list and tuple: array; bytes: Uint8Array; set: Set; integers beyond 2^53: bigint. */
export type PickleValue = unknown

/** A class or function of the table, standing for itself on the stack. */
export interface PickleGlobal {
  name: string
  /** Stands for calling it or making an instance. Absent: it may be mentioned, not called. */
  make?: (args: PickleValue[]) => PickleValue
  /** Stands for setting an instance's state; absent: the state is dropped. */
  build?: (instance: PickleValue, state: PickleValue) => void
}

export interface PickleRules {
  /** What a global 'module.name' stands for, undefined to refuse it. */
  global(name: string): PickleGlobal | undefined
  /** What a persistent id stands for: torch's references to storages. */
  persistent(id: PickleValue): PickleValue
}

interface Machine {
  bytes: Uint8Array
  view: DataView
  at: number
  stack: PickleValue[]
  /** Stack heights at which marks were set. */
  marks: number[]
  memo: Map<number, PickleValue>
  rules: PickleRules
  /** Those named so far. */
  globals: Set<PickleValue>
  /** Of each instance that was made. */
  classes: WeakMap<object, PickleGlobal>
}

/**
 * @throws TrtllmError ERR_UNSAFE_MODEL for a global that is not in the table
 * @throws Error for damaged pickles and for opcodes that are not read
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules): PickleValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const machine: Machine = {
    bytes,
    view,
    at: 0,
    stack: [],
    marks: [],
    memo: new Map(),
    rules,
    globals: new Set(),
    classes: new WeakMap(),
  }
  for (;;) {
    if (machine.at >= bytes.length) throw new Error('the pickle ends without a stop')
    const code = bytes[machine.at++] as number
    if (code === STOP) return pop(machine)
    const run = OPCODES[code]
    if (run === undefined) throw new Error(`the pickle uses opcode 0x${code.toString(16)}, which is not read`)
    run(machine)
  }
}

const STOP = 0x2e

const OPCODES: Record<number, (m: Machine) => void> = {
  128: (m) => void take(m, 1), // PROTO
  149: (m) => void take(m, 8), // FRAME
  40: (m) => void m.marks.push(m.stack.length), // MARK
  48: (m) => void pop(m), // POP
  49: (m) => void popMark(m), // POP_MARK
  50: (m) => push(m, top(m)), // DUP
  78: (m) => push(m, null), // NONE
  136: (m) => push(m, true), // NEWTRUE
  137: (m) => push(m, false), // NEWFALSE
  74: (m) => push(m, m.view.getInt32(take(m, 4), true)), // BININT
  75: (m) => push(m, m.view.getUint8(take(m, 1))), // BININT1
  77: (m) => push(m, m.view.getUint16(take(m, 2), true)), // BININT2
  138: (m) => push(m, long(m, length(m, 1))), // LONG1
  139: (m) => push(m, long(m, length(m, 4))), // LONG4
  71: (m) => push(m, m.view.getFloat64(take(m, 8))), // BINFLOAT
  88: (m) => push(m, text(m, length(m, 4))), // BINUNICODE
  140: (m) => push(m, text(m, length(m, 1))), // SHORT_BINUNICODE
  141: (m) => push(m, text(m, length(m, 8))), // BINUNICODE8
  84: (m) => push(m, text(m, length(m, 4))), // BINSTRING
  85: (m) => push(m, text(m, length(m, 1))), // SHORT_BINSTRING
  66: (m) => push(m, raw(m, length(m, 4))), // BINBYTES
  67: (m) => push(m, raw(m, length(m, 1))), // SHORT_BINBYTES
  142: (m) => push(m, raw(m, length(m, 8))), // BINBYTES8
  150: (m) => push(m, raw(m, length(m, 8))), // BYTEARRAY8
  125: (m) => push(m, new Map()), // EMPTY_DICT
  93: (m) => push(m, []), // EMPTY_LIST
  41: (m) => push(m, []), // EMPTY_TUPLE
  143: (m) => push(m, new Set()), // EMPTY_SET
  116: (m) => push(m, popMark(m)), // TUPLE
  133: (m) => push(m, popMany(m, 1)), // TUPLE1
  134: (m) => push(m, popMany(m, 2)), // TUPLE2
  135: (m) => push(m, popMany(m, 3)), // TUPLE3
  145: (m) => push(m, new Set(popMark(m))), // FROZENSET
  97: (m) => append(m, popMany(m, 1)), // APPEND
  101: (m) => append(m, popMark(m)), // APPENDS
  144: (m) => append(m, popMark(m)), // ADDITEMS
  115: (m) => setItems(m, popMany(m, 2)), // SETITEM
  117: (m) => setItems(m, popMark(m)), // SETITEMS
  113: (m) => void m.memo.set(m.view.getUint8(take(m, 1)), top(m)), // BINPUT
  114: (m) => void m.memo.set(m.view.getUint32(take(m, 4), true), top(m)), // LONG_BINPUT
  148: (m) => void m.memo.set(m.memo.size, top(m)), // MEMOIZE
  104: (m) => push(m, remembered(m, m.view.getUint8(take(m, 1)))), // BINGET
  106: (m) => push(m, remembered(m, m.view.getUint32(take(m, 4), true))), // LONG_BINGET
  99: (m) => push(m, global(m, `${line(m)}.${line(m)}`)), // GLOBAL
  147: (m) => push(m, global(m, popMany(m, 2).join('.'))), // STACK_GLOBAL
  82: (m) => call(m, popMany(m, 2)), // REDUCE
  129: (m) => call(m, popMany(m, 2)), // NEWOBJ
  98: build, // BUILD
  81: (m) => push(m, m.rules.persistent(pop(m))), // BINPERSID
}

function push(m: Machine, value: PickleValue): void {
  m.stack.push(value)
}

function top(m: Machine): PickleValue {
  if (m.stack.length === 0) throw new Error('the pickle takes from an empty stack')
  return m.stack[m.stack.length - 1]
}

function pop(m: Machine): PickleValue {
  const value = top(m)
  m.stack.pop()
  return value
}

function popMany(m: Machine, count: number): PickleValue[] {
  if (m.stack.length < count) throw new Error('the pickle takes from an empty stack')
  return m.stack.splice(m.stack.length - count)
}

function popMark(m: Machine): PickleValue[] {
  const height = m.marks.pop()
  if (height === undefined || height > m.stack.length)
    throw new Error('the pickle takes up to a mark that is not there')
  return m.stack.splice(height)
}

/** Moves over `count` bytes; returns where they start. */
function take(m: Machine, count: number): number {
  const start = m.at
  if (start + count > m.bytes.length) throw new Error('the pickle is truncated')
  m.at += count
  return start
}

/** A length of 1, 4 or 8 bytes. */
function length(m: Machine, size: 1 | 4 | 8): number {
  const at = take(m, size)
  if (size === 1) return m.view.getUint8(at)
  return size === 4 ? m.view.getUint32(at, true) : Number(m.view.getBigUint64(at, true))
}

function raw(m: Machine, count: number): Uint8Array {
  const at = take(m, count)
  return m.bytes.slice(at, at + count)
}

function text(m: Machine, count: number): string {
  return new TextDecoder().decode(raw(m, count))
}

function line(m: Machine): string {
  const end = m.bytes.indexOf(10, m.at)
  if (end < 0) throw new Error('the pickle is truncated')
  const start = take(m, end - m.at + 1)
  return new TextDecoder().decode(m.bytes.subarray(start, end))
}

/** Two's complement, little-endian. */
function long(m: Machine, count: number): number | bigint {
  const bytes = raw(m, count)
  const unsigned = bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n)
  const value = BigInt.asIntN(8 * count, unsigned)
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

function remembered(m: Machine, key: number): PickleValue {
  if (!m.memo.has(key)) throw new Error(`the pickle recalls ${key}, which it never stored`)
  return m.memo.get(key)
}

function append(m: Machine, values: PickleValue[]): void {
  const list = top(m)
  if (Array.isArray(list)) for (const value of values) list.push(value)
  else if (list instanceof Set) for (const value of values) list.add(value)
  else throw new Error('the pickle appends to something that is no list')
}

function setItems(m: Machine, items: PickleValue[]): void {
  const dict = top(m)
  if (!(dict instanceof Map) || items.length % 2 !== 0)
    throw new Error('the pickle sets items of something that is no dict')
  for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1])
}

/** Python 2's names of modules, which protocol 2 uses. */
const RENAMED: Record<string, string> = { __builtin__: 'builtins', copy_reg: 'copyreg' }

function global(m: Machine, written: string): PickleGlobal {
  const dot = written.indexOf('.')
  const module = written.slice(0, dot)
  const name = `${Object.hasOwn(RENAMED, module) ? RENAMED[module] : module}${written.slice(dot)}`
  const found = m.rules.global(name)
  if (found === undefined) throw unsafe(name)
  m.globals.add(found)
  return found
}

function unsafe(name: string): TrtllmError {
  return new TrtllmError(
    'ERR_UNSAFE_MODEL',
    `the pickle wants ${name}, which no weights need: only tensors and plain settings are read, and nothing is executed`,
    { hint: 'if you trust the file, load it in Python and save its tensors as safetensors' },
  )
}

function call(m: Machine, [callee, args]: PickleValue[]): void {
  if (!m.globals.has(callee) || !Array.isArray(args)) throw new Error('the pickle calls something that is no function')
  const { name, make } = callee as PickleGlobal
  if (make === undefined) throw unsafe(name)
  const made = make(args)
  if (typeof made === 'object' && made !== null) m.classes.set(made, callee as PickleGlobal)
  push(m, made)
}

function build(m: Machine): void {
  const [instance, state] = popMany(m, 2)
  push(m, instance)
  if (typeof instance !== 'object' || instance === null) throw new Error('the pickle sets the state of a plain value')
  m.classes.get(instance)?.build?.(instance, state)
}
