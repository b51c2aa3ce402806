/** What the converter refuses, by name, leaving nothing behind. */
import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { convertModel } from '../lib/convert/convert.js'
import { tempFolder } from './helpers/temp.js'
import { BART_CONFIG, bartShapes, type Shapes, T5_CONFIG, t5Shapes, writeModel } from './helpers/tiny-models.js'

const target = () => join(tempFolder(), 'checkpoint')

const without = (name: string, shapes = t5Shapes()) =>
  Object.fromEntries(Object.entries(shapes).filter(([key]) => key !== name))
const cases: [string, object, Shapes, string, RegExp][] = [
  [
    'an unknown type',
    { ...T5_CONFIG, model_type: 'marian' },
    t5Shapes(),
    'ERR_UNSUPPORTED',
    /"marian" cannot be converted/,
  ],
  ['no type', { ...T5_CONFIG, model_type: undefined }, t5Shapes(), 'ERR_UNSUPPORTED', /model_type undefined/],
  [
    'a field that is missing',
    { ...T5_CONFIG, d_kv: undefined },
    t5Shapes(),
    'ERR_MODEL_INVALID',
    /d_kv must be an integer >= 1, but it is missing/,
  ],
  [
    'a field of another kind',
    { ...T5_CONFIG, d_ff: '8' },
    t5Shapes(),
    'ERR_MODEL_INVALID',
    /d_ff must be an integer >= 1, but it is "8"/,
  ],
  [
    'an unknown activation',
    { ...T5_CONFIG, feed_forward_proj: 'gated-tanh' },
    t5Shapes(),
    'ERR_UNSUPPORTED',
    /'gated-tanh'/,
  ],
  [
    'a missing tensor',
    T5_CONFIG,
    without('encoder.block.1.layer.1.layer_norm.weight'),
    'ERR_MODEL_INVALID',
    /no tensor encoder\.block\.1\.layer\.1\.layer_norm/,
  ],
  [
    'a wrong shape',
    T5_CONFIG,
    { ...t5Shapes(), 'shared.weight': [7, 5] },
    'ERR_MODEL_INVALID',
    /shared\.weight must have the shape \[7,4\].*but has \[7,5\]/,
  ],
  [
    'a tensor that nothing uses',
    T5_CONFIG,
    { ...t5Shapes(), 'encoder.adapter.weight': [2, 2] },
    'ERR_UNSUPPORTED',
    /a T5 model has no encoder\.adapter\.weight/,
  ],
  [
    'a table in every layer, as in umT5',
    T5_CONFIG,
    { ...t5Shapes(), 'encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight': [5, 2] },
    'ERR_UNSUPPORTED',
    /relative_attention_bias/,
  ],
  [
    'more layers than the configuration says',
    { ...T5_CONFIG, num_layers: 1 },
    t5Shapes(),
    'ERR_UNSUPPORTED',
    /and 7 more|has no encoder\.block\.1/,
  ],
  [
    'heads that do not divide',
    { ...BART_CONFIG, encoder_attention_heads: 3 },
    bartShapes(),
    'ERR_MODEL_INVALID',
    /4 does not divide by the 3 heads/,
  ],
]
test.each(cases)('%s', async (_, config, shapes, code, message) => {
  const out = target()
  await expect(convertModel(writeModel(config, shapes), out)).rejects.toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) }),
  )
  expect(readdirSync(dirname(out))).toEqual([])
})

test.each([
  [{ tp: 4 }, /--tp 4 does not divide the 2 heads of the encoder/],
  [{ pp: 4 }, /--pp 4 does not divide the 2 layers of the encoder/],
])('ranks that do not divide: %o', async (split, message) => {
  const converted = convertModel(writeModel(T5_CONFIG, t5Shapes()), target(), split)
  await expect(converted).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringMatching(message) }),
  )
})

test.each<[string, Record<string, string>, string, RegExp]>([
  ['no weights', { 'config.json': JSON.stringify(T5_CONFIG) }, 'ERR_MODEL_INVALID', /has no weights/],
  [
    'TensorFlow',
    { 'config.json': JSON.stringify(T5_CONFIG), 'tf_model.h5': '' },
    'ERR_UNSUPPORTED',
    /another framework/,
  ],
  ['an empty folder', {}, 'ERR_MODEL_INVALID', /no config\.json and 0 \.pt files/],
  ['two fairseq checkpoints', { 'a.pt': '', 'b.pt': '' }, 'ERR_MODEL_INVALID', /and 2 \.pt files/],
  ['broken JSON', { 'config.json': '{', 'model.safetensors': '' }, 'ERR_MODEL_INVALID', /config\.json cannot be read/],
  [
    'an index that leaves the folder',
    {
      'config.json': JSON.stringify(T5_CONFIG),
      'model.safetensors.index.json': JSON.stringify({ weight_map: { a: '../other.safetensors' } }),
    },
    'ERR_MODEL_INVALID',
    /names "\.\.\/other\.safetensors" as a file/,
  ],
])('%s', async (_, content, code, message) => {
  const folder = tempFolder()
  for (const [name, text] of Object.entries(content)) writeFileSync(join(folder, name), text)
  await expect(convertModel(folder, target())).rejects.toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) }),
  )
})

test('no folder', async () => {
  const missing = expect.objectContaining({ code: 'ERR_MODEL_NOT_FOUND' })
  await expect(convertModel('/no/such/model', target())).rejects.toThrow(missing)
})
