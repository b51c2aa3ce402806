/** Files of torch.save: tensors and settings come out, nothing is executed, everything else is refused by name. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { member, plainSettings, readTorchFile, tensorsOf } from '../lib/convert/torch-file.js'
import { createRandom } from './helpers/random.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'
import { op, pickleOf, tensorOps, torchArchive } from './helpers/torch-archive.js'

function file(content: Uint8Array): string {
  const path = join(tempFolder(), 'pytorch_model.bin')
  writeFileSync(path, content)
  return path
}

const dictOf = (name: string, value: Uint8Array) => pickleOf(op.emptyDict, op.text(name), value, op.setItem)
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('tensors', () => {
  test.each([false, true])('a view into a storage; zip64 %s', async (zip64) => {
    const files = { 'archive/data/0': floats(0, 1, 2, 3, 4) }
    const pickle = dictOf('w', tensorOps('FloatStorage', '0', [2, 2], [2, 1], 1))
    const path = file(torchArchive(pickle, { files, zip64 }))
    const torch = await readTorchFile(path)
    const info = tensorsOf(torch, torch.root).get('w')
    expect(info).toMatchObject({ dtype: 'float32', shape: [2, 2], file: path })
    const offset = info?.offset ?? 0
    const bytes = Uint8Array.from(readFileSync(path).subarray(offset, offset + 16))
    expect([...new Float32Array(bytes.buffer)]).toEqual([1, 2, 3, 4])
  })

  const one = { files: { 'archive/data/0': floats(0, 1, 2, 3) } }
  test.each<[string, Buffer, string, RegExp]>([
    ['transposed', tensorOps('FloatStorage', '0', [2, 2], [1, 2]), 'ERR_UNSUPPORTED', /w has the strides \[1,2\]/],
    [
      'larger than its storage',
      tensorOps('FloatStorage', '0', [5], [1]),
      'ERR_MODEL_INVALID',
      /w of shape \[5\] is larger/,
    ],
    [
      'behind its storage',
      tensorOps('FloatStorage', '0', [2], [1], 3),
      'ERR_MODEL_INVALID',
      /w of shape \[2\] is larger/,
    ],
    ['without data', tensorOps('FloatStorage', '7', [2], [1]), 'ERR_MODEL_INVALID', /the data of w is missing/],
  ])('%s is refused', async (_, tensor, code, message) => {
    const torch = await readTorchFile(file(torchArchive(dictOf('w', tensor), one)))
    expect(() => tensorsOf(torch, torch.root)).toThrow(refusal(code, message))
  })
})

describe('pickles that would execute something', () => {
  const marker = join(tempFolderOfFile(), 'executed')
  const attacks: [string, Buffer, string][] = [
    [
      'os.system',
      Buffer.concat([op.global('os', 'system'), op.mark, op.text(`touch ${marker}`), op.tuple, op.reduce]),
      'os.system',
    ],
    [
      'posix.system',
      Buffer.concat([op.global('posix', 'system'), op.mark, op.text('true'), op.tuple, op.reduce]),
      'posix.system',
    ],
    ['eval by its name of Python 2', op.global('__builtin__', 'eval'), 'builtins.eval'],
    ['builtins.getattr', op.global('builtins', 'getattr'), 'builtins.getattr'],
    ['a name of torch that loads more', op.global('torch', 'load'), 'torch.load'],
    ['torch.hub', op.global('torch.hub', 'load'), 'torch.hub.load'],
    [
      'torch._utils with another function',
      op.global('torch._utils', '_rebuild_wrapper_subclass'),
      '_rebuild_wrapper_subclass',
    ],
    ['a name that objects have', op.global('constructor', 'constructor'), 'constructor.constructor'],
    ['__proto__', op.global('__proto__', 'toString'), '__proto__.toString'],
    [
      'a stack global',
      Buffer.concat([
        Buffer.from([0x8c, 2]),
        Buffer.from('os'),
        Buffer.from([0x8c, 6]),
        Buffer.from('system'),
        Buffer.from([0x93]),
      ]),
      'os.system',
    ],
    [
      'an instance of subprocess.Popen',
      Buffer.concat([op.global('subprocess', 'Popen'), op.emptyTuple, op.newObject]),
      'subprocess.Popen',
    ],
    [
      'a type that may only be mentioned',
      Buffer.concat([op.global('builtins', 'dict'), op.emptyTuple, op.reduce]),
      'builtins.dict',
    ],
  ]

  test.each(attacks)('%s', async (_, value, name) => {
    const path = file(torchArchive(dictOf('w', value)))
    const message = expect.stringContaining(`the pickle wants`)
    await expect(readTorchFile(path)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_UNSAFE_MODEL', message, hint: expect.stringContaining('safetensors') }),
    )
    await expect(readTorchFile(path)).rejects.toThrow(name)
    await expect(readTorchFile(path)).rejects.toThrow(path)
    expect(existsSync(marker)).toBe(false)
  })
})

function tempFolderOfFile(): string {
  return join('/tmp', `trtllm-node-never-${process.pid}`)
}

describe('damaged and foreign files', () => {
  const good = torchArchive(pickleOf(op.emptyDict))
  test.each<[string, Uint8Array, string, RegExp]>([
    ['an empty file', new Uint8Array(), 'ERR_MODEL_INVALID', /no directory of entries/],
    [
      'text',
      Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
      'ERR_MODEL_INVALID',
      /it is no zip file, or truncated/,
    ],
    ['the format before torch 1.6', Buffer.from([0x80, 2, 0x8a, 10]), 'ERR_UNSUPPORTED', /format of torch before 1\.6/],
    ['a truncated archive', good.subarray(0, good.length - 30), 'ERR_MODEL_INVALID', /truncated|damaged|outside/],
    ['compressed entries', torchArchive(pickleOf(op.emptyDict), { method: 8 }), 'ERR_MODEL_INVALID', /is compressed/],
    [
      'big-endian tensors',
      torchArchive(pickleOf(op.emptyDict), { files: { 'archive/byteorder': Buffer.from('big') } }),
      'ERR_UNSUPPORTED',
      /big-endian/,
    ],
    ['a pickle without an end', torchArchive(op.proto), 'ERR_MODEL_INVALID', /ends without a stop/],
    ['a text opcode', torchArchive(pickleOf(Buffer.from('I01\n'))), 'ERR_MODEL_INVALID', /opcode 0x49/],
    ['an extension', torchArchive(pickleOf(Buffer.from([0x82, 1]))), 'ERR_MODEL_INVALID', /opcode 0x82/],
    [
      'a truncated text',
      torchArchive(Buffer.concat([op.proto, op.text('long').subarray(0, 6)])),
      'ERR_MODEL_INVALID',
      /truncated/,
    ],
    ['an empty stack', torchArchive(pickleOf()), 'ERR_MODEL_INVALID', /empty stack/],
    [
      'a call of a number',
      torchArchive(pickleOf(op.number(1), op.emptyTuple, op.reduce)),
      'ERR_MODEL_INVALID',
      /no function/,
    ],
    ['an unknown storage', torchArchive(pickleOf(op.text('x'), op.persistentId)), 'ERR_MODEL_INVALID', /no storage/],
  ])('%s', async (_, content, code, message) => {
    await expect(readTorchFile(file(content))).rejects.toThrow(refusal(code, message))
  })

  test('any changed byte gives an error of ours or a file that can be read', async () => {
    const golden = familyGoldens().find(({ name }) => name === 'mt5')
    const original = readFileSync(join(golden?.folder ?? '', 'hf/pytorch_model.bin'))
    const random = createRandom(7)
    let refused = 0
    for (let run = 0; run < 150; run++) {
      const bytes = Buffer.from(original)
      const region = random.next() < 0.5 ? 6000 : bytes.length
      for (let i = 0; i <= random.below(4); i++) bytes[random.below(region)] = random.below(256)
      const cut = random.next() < 0.2 ? random.below(bytes.length) : bytes.length
      const path = file(bytes.subarray(0, cut))
      const outcome = await readTorchFile(path)
        .then((torch) => tensorsOf(torch, torch.root).size)
        .catch((error: unknown) => error)
      if (typeof outcome === 'number') continue
      refused++
      expect(outcome).toMatchObject({
        name: 'TrtllmError',
        code: expect.stringMatching(/^ERR_(MODEL_INVALID|UNSUPPORTED|UNSAFE_MODEL)$/),
      })
    }
    expect(refused).toBeGreaterThan(30)
  })
})

describe('settings', () => {
  const field = (name: string, value: Uint8Array) => Buffer.concat([op.text(name), value, op.setItem])
  const object = (module: string, name: string, ...fields: Buffer[]) =>
    Buffer.concat([op.global(module, name), op.emptyTuple, op.newObject, op.emptyDict, ...fields, op.build])
  const node = (value: Uint8Array) => object('omegaconf.nodes', 'AnyNode', field('_val', value))

  test("argparse's Namespace", async () => {
    const args = object('argparse', 'Namespace', field('arch', op.text('transformer')), field('layers', op.number(6)))
    const { root } = await readTorchFile(file(torchArchive(dictOf('args', args))))
    expect(plainSettings(member(root, 'args'))).toEqual({ arch: 'transformer', layers: 6 })
  })

  test("omegaconf's containers", async () => {
    const content = field('_content', Buffer.concat([op.emptyDict, field('layers', node(op.number(6)))]))
    const model = object('omegaconf.dictconfig', 'DictConfig', content)
    const outer = Buffer.concat([op.emptyDict, field('model', model)])
    const cfg = object('omegaconf.dictconfig', 'DictConfig', field('_content', outer))
    const { root } = await readTorchFile(file(torchArchive(dictOf('cfg', cfg))))
    expect(plainSettings(member(member(root, 'cfg'), 'model'))).toEqual({ layers: 6 })
  })

  test('what is no scalar is left out, and what is no container is empty', async () => {
    const args = object('argparse', 'Namespace', field('list', op.emptyDict), field('none', Buffer.from('N')))
    const { root } = await readTorchFile(file(torchArchive(dictOf('args', args))))
    expect(plainSettings(member(root, 'args'))).toEqual({ none: null })
    expect(plainSettings(member(root, 'cfg'))).toEqual({})
  })
})
