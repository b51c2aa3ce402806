/** An adapter merged into a checkpoint: W' = W + scale · B·A in every family, type and split. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mergeIntoCheckpoint, prepareAdapter, TENSORRT_LLM_LORA } from '../lib/lora/index.js'
import { readModelFolder } from '../lib/model-folder.js'
import { mergedMatrices, nameOf, randomPairs, type TestPair, writeAdapter } from './helpers/lora-adapters.js'
import {
  BART,
  keyOf,
  type Layout,
  randomMatrices,
  shapeOf,
  T5,
  type TestModel,
  writeCheckpoint,
} from './helpers/lora-models.js'
import { tempFolder } from './helpers/temp.js'
import { readTensors, type TestTensor } from './helpers/tensor-files.js'

const merge = (checkpoint: string, adapter: string, out: string) => {
  return mergeIntoCheckpoint(adapter, readModelFolder(checkpoint), out)
}

function weightFiles(folder: string): string[] {
  return ['encoder', 'decoder'].flatMap((side) =>
    readdirSync(join(folder, side))
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => join(side, name)),
  )
}

function expectSameCheckpoint(found: string, expected: string): void {
  expect(weightFiles(found)).toEqual(weightFiles(expected))
  for (const file of weightFiles(expected)) {
    const paths = [join(found, file), join(expected, file)] as const
    if (readFileSync(paths[0]).equals(readFileSync(paths[1]))) continue
    expect(readTensors(paths[0]), file).toEqual(readTensors(paths[1]))
  }
}

/** A checkpoint, an adapter of all its modules, and the checkpoint that their merge has to be. */
function setUp(model: TestModel, layout: Layout = {}, pairs: readonly TestPair[] = randomPairs(model)) {
  const folder = tempFolder()
  const matrices = randomMatrices(model)
  return {
    folder,
    pairs,
    checkpoint: writeCheckpoint(join(folder, 'checkpoint'), model, matrices, layout),
    adapter: writeAdapter(join(folder, 'adapter'), model, pairs),
    expected: writeCheckpoint(join(folder, 'expected'), model, mergedMatrices(model, matrices, pairs), layout),
    out: join(folder, 'out'),
  }
}

const dtypes = ['float32', 'float16', 'bfloat16'] as const

describe.each([
  ['T5, gated', T5],
  ['T5, not gated', { ...T5, gated: false }],
  ['BART', BART],
])('%s', (_, model) => {
  test.each(dtypes)('%s: every matrix, tensor by tensor', async (dtype) => {
    const { checkpoint, adapter, expected, out, pairs } = setUp({ ...model, dtype })
    expect(await merge(checkpoint, adapter, out)).toEqual({ matrices: pairs.length, files: 2 })
    expectSameCheckpoint(out, expected)
  })

  test.each<[string, Layout]>([
    ['tp 2', { tp: 2 }],
    ['pp 2', { pp: 2 }],
    ['tp 2, pp 2', { tp: 2, pp: 2 }],
    ['names of old releases', { oldNames: true, tp: 2 }],
  ])('%s: the merge of the split is the split of the merge', async (_, layout) => {
    const { checkpoint, adapter, expected, out } = setUp({ ...model, dtype: 'bfloat16' }, layout)
    await merge(checkpoint, adapter, out)
    expectSameCheckpoint(out, expected)
  })
})

test('a matrix that is read in several chunks', async () => {
  const model = { ...BART, hidden: 512, ffn: { encoder: 600, decoder: 4 }, layers: { encoder: 1, decoder: 1 } }
  const { checkpoint, adapter, expected, out } = setUp(
    model,
    {},
    randomPairs(model, { take: (name) => name.endsWith('fc1') }),
  )
  await merge(checkpoint, adapter, out)
  expectSameCheckpoint(out, expected)
})

test('only what the adapter names changes; all other files are copied; the original stays as it was', async () => {
  const pairs = randomPairs(T5, { take: (name) => name.startsWith('decoder') && name.endsWith('EncDecAttention.k') })
  const { checkpoint, adapter, expected, out } = setUp(T5, {}, pairs)
  const before = readFileSync(join(checkpoint, 'decoder/rank0.safetensors'))
  expect(await merge(checkpoint, adapter, out)).toEqual({ matrices: 4, files: 1 })
  expectSameCheckpoint(out, expected)
  expect(readFileSync(join(out, 'encoder/rank0.safetensors'))).toEqual(
    readFileSync(join(checkpoint, 'encoder/rank0.safetensors')),
  )
  for (const file of ['tokenizer.json', 'encoder/config.json', 'decoder/config.json']) {
    expect(readFileSync(join(out, file), 'utf8')).toBe(readFileSync(join(checkpoint, file), 'utf8'))
  }
  expect(readFileSync(join(checkpoint, 'decoder/rank0.safetensors'))).toEqual(before)
})

test('links are followed, and what they lead to is not changed', async () => {
  const { folder, checkpoint, adapter, expected, out } = setUp(T5)
  const [file, target] = [join(checkpoint, 'decoder/rank0.safetensors'), join(folder, 'blob')]
  renameSync(file, target)
  symlinkSync(target, file)
  const before = readFileSync(target)
  await merge(checkpoint, adapter, out)
  expectSameCheckpoint(out, expected)
  expect(readFileSync(target)).toEqual(before)
})

test("TensorRT-LLM's tensors merge to the same, fused matrices too", async () => {
  const { folder, checkpoint, adapter, out } = setUp(T5)
  const model = readModelFolder(checkpoint)
  const everything = { encoder: true, dora: true, attentionDense: true }
  await mergeIntoCheckpoint(await prepareAdapter(adapter, model, { capabilities: everything }), model, out)
  const fromPeft = join(folder, 'from-peft')
  await merge(checkpoint, adapter, fromPeft)
  expectSameCheckpoint(out, fromPeft)

  // attn_qkv of decoder layer 1: A is shared, B is [Bq; Bk; Bv]
  const attention = T5.heads * T5.headSize
  const a = Float32Array.from({ length: T5.hidden }, (_, i) => (i % 5) / 4 - 0.5)
  const b = Float32Array.from({ length: 3 * attention }, (_, i) => (i % 7) / 4 - 0.75)
  const data = new Uint8Array(Float32Array.of(...a, ...b).buffer)
  const fused = {
    weights: { dtype: 'float32' as const, rows: 1, width: a.length + b.length, data },
    config: { rows: 1, columns: 3 as const, data: Int32Array.of(0, 1, 1) },
  }
  await mergeIntoCheckpoint(fused, model, join(folder, 'fused'))
  const name = 'transformer.layers.1.self_attention.qkv.weight'
  const [before, after] = [checkpoint, join(folder, 'fused')].map(
    (path) => readTensors(join(path, 'decoder/rank0.safetensors'))[name],
  )
  const expected = before?.values.map((w, i) => w + (b[Math.floor(i / T5.hidden)] ?? 0) * (a[i % T5.hidden] ?? 0))
  expect(after?.values).toEqual(expected)
})

describe('DoRA', () => {
  const pairs = randomPairs(T5)
  const magnitudes = new Map(
    pairs.map(({ side, part, name }): [string, Float32Array] => {
      return [name, Float32Array.from({ length: shapeOf(T5, side, part)[0] }, (_, i) => 1 + (i % 4) / 2)]
    }),
  )
  const vectors = Object.fromEntries(
    [...magnitudes].map(([name, values]): [string, TestTensor] => {
      return [`base_model.model.${name}.lora_magnitude_vector`, { shape: [values.length], values }]
    }),
  )

  test.each<Layout>([{}, { tp: 2 }])('rows of the length that the magnitudes say, %j', async (layout) => {
    const { folder, checkpoint, out } = setUp(T5, layout, pairs)
    const adapter = writeAdapter(join(folder, 'dora'), T5, pairs, { config: { use_dora: true }, tensors: vectors })
    await merge(checkpoint, adapter, out)
    // independent: the merged matrices, each row scaled to its magnitude
    const plain = mergedMatrices(T5, randomMatrices(T5), pairs)
    for (const { side, layer, part, name } of pairs) {
      const matrix = plain.get(keyOf(side, layer, part)) as TestTensor
      matrix.values = scaledRows(matrix, magnitudes.get(name) as Float32Array)
    }
    const expected = writeCheckpoint(join(folder, 'expected-dora'), T5, plain, layout)
    for (const file of weightFiles(expected)) {
      const [found, wanted] = [out, expected].map((path) => readTensors(join(path, file)))
      for (const [name, tensor] of Object.entries(wanted ?? {})) {
        tensor.values.forEach((value, i) => {
          expect(found?.[name]?.values[i], name).toBeCloseTo(value, 5)
        })
      }
    }
  })

  function scaledRows({ shape: [, input = 1], values }: TestTensor, lengths: Float32Array): Float32Array {
    return values.map((value, i) => {
      const row = Math.floor(i / input)
      const norm = Math.hypot(...values.subarray(row * input, (row + 1) * input))
      return (value * (lengths[row] ?? 0)) / norm
    })
  }

  test('converted, the magnitudes are divided by the lengths of the rows of W + scale · B·A', async () => {
    const one = pairs.filter(({ name }) => name === nameOf(T5, 'decoder', 0, 'xq'))
    const { folder, checkpoint } = setUp(T5, { tp: 2 }, one)
    const key = `base_model.model.${one[0]?.name}.lora_magnitude_vector`
    const tensors = { [key]: vectors[key] }
    const adapter = writeAdapter(join(folder, 'dora'), T5, one, { config: { use_dora: true }, tensors })
    const prepared = await prepareAdapter(adapter, readModelFolder(checkpoint), { capabilities: TENSORRT_LLM_LORA })
    expect([...prepared.config.data]).toEqual([9, 0, 2, 1])
    const matrix = mergedMatrices(T5, randomMatrices(T5), one).get('decoder.0.xq') as TestTensor
    const out = matrix.shape[0] as number
    const stored = new Float32Array(prepared.weights.data.slice().buffer).subarray(prepared.weights.width - out)
    stored.forEach((m, row) => {
      const norm = Math.hypot(...matrix.values.subarray(row * T5.hidden, (row + 1) * T5.hidden))
      expect(m).toBeCloseTo((magnitudes.get(one[0]?.name ?? '')?.[row] ?? 0) / norm, 6)
    })
  })
})

describe('refused, and nothing is written', () => {
  test.each<[string, (checkpoint: string) => void, string, string]>([
    [
      'a rank file is missing',
      (folder) => rmSync(join(folder, 'decoder/rank1.safetensors')),
      'ERR_MODEL_INVALID',
      'rank1.safetensors',
    ],
    [
      'a matrix is missing',
      (folder) => editHeader(folder, 'layers.1.mlp.gate.weight', 'layers.1.mlp.grid.weight'),
      'ERR_LORA_INVALID',
      'decoder.block.1.layer.2.DenseReluDense.wi_1',
    ],
    [
      'a matrix has another shape',
      (folder) => editHeader(folder, '"shape":[12,12]', '"shape":[6,24]'),
      'ERR_MODEL_INVALID',
      'expected [12,12]',
    ],
    ['matrices are quantised', (folder) => editHeader(folder, '"F32"', '"I32"'), 'ERR_UNSUPPORTED', 'I32'],
  ])('%s', async (_, damage, code, named) => {
    const { folder, checkpoint, adapter, out } = setUp(T5, { tp: 2 })
    damage(checkpoint)
    await expect(merge(checkpoint, adapter, out)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(named),
    })
    expect(readdirSync(folder).sort()).toEqual(['adapter', 'checkpoint', 'expected'])
  })

  /** Changes the header of the decoder's first rank, its length stays. */
  function editHeader(folder: string, from: string, to: string): void {
    const file = join(folder, 'decoder/rank0.safetensors')
    const bytes = readFileSync(file)
    const text = bytes.toString('latin1').replaceAll(from, to.padEnd(from.length))
    expect(text).toHaveLength(bytes.length)
    writeFileSync(file, text, 'latin1')
  }

  test('the folder to write exists', async () => {
    const { checkpoint, adapter, out } = setUp(T5)
    mkdirSync(out)
    writeFileSync(join(out, 'mine'), 'precious')
    await expect(merge(checkpoint, adapter, out)).rejects.toMatchObject({ code: 'ERR_OUTPUT' })
    expect(readdirSync(out)).toEqual(['mine'])
  })

  test('the folder to write lies in the checkpoint', async () => {
    const { checkpoint, adapter } = setUp(T5)
    const out = join(checkpoint, 'out')
    await expect(merge(checkpoint, adapter, out)).rejects.toMatchObject({ name: 'TrtllmError' })
    expect(existsSync(out)).toBe(false)
    expect(readdirSync(checkpoint).sort()).toEqual(['decoder', 'encoder', 'tokenizer.json'])
  })

  test('the signal is aborted', async () => {
    const { folder, checkpoint, adapter, out } = setUp(T5)
    const reason = new Error('enough')
    const aborted = mergeIntoCheckpoint(adapter, readModelFolder(checkpoint), out, {
      signal: AbortSignal.abort(reason),
    })
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError', cause: reason })
    expect(readdirSync(folder).sort()).toEqual(['adapter', 'checkpoint', 'expected'])
  })

  test('engines have no weights to merge into', async () => {
    const { folder, checkpoint, adapter, out } = setUp(T5)
    const engines = join(folder, 'engines')
    cpSync(checkpoint, engines, { recursive: true })
    for (const side of ['encoder', 'decoder']) {
      renameSync(join(engines, side, 'rank0.safetensors'), join(engines, side, 'rank0.engine'))
    }
    await expect(merge(engines, adapter, out)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' })
  })
})
