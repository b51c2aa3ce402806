/** An adapter as the two tensors that TensorRT-LLM's executor takes. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Dtype, toFloat32 } from '../lib/convert/dtype.js'
import {
  EMBEDDED_LORA,
  type LoraCapabilities,
  type LoraTensors,
  prepareAdapter,
  readPairFolder,
  TENSORRT_LLM_LORA,
  writePairFolder,
} from '../lib/lora/index.js'
import { type ModelFolder, readModelFolder } from '../lib/model-folder.js'
import { randomPairs, rounded, type TestPair, writeAdapter } from './helpers/lora-adapters.js'
import { BART, type Part, randomMatrices, T5, type TestModel, writeCheckpoint } from './helpers/lora-models.js'
import { tempFolder } from './helpers/temp.js'

/** The documented ids. */
const IDS: Record<Part, number> = { q: 1, k: 2, v: 3, o: 4, fc: 5, proj: 6, gate: 7, xq: 9, xk: 10, xv: 11, xo: 12 }

function setUp(model: TestModel, pairs: readonly TestPair[] = randomPairs(model)) {
  const folder = tempFolder()
  return {
    folder,
    pairs,
    model: readModelFolder(writeCheckpoint(join(folder, 'checkpoint'), model, randomMatrices(model))),
    adapter: writeAdapter(join(folder, 'adapter'), model, pairs),
  }
}

const prepare = (
  adapter: string | LoraTensors,
  model: ModelFolder,
  options: { dtype?: Dtype; maxRank?: number } = {},
) => {
  return prepareAdapter(adapter, model, { capabilities: EMBEDDED_LORA, ...options })
}

function rowsOf({ weights, config }: LoraTensors): { config: number[]; values: number[] }[] {
  const values = [...toFloat32(new Uint8Array(weights.data), weights.dtype)]
  return Array.from({ length: config.rows }, (_, row) => ({
    config: [...config.data.subarray(row * config.columns, (row + 1) * config.columns)],
    values: values.slice(row * weights.width, (row + 1) * weights.width),
  }))
}

describe.each([
  ['T5', T5],
  ['BART', BART],
])('%s', (_, model) => {
  test.each<Dtype>(['float32', 'float16', 'bfloat16'])('%s: A, scale · B, zeros; one row per matrix', async (dtype) => {
    const { model: folder, adapter, pairs } = setUp({ ...model, dtype })
    const prepared = await prepare(adapter, folder)
    const width = Math.max(...pairs.map(({ a, b }) => a.length + b.length))
    expect(prepared).toMatchObject({ weights: { dtype, rows: pairs.length, width }, config: { columns: 3 } })
    const expected = pairs.map(({ side, layer, part, rank, a, b }) => {
      const values = [...a, ...Array.from(b, (value) => rounded(value * 3, dtype))]
      const index = side === 'decoder' ? layer : model.layers.decoder + layer
      return {
        config: [IDS[part], index, rank],
        values: [...values, ...Array.from({ length: width - values.length }, () => 0)],
      }
    })
    expected.sort((x, y) => (x.config[1] ?? 0) - (y.config[1] ?? 0) || (x.config[0] ?? 0) - (y.config[0] ?? 0))
    expect(rowsOf(prepared)).toEqual(expected)
  })

  test('through files and back it stays the same', async () => {
    const { folder, model: checkpoint, adapter } = setUp(model)
    const first = await prepare(adapter, checkpoint)
    mkdirSync(join(folder, 'pair'))
    await writePairFolder(first, join(folder, 'pair'))
    const second = await prepare(join(folder, 'pair'), checkpoint)
    const third = await prepare(await readPairFolder(join(folder, 'pair')), checkpoint)
    expect(rowsOf(second)).toEqual(rowsOf(first))
    expect(rowsOf(third)).toEqual(rowsOf(first))
  })
})

test('another dtype than the model has', async () => {
  const { model, adapter } = setUp(T5)
  const [whole, half] = [await prepare(adapter, model), await prepare(adapter, model, { dtype: 'bfloat16' })]
  expect(half.weights).toMatchObject({ dtype: 'bfloat16', width: whole.weights.width })
  expect(half.weights.data.byteLength * 2).toBe(whole.weights.data.byteLength)
  expect(rowsOf(half)).toEqual(
    rowsOf(whole).map(({ config, values }) => ({ config, values: values.map((value) => rounded(value, 'bfloat16')) })),
  )
})

test('different ranks in one adapter share the width of the longest row', async () => {
  const rank = (name: string) => (name.includes('encoder') ? 1 : 4)
  const pairs = randomPairs(T5, { rank })
  const { folder, model } = setUp(T5)
  const config = { r: 4, lora_alpha: 8, rank_pattern: { 'encoder.*': 1 } }
  const prepared = await prepare(writeAdapter(join(folder, 'ranks'), T5, pairs, { config }), model)
  expect(prepared.weights.width).toBe(4 * (T5.hidden + T5.ffn.decoder))
  expect(rowsOf(prepared).map(({ config: [, layer = 0, r] }) => [layer >= T5.layers.decoder, r])).toEqual(
    rowsOf(prepared).map(({ config: [, layer = 0] }) => (layer >= T5.layers.decoder ? [true, 1] : [false, 4])),
  )
})

describe('what a runtime cannot apply is refused by name', () => {
  const all: LoraCapabilities = { encoder: true, dora: true, attentionDense: true }
  test.each<[string, LoraCapabilities, (name: string) => boolean, string]>([
    ['encoder layers', { ...all, encoder: false }, () => true, 'encoder.block.0.layer.0.SelfAttention.q'],
    [
      'output projections',
      { ...all, attentionDense: false },
      (name) => name.endsWith('.o'),
      'decoder.block.0.layer.1.EncDecAttention.o',
    ],
    [
      'what TensorRT-LLM lacks',
      TENSORRT_LLM_LORA,
      (name) => name.startsWith('encoder.block.1'),
      'encoder.block.1.layer.1.DenseReluDense.wi_0',
    ],
  ])('%s', async (_, capabilities, take, named) => {
    const { model, adapter } = setUp(T5, randomPairs(T5, { take }))
    const error = {
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining(named),
      hint: expect.stringContaining('lora merge'),
    }
    await expect(prepareAdapter(adapter, model, { capabilities })).rejects.toMatchObject(error)
    await expect(prepareAdapter(adapter, model, { capabilities: all })).resolves.toBeDefined()
  })

  test('DoRA', async () => {
    const { folder, model, pairs } = setUp(T5, randomPairs(T5, { take: (name) => name.endsWith('wo') }))
    const tensors = Object.fromEntries(
      pairs.map(({ name }) => {
        const magnitude = { shape: [T5.hidden], values: new Float32Array(T5.hidden).fill(1) }
        return [`base_model.model.${name}.lora_magnitude_vector`, magnitude]
      }),
    )
    const adapter = writeAdapter(join(folder, 'dora'), T5, pairs, { config: { use_dora: true }, tensors })
    const error = { code: 'ERR_UNSUPPORTED', message: expect.stringContaining('DoRA') }
    await expect(prepareAdapter(adapter, model, { capabilities: { ...all, dora: false } })).rejects.toMatchObject(error)
    const prepared = await prepareAdapter(adapter, model, { capabilities: all })
    expect(prepared.config.columns).toBe(4)
    expect(rowsOf(prepared).every(({ config }) => config[3] === 1)).toBe(true)
  })

  test('a rank above the limit', async () => {
    const { model, adapter } = setUp(T5)
    await expect(prepare(adapter, model, { maxRank: 2 })).resolves.toBeDefined()
    const error = { code: 'ERR_LORA_INVALID', message: expect.stringContaining('rank 2 is above the limit 1') }
    await expect(prepare(adapter, model, { maxRank: 1 })).rejects.toMatchObject(error)
  })

  test('numbers that are too large for float16', async () => {
    const pairs = randomPairs(T5, { take: (name) => name === 'decoder.block.2.layer.2.DenseReluDense.wo' })
    pairs[0]?.b.fill(30_000)
    const { model, adapter } = setUp(T5, pairs)
    const error = {
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('decoder.block.2.layer.2.DenseReluDense.wo'),
    }
    await expect(prepare(adapter, model, { dtype: 'float16' })).rejects.toMatchObject(error)
    await expect(prepare(adapter, model, { dtype: 'bfloat16' })).resolves.toBeDefined()
  })
})

describe('tensors that contradict the model', () => {
  const { decoder, encoder } = T5.layers
  test.each<[string, number[], Partial<LoraTensors['weights']>, string]>([
    ['an unknown module', [13, 0, 2], {}, 'no module with id 13'],
    ['a negative module', [-1, 0, 2], {}, 'no module with id -1'],
    ['a layer beyond the last', [1, decoder + encoder, 2], {}, `layer index ${decoder + encoder}`],
    ['a negative layer', [1, -1, 2], {}, 'layer index -1'],
    ['rank 0', [1, 0, 0], {}, 'rank 0'],
    ['a rank that the row cannot hold', [1, 0, 3], {}, '84 numbers'],
    [
      'cross attention in the encoder',
      [9, decoder, 2],
      {},
      'cross_attn_q of encoder layer 0: the model has no such module',
    ],
    ['too few bytes', [1, 0, 2], { data: new Uint8Array(10) }, '10 bytes'],
    ['NaN', [1, 0, 2], { data: new Uint8Array(56 * 4).fill(0xff) }, 'attn_q of decoder layer 0: holds NaN'],
  ])('%s', async (_, config, weights, message) => {
    const { model } = setUp(T5)
    const tensors: LoraTensors = {
      weights: { dtype: 'float32', rows: 1, width: 56, data: new Uint8Array(56 * 4), ...weights },
      config: { rows: 1, columns: 3, data: Int32Array.from(config) },
    }
    const error = { name: 'TrtllmError', code: 'ERR_LORA_INVALID', message: expect.stringContaining(message) }
    await expect(prepare(tensors, model)).rejects.toMatchObject(error)
  })

  test('a gate where the model has none', async () => {
    const { model } = setUp(BART)
    const tensors: LoraTensors = {
      weights: { dtype: 'float32', rows: 1, width: 100, data: new Uint8Array(400) },
      config: { rows: 1, columns: 3, data: Int32Array.of(7, 0, 1) },
    }
    const error = { code: 'ERR_LORA_INVALID', message: expect.stringContaining('mlp_gate of decoder layer 0') }
    await expect(prepare(tensors, model)).rejects.toMatchObject(error)
  })

  test.each([
    ['by itself', 1],
    ['stacked with others', 0],
  ])('one matrix twice, %s', async (_, id) => {
    const { model } = setUp(T5)
    const tensors: LoraTensors = {
      weights: { dtype: 'float32', rows: 2, width: 120, data: new Uint8Array(2 * 120 * 4) },
      config: { rows: 2, columns: 3, data: Int32Array.of(1, 0, 2, id, 0, 2) },
    }
    await expect(prepare(tensors, model)).rejects.toMatchObject({ message: expect.stringContaining('two rows') })
  })
})
