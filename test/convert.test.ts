/** Formats of weights, and that a folder appears whole or not at all. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ConvertProgress, convertModel } from '../lib/convert/convert.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'
import { readTensors, type TestTensors, writeTensors } from './helpers/tensors.js'
import { markedTensors, type Shapes, T5_CONFIG, t5Shapes, writeModel } from './helpers/tiny-models.js'

const golden = (name: string) => join(familyGoldens().find((golden) => golden.name === name)?.folder ?? '', 'hf')
const target = () => join(tempFolder(), 'checkpoint')
const files = (folder: string) => (readdirSync(folder, { recursive: true }) as string[]).sort()

function expectSameFolder(found: string, expected: string): void {
  expect(files(found)).toEqual(files(expected))
  for (const file of files(expected).filter((name) => /\.\w+$/.test(name))) {
    expect(readFileSync(join(found, file)).equals(readFileSync(join(expected, file))), file).toBe(true)
  }
}

function splitInTwo(folder: string, tensors: TestTensors): void {
  const parts = [0, 1].map((part) => Object.entries(tensors).filter((_, i) => i % 2 === part))
  const names = parts.map((_, part) => `model-0000${part + 1}-of-00002.safetensors`)
  for (const [i, part] of parts.entries()) writeTensors(join(folder, names[i] ?? ''), Object.fromEntries(part))
  const map = parts.flatMap((part, i) => part.map(([name]) => [name, names[i]]))
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: Object.fromEntries(map) }))
}

describe('formats', () => {
  test('sharded safetensors give the same checkpoint', async () => {
    const model = writeModel(T5_CONFIG, t5Shapes())
    const single = await convertModel(model, target())
    rmSync(join(model, 'model.safetensors'))
    splitInTwo(model, markedTensors(t5Shapes()))
    expectSameFolder((await convertModel(model, target())).folder, single.folder)
  })

  test.each(['mt5', 'mbart-cc25'])('pytorch_model.bin gives the same checkpoint as safetensors: %s', async (name) => {
    const bin = await convertModel(golden(name), target())
    const folder = tempFolder()
    for (const file of ['config.json', 'generation_config.json'])
      copyFileSync(join(golden(name), file), join(folder, file))
    writeTensors(join(folder, 'model.safetensors'), await tensorsOfBin(join(golden(name), 'pytorch_model.bin')))
    expectSameFolder((await convertModel(folder, target())).folder, bin.folder)
  })

  async function tensorsOfBin(file: string): Promise<TestTensors> {
    const { readTorchFile, tensorsOf } = await import('../lib/convert/torch-file.js')
    const torch = await readTorchFile(file)
    const bytes = readFileSync(file)
    const tensors = [...tensorsOf(torch, torch.root)].map(([name, { shape, offset }]) => {
      const count = shape.reduce((product, size) => product * size, 1)
      return [name, { shape, values: Array.from({ length: count }, (_, i) => bytes.readFloatLE(offset + 4 * i)) }]
    })
    return Object.fromEntries(tensors)
  }

  test('a fairseq checkpoint: its file, or its folder', async () => {
    const byFile = await convertModel(join(golden('nmt'), 'model.pt'), target())
    expectSameFolder((await convertModel(golden('nmt'), target())).folder, byFile.folder)
    expect(byFile).toMatchObject({ family: 'fairseq translation', dtype: 'float32', warnings: [] })
  })

  test("fairseq's sinusoids: position t is that of t + 2, sines before cosines, float32 in any checkpoint", async () => {
    const { folder } = await convertModel(golden('nmt'), target(), { dtype: 'bfloat16' })
    const table = readTensors(join(folder, 'encoder/rank0.safetensors'))['transformer.position_embedding.weight']
    expect(table).toMatchObject({ dtype: 'F32', shape: [64, 16] })
    const at = (row: number, column: number) => table?.values[row * 16 + column]
    for (const row of [0, 1, 63]) {
      for (const k of [0, 3, 7]) {
        const angle = (row + 2) / 10000 ** (k / 7)
        expect(at(row, k)).toBeCloseTo(Math.sin(angle), 5)
        expect(at(row, 8 + k)).toBeCloseTo(Math.cos(angle), 5)
      }
    }
  })

  test('what texts need is copied; generation settings of old folders are gathered', async () => {
    const model = writeModel({ ...T5_CONFIG, num_beams: 4, max_length: 200, decoder_start_token_id: 0 }, t5Shapes())
    writeFileSync(join(model, 'tokenizer.json'), '{"a":1}')
    const { folder } = await convertModel(model, target())
    expect(readFileSync(join(folder, 'tokenizer.json'), 'utf8')).toBe('{"a":1}')
    expect(JSON.parse(readFileSync(join(folder, 'generation_config.json'), 'utf8'))).toEqual({
      decoder_start_token_id: 0,
      eos_token_id: 1,
      pad_token_id: 0,
      num_beams: 4,
      max_length: 200,
    })
  })
})

describe('types', () => {
  test('the type of most weights, unless another is asked for', async () => {
    expect((await convertModel(golden('byt5'), target())).dtype).toBe('bfloat16')
    const { folder, dtype } = await convertModel(golden('byt5'), target(), { dtype: 'float32' })
    expect(dtype).toBe('float32')
    const found = Object.values(readTensors(join(folder, 'decoder/rank0.safetensors')))
    expect(new Set(found.map((tensor) => tensor.dtype))).toEqual(new Set(['F32']))
  })

  test('float16 warns for T5, and says why', async () => {
    const { warnings } = await convertModel(golden('flan-t5'), target(), { dtype: 'float16' })
    expect(warnings).toEqual([expect.stringMatching(/bfloat16.*65504/)])
    expect((await convertModel(golden('bart'), target(), { dtype: 'float16' })).warnings).toEqual([])
  })

  test('a weight beyond float16 is refused by name', async () => {
    const model = writeModel(T5_CONFIG, t5Shapes()) // numbers up to 10000 × tensors
    const out = target()
    await expect(convertModel(model, out, { dtype: 'float16' })).rejects.toThrow(/(block|shared|lm_head).* holds \d+/)
    expect(readdirSync(dirname(out))).toEqual([])
  })
})

describe('the folder that is written', () => {
  test('must not have files yet; an empty one is taken', async () => {
    const model = writeModel(T5_CONFIG, t5Shapes())
    const out = target()
    mkdirSync(out)
    await convertModel(model, out)
    await expect(convertModel(model, out)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_OUTPUT', message: `${out} exists and is not empty` }),
    )
    await expect(convertModel(model, join(model, 'config.json'))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_OUTPUT' }),
    )
  })

  test('appears at the end, with progress on the way', async () => {
    const out = target()
    const seen: ConvertProgress[] = []
    const { bytes } = await convertModel(writeModel(T5_CONFIG, t5Shapes()), out, {
      onProgress: (progress) => {
        expect(existsSync(out)).toBe(false)
        seen.push(progress)
      },
    })
    expect(seen.at(-1)).toEqual({
      bytesWritten: bytes,
      bytesTotal: bytes,
      tensor: expect.stringContaining('decoder/rank0'),
    })
    expect(seen.map(({ bytesWritten }) => bytesWritten)).toEqual(
      seen.map(({ bytesWritten }) => bytesWritten).sort((a, b) => a - b),
    )
    expect(files(out)).toEqual([
      ...['decoder', 'decoder/config.json', 'decoder/rank0.safetensors'],
      ...['encoder', 'encoder/config.json', 'encoder/rank0.safetensors', 'generation_config.json'],
    ])
  })

  test('aborting leaves nothing behind', async () => {
    const out = target()
    const stop = new AbortController()
    const converted = convertModel(writeModel(T5_CONFIG, t5Shapes()), out, {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    })
    await expect(converted).rejects.toThrow('enough')
    expect(readdirSync(dirname(out))).toEqual([])
  })

  test('a truncated file of weights leaves nothing behind', async () => {
    const model = writeModel(T5_CONFIG, t5Shapes())
    const file = join(model, 'model.safetensors')
    writeFileSync(file, readFileSync(file).subarray(0, -4))
    const out = target()
    await expect(convertModel(model, out)).rejects.toThrow(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }))
    expect(readdirSync(dirname(out))).toEqual([])
  })
})

test('memory does not grow with the tensors', async () => {
  const vocab = 400_000 // an embedding of 102 MB
  const shapes = { ...t5Shapes({ gated: false }), 'shared.weight': [vocab, 64] }
  const config = { ...T5_CONFIG, d_model: 64, vocab_size: vocab, feed_forward_proj: 'relu' }
  const model = writeLargeModel(config, shapes)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  await convertModel(model, target(), {
    dtype: 'bfloat16',
    onProgress: () => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    },
  })
  expect(most).toBeLessThan(80e6)
})

/** A model of zeros, with every 4 in a shape replaced by the config's size. */
function writeLargeModel(config: { d_model: number; vocab_size: number }, shapes: Shapes): string {
  const folder = tempFolder()
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const sized = Object.entries(shapes).map(([name, shape]): [string, number[]] => {
    if (name === 'lm_head.weight') return [name, [config.vocab_size, config.d_model]]
    return [name, shape.map((size) => (size === 4 ? config.d_model : size))]
  })
  let offset = 0
  const header = sized.map(([name, shape]) => {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1)
    const entry = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes] }
    offset += bytes
    return [name, entry]
  })
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const file = join(folder, 'model.safetensors')
  writeFileSync(file, Buffer.concat([length, json]))
  truncateSync(file, 8 + json.length + offset)
  return folder
}
