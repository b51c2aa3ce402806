import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { chooseRuntime } from '../lib/config.js'
import { readModelFolder } from '../lib/model-folder.js'
import { tempFolder } from './helpers/temp.js'

const decoderConfig = { architecture: 'DecoderModel', vocab_size: 40, decoder_start_token_id: 0, eos_token_id: 1 }

/** A folder with the given files; objects are written as JSON. */
function makeFolder(files: Record<string, object | string>): string {
  const folder = tempFolder()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

const checkpoint = {
  'encoder/config.json': { architecture: 'EncoderModel', dtype: 'float32', num_hidden_layers: 2 },
  'encoder/rank0.safetensors': '',
  'decoder/config.json': decoderConfig,
  'decoder/rank0.safetensors': '',
}
const engines = {
  'encoder/config.json': { version: '1.2.0', pretrained_config: { architecture: 'EncoderModel' }, build_config: {} },
  'encoder/rank0.engine': '',
  'decoder/config.json': { version: '1.2.0', pretrained_config: decoderConfig, build_config: {} },
  'decoder/rank0.engine': '',
}

test('a checkpoint folder', () => {
  const folder = makeFolder(checkpoint)
  const model = readModelFolder(folder)
  expect(model).toMatchObject({
    folder,
    kind: 'checkpoint',
    encoder: { architecture: 'EncoderModel', dtype: 'float32', layers: 2, vocabSize: null },
    decoder: { folder: join(folder, 'decoder'), vocabSize: 40 },
    specialTokenIds: { decoderStart: 0, end: 1, begin: null, pad: null },
    tokenizerFile: null,
  })
  expect(chooseRuntime(model, {})).toBe('embedded')
  expect(chooseRuntime(model, { runtime: 'embedded' })).toBe('embedded')
  expect(() => chooseRuntime(model, { runtime: 'tensorrt-llm' })).toThrow(/cannot run the checkpoint/)
  expect(readModelFolder(makeFolder({ ...checkpoint, 'tokenizer.json': '{}' })).tokenizerFile).toMatch(
    /tokenizer.json$/,
  )
})

test('a folder without encoder/ is a decoder alone', () => {
  const files = { 'decoder/config.json': decoderConfig, 'decoder/rank0.safetensors': '' }
  expect(readModelFolder(makeFolder(files))).toMatchObject({ encoder: null, decoder: { vocabSize: 40 } })
})

test('a folder of TensorRT engines', () => {
  const model = readModelFolder(makeFolder(engines))
  expect(model).toMatchObject({ kind: 'engine', decoder: { vocabSize: 40 }, specialTokenIds: { end: 1 } })
  expect(chooseRuntime(model, {})).toBe('tensorrt-llm')
  expect(chooseRuntime(model, { runtime: 'tensorrt-llm' })).toBe('tensorrt-llm')
  expect(() => chooseRuntime(model, { runtime: 'embedded' })).toThrow(/cannot run the TensorRT engines/)
})

test.each<[string, Record<string, object | string>, string, string]>([
  ['an empty folder', {}, 'ERR_MODEL_INVALID', 'no encoder-decoder model folder'],
  ['a Hugging Face folder', { 'config.json': {}, 'model.safetensors': '' }, 'ERR_UNSUPPORTED', 'Hugging Face'],
  [
    'an encoder without config',
    {
      'encoder/rank0.safetensors': '',
      'decoder/config.json': decoderConfig,
      'decoder/rank0.safetensors': '',
    },
    'ERR_MODEL_INVALID',
    'encoder/config.json cannot be read',
  ],
  [
    'broken JSON',
    { ...checkpoint, 'decoder/config.json': '{' },
    'ERR_MODEL_INVALID',
    'decoder/config.json cannot be read',
  ],
  [
    'JSON of another kind',
    { ...checkpoint, 'decoder/config.json': '[]' },
    'ERR_MODEL_INVALID',
    'must hold a JSON object',
  ],
  [
    'a wrong token id',
    { ...checkpoint, 'decoder/config.json': { ...decoderConfig, eos_token_id: '1' } },
    'ERR_MODEL_INVALID',
    'eos_token_id must be a token id or null, got "1"',
  ],
])('%s is refused', (_, files, code, message) => {
  const folder = makeFolder(files)
  expect(() => readModelFolder(folder)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  )
})

test('a folder that is not there', () => {
  const missing = { code: 'ERR_MODEL_NOT_FOUND', message: expect.stringContaining('/no/such/folder') }
  expect(() => readModelFolder('/no/such/folder')).toThrow(expect.objectContaining(missing))
})
