/** Adapter folders of PEFT: what is refused, and how. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeAdapter, EMBEDDED_LORA, prepareAdapter } from '../lib/lora/index.js'
import {
  keyA,
  keyB,
  prepareFor,
  randomPairs,
  tempAdapter,
  tempCheckpoint,
  type WrittenAdapter,
} from './helpers/lora-adapters.js'
import { BART, T5, type TestModel } from './helpers/lora-models.js'
import { root } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'

const Q0 = 'decoder.block.0.layer.0.SelfAttention.q'
const K0 = 'decoder.block.0.layer.1.EncDecAttention.k'

const some = randomPairs(T5, { take: (name) => name === Q0 || name === K0 })
const tensor = (shape: number[], value = 0) => {
  return { shape, values: new Float32Array(shape.reduce((a, b) => a * b)).fill(value) }
}

describe('what can be applied by no runtime is refused by name', () => {
  test.each<[string, WrittenAdapter, string]>([
    [
      'trained biases',
      { config: { bias: 'all' }, tensors: { [`base_model.model.${Q0}.base_layer.bias`]: tensor([16]) } },
      `${Q0}.base_layer.bias`,
    ],
    [
      'modules trained whole',
      { config: { modules_to_save: ['lm_head'] }, tensors: { 'base_model.model.lm_head.weight': tensor([10, 12]) } },
      'lm_head.weight',
    ],
    [
      'modules trained whole that the file lacks',
      { config: { modules_to_save: ['lm_head'] } },
      'lm_head: modules that were trained whole',
    ],
    [
      'embeddings',
      { tensors: { 'base_model.model.shared.lora_embedding_A': tensor([2, 10]) } },
      'shared.lora_embedding_A',
    ],
    [
      'a module that takes no adapter',
      { tensors: { [keyA('lm_head')]: tensor([2, 12]), [keyB('lm_head')]: tensor([10, 2]) } },
      'lm_head: this module',
    ],
    ['unknown tensors', { tensors: { 'base_model.model.router.weight': tensor([2]) } }, 'router.weight'],
    ['another method', { config: { peft_type: 'LOHA' } }, 'LOHA'],
    ['bias on lora_B', { config: { lora_bias: true } }, 'lora_bias'],
    ['parameters', { config: { target_parameters: ['experts.weight'] } }, 'target_parameters'],
    ['token rows', { config: { trainable_token_indices: [1, 2] } }, 'trainable_token_indices'],
    ['replicated layers', { config: { layer_replication: [[0, 2]] } }, 'layer_replication'],
    ['activation by tokens', { config: { alora_invocation_tokens: [3] } }, 'alora_invocation_tokens'],
    ['base weights that were changed', { config: { init_lora_weights: 'pissa_niter_4' } }, 'pissa_niter_4'],
  ])('%s', async (_, options, named) => {
    const error = { name: 'TrtllmError', code: 'ERR_UNSUPPORTED', message: expect.stringContaining(named) }
    await expect(prepareFor(T5, tempAdapter(T5, some, options))).rejects.toMatchObject(error)
  })

  test('fields that change nothing are no reason', async () => {
    const config = {
      lora_dropout: 0.1,
      fan_in_fan_out: true,
      init_lora_weights: 'gaussian',
      modules_to_save: null,
      layer_replication: null,
      use_qalora: false,
      loftq_config: {},
      bias: 'lora_only',
    }
    await expect(prepareFor(T5, tempAdapter(T5, some, { config }))).resolves.toBeDefined()
  })
})

describe('adapters that are damaged or of another model', () => {
  test.each<[string, WrittenAdapter, string]>([
    ['B without A', { tensors: { [keyA(Q0)]: undefined } }, `${Q0} has no lora_A`],
    ['A without B', { tensors: { [keyB(Q0)]: undefined } }, `${Q0} has no lora_B`],
    ['another rank than the configuration says', { config: { r: 4 } }, 'rank 4 needs'],
    ['A of another rank than B', { tensors: { [keyA(Q0)]: tensor([4, 12]) } }, `${Q0} has lora_A [4,12]`],
    ['A of one dimension', { tensors: { [keyA(Q0)]: tensor([24]) } }, `${Q0} has lora_A [24]`],
    [
      'too wide an A',
      { tensors: { [keyA(Q0)]: tensor([2, 16]) } },
      `${Q0}: made for a matrix of 16 × 16, the model's is 16 × 12`,
    ],
    ['too high a B', { tensors: { [keyB(K0)]: tensor([20, 2]) } }, `${K0}: made for a matrix of 20 × 12`],
    ['NaN', { tensors: { [keyA(Q0)]: tensor([2, 12], Number.NaN) } }, `${Q0}: holds NaN`],
    [
      'infinity',
      { tensors: { [keyB(K0)]: tensor([16, 2], Number.POSITIVE_INFINITY) } },
      `${K0}: holds NaN or infinity`,
    ],
    ['DoRA without magnitudes', { config: { use_dora: true } }, `${Q0}, ${K0}: has no lora_magnitude_vector`],
    [
      'magnitudes without DoRA',
      { tensors: { [`base_model.model.${Q0}.lora_magnitude_vector`]: tensor([16]) } },
      'without use_dora',
    ],
    ['a scale that overflows', { config: { lora_alpha: 1e300 } }, `${Q0}, ${K0}: holds NaN or infinity`],
    ['r 0', { config: { r: 0 } }, 'r must be an integer >= 1, got 0'],
    ['no alpha', { config: { lora_alpha: null } }, 'lora_alpha must be a number'],
    ['targets of numbers', { config: { target_modules: [1] } }, 'target_modules must be a list of names'],
    ['a pattern of texts', { config: { alpha_pattern: { q: 'x' } } }, "alpha_pattern['q'] must be a number"],
  ])('%s', async (_, options, message) => {
    const error = { name: 'TrtllmError', code: 'ERR_LORA_INVALID', message: expect.stringContaining(message) }
    await expect(prepareFor(T5, tempAdapter(T5, some, options))).rejects.toMatchObject(error)
  })

  test.each<[string, TestModel, TestModel, string]>([
    ['a BART', T5, BART, 'DenseReluDense.wi_1 and 6 more: the model has no such module'],
    ['a T5', BART, T5, 'model.encoder.layers.0.fc2 and 46 more: the model has no such module'],
    ['a T5 without gate', { ...T5, gated: true }, { ...T5, gated: false }, 'wi_0'],
    ['a gated T5', { ...T5, gated: false }, { ...T5, gated: true }, 'DenseReluDense.wi:'],
    ['a smaller one', { ...T5, layers: { encoder: 2, decoder: 5 } }, T5, 'decoder.block.4.layer.0.SelfAttention.q'],
  ])('made for another base model, used with %s', async (_, trained, used, named) => {
    const adapter = tempAdapter(
      trained,
      randomPairs(trained, { take: (name) => !/block\.[0-3]\..*(q|k|v|o)$/.test(name) }),
    )
    const error = { code: 'ERR_LORA_INVALID', hint: expect.stringContaining('base model') }
    const failure = await prepareFor(used, adapter).catch((reason: unknown) => reason)
    expect(failure).toMatchObject(error)
    expect(String(failure)).toContain(named)
  })

  test.each<[string, (folder: string) => void, string, string]>([
    ['no folder', (folder) => rmSync(folder, { recursive: true }), 'ERR_LORA_NOT_FOUND', 'no adapter folder'],
    [
      'no configuration',
      (folder) => rmSync(join(folder, 'adapter_config.json')),
      'ERR_LORA_NOT_FOUND',
      'holds no adapter',
    ],
    [
      'no weights',
      (folder) => rmSync(join(folder, 'adapter_model.safetensors')),
      'ERR_LORA_NOT_FOUND',
      'adapter_model',
    ],
    [
      'a broken configuration',
      (folder) => writeFileSync(join(folder, 'adapter_config.json'), '{'),
      'ERR_LORA_INVALID',
      'adapter_config.json',
    ],
    [
      'a configuration of another kind',
      (folder) => writeFileSync(join(folder, 'adapter_config.json'), '[]'),
      'ERR_LORA_INVALID',
      'adapter_config.json',
    ],
  ])('%s', async (_, damage, code, message) => {
    const folder = tempAdapter(T5, some)
    damage(folder)
    const error = { name: 'TrtllmError', code, message: expect.stringContaining(message) }
    await expect(prepareFor(T5, folder)).rejects.toMatchObject(error)
  })

  test('weights cut at any byte', async () => {
    const folder = tempAdapter(T5, some)
    const file = join(folder, 'adapter_model.safetensors')
    const { length } = readFileSync(file)
    const model = tempCheckpoint(T5)
    for (let size = length - 1; size >= 0; size -= 37) {
      truncateSync(file, size)
      const error = { name: 'TrtllmError', code: 'ERR_LORA_INVALID' }
      await expect(prepareAdapter(folder, model, { capabilities: EMBEDDED_LORA }), `${size}`).rejects.toMatchObject(
        error,
      )
    }
  })
})

test('half-precision weights', async () => {
  const [whole, half] = [tempAdapter(T5, some), tempAdapter(T5, some, { dtype: 'bfloat16' })]
  expect(await prepareFor(T5, half)).toEqual(await prepareFor(T5, whole))
})

test('adapter_model.bin', async () => {
  const fixture = join(root, 'test/fixtures/lora/bin')
  const { config, weights } = await prepareFor(T5, fixture)
  expect([...config.data]).toEqual([1, 0, 2])
  const value = (i: number) => (i % 11) / 4 - 1
  const expected = Array.from({ length: 24 + 32 }, (_, i) => (i < 24 ? value(i) : value(i - 24) * 3))
  expect([...new Float32Array(weights.data.buffer)]).toEqual(expected)

  const damaged = join(tempFolder(), 'damaged')
  mkdirSync(damaged)
  copyFileSync(join(fixture, 'adapter_config.json'), join(damaged, 'adapter_config.json'))
  writeFileSync(join(damaged, 'adapter_model.bin'), readFileSync(join(fixture, 'adapter_model.bin')).subarray(0, 900))
  await expect(prepareFor(T5, damaged)).rejects.toMatchObject({ code: 'ERR_LORA_INVALID' })
})

test('described without a model', async () => {
  const adapter = tempAdapter(T5, some, {
    config: { base_model_name_or_path: 'tiny/t5', modules_to_save: ['lm_head'] },
    dtype: 'bfloat16',
  })
  expect(await describeAdapter(adapter)).toEqual({
    folder: adapter,
    form: 'peft',
    baseModel: 'tiny/t5',
    dora: false,
    dtypes: ['bfloat16'],
    parameters: 2 * (2 * 12 + 16 * 2),
    bytes: 2 * 2 * (2 * 12 + 16 * 2),
    modules: [
      { name: Q0, component: 'decoder', layer: 0, module: 'attn_q', rank: 2, scale: 3, in: 12, out: 16 },
      { name: K0, component: 'decoder', layer: 0, module: 'cross_attn_k', rank: 2, scale: 3, in: 12, out: 16 },
    ],
    refused: [{ name: 'lm_head', reason: 'modules that were trained whole (modules_to_save) cannot be applied' }],
  })
})
