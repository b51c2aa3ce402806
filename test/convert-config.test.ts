/** The config.json of checkpoints, field by field, and the traps of older and newer model configurations. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { convertModel } from '../lib/convert/convert.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'
import { BART_CONFIG, bartShapes, type Shapes, T5_CONFIG, t5Shapes, writeModel } from './helpers/tiny-models.js'

type Config = Record<string, unknown>

async function configsOf(model: string, options = {}): Promise<{ encoder: Config; decoder: Config }> {
  const out = join(tempFolder(), 'checkpoint')
  await convertModel(model, out, options)
  const read = (side: string) => JSON.parse(readFileSync(join(out, side, 'config.json'), 'utf8')) as Config
  return { encoder: read('encoder'), decoder: read('decoder') }
}

const t5Config = (config: Config, shapes: Shapes = t5Shapes()) =>
  configsOf(writeModel({ ...T5_CONFIG, ...config }, shapes))
const bartConfig = (config: Config, shapes: Shapes = bartShapes()) =>
  configsOf(writeModel({ ...BART_CONFIG, ...config }, shapes))

const COMMON = {
  dtype: 'float32',
  logits_dtype: 'float32',
  quantization: { quant_algo: null, kv_cache_quant_algo: null },
  mapping: { world_size: 1, tp_size: 1, pp_size: 1 },
  use_parallel_embedding: false,
  embedding_sharding_dim: 0,
}

test('T5', async () => {
  const both = {
    ...COMMON,
    num_attention_heads: 2,
    head_size: 3,
    hidden_size: 4,
    intermediate_size: 8,
    vocab_size: 7,
    max_position_embeddings: 512,
    position_embedding_type: 'relative',
    has_position_embedding: false,
    relative_attention: true,
    num_buckets: 5,
    max_distance: 20,
    hidden_act: 'gelu_new',
    gated_act: true,
    mlp_type: 1,
    layernorm_type: 1,
    layernorm_position: 0,
    norm_epsilon: 1e-6,
    has_model_final_layernorm: true,
    has_embedding_layernorm: false,
    has_embedding_scale: false,
    has_attention_qkvo_bias: false,
    has_mlp_bias: false,
    q_scaling: 3 ** -0.5,
    model_type: 't5',
  }
  const { encoder, decoder } = await t5Config({})
  expect(encoder).toEqual({ ...both, architecture: 'EncoderModel', num_hidden_layers: 2, num_key_value_heads: 2 })
  expect(decoder).toEqual({
    ...both,
    architecture: 'DecoderModel',
    num_hidden_layers: 4,
    use_implicit_relative_attention: false,
    rescale_before_lm_head: false,
    encoder_hidden_size: 4,
    encoder_num_heads: 2,
    encoder_head_size: 3,
    skip_cross_kv: false,
    decoder_start_token_id: 0,
    eos_token_id: 1,
    bos_token_id: null,
    pad_token_id: 0,
  })
})

test('BART', async () => {
  const both = {
    ...COMMON,
    num_hidden_layers: 2,
    hidden_size: 4,
    vocab_size: 7,
    max_position_embeddings: 5,
    position_embedding_type: 'learned_absolute',
    has_position_embedding: true,
    relative_attention: false,
    num_buckets: 0,
    max_distance: 0,
    hidden_act: 'gelu',
    gated_act: false,
    mlp_type: 0,
    layernorm_type: 0,
    layernorm_position: 1,
    norm_epsilon: 1e-5, // the converter of TensorRT-LLM writes false, which means 0
    has_model_final_layernorm: false,
    has_embedding_layernorm: true,
    has_embedding_scale: false,
    has_attention_qkvo_bias: true,
    has_mlp_bias: true,
    q_scaling: 1,
    model_type: 'bart',
  }
  const { encoder, decoder } = await bartConfig({})
  expect(encoder).toEqual({
    ...both,
    architecture: 'EncoderModel',
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_size: 2,
    intermediate_size: 6,
  })
  expect(decoder).toEqual({
    ...both,
    architecture: 'DecoderModel',
    num_attention_heads: 4,
    head_size: 1,
    intermediate_size: 8,
    has_lm_head_bias: true,
    use_implicit_relative_attention: false,
    rescale_before_lm_head: false,
    encoder_hidden_size: 4,
    encoder_num_heads: 2,
    encoder_head_size: 2,
    skip_cross_kv: false,
    decoder_start_token_id: 2,
    eos_token_id: 2,
    bos_token_id: 0,
    pad_token_id: 1,
  })
})

test('mBART: norms first and at the end, scaled embeddings, written as bart', async () => {
  const config = { model_type: 'mbart', scale_embedding: true, activation_function: 'relu' }
  const { encoder, decoder } = await bartConfig(config, bartShapes({ finalNorm: true }))
  for (const side of [encoder, decoder]) {
    expect(side).toMatchObject({
      model_type: 'bart',
      layernorm_position: 0,
      has_model_final_layernorm: true,
      has_embedding_scale: true,
      hidden_act: 'relu',
    })
  }
})

test('no logits bias: the field is not written', async () => {
  expect((await bartConfig({}, bartShapes({ logitsBias: false }))).decoder).not.toHaveProperty('has_lm_head_bias')
})

test.each([
  ['T5 of transformers 4, untied', { tie_word_embeddings: false }, false],
  ['T5 of transformers 4, tied', { tie_word_embeddings: true }, true],
  ['T5 of transformers 4 writes nothing if tied, as UL2', { tie_word_embeddings: undefined }, true],
  ['T5 of transformers 5, v1.1', { tie_word_embeddings: true, scale_decoder_outputs: false }, false],
  ['T5 of transformers 5, v1.0', { tie_word_embeddings: true, scale_decoder_outputs: true }, true],
  ['mT5 of transformers 4', { model_type: 'mt5', tie_word_embeddings: false, transformers_version: '4.44.0' }, false],
  [
    'mT5 of transformers 4, tied',
    { model_type: 'mt5', tie_word_embeddings: true, transformers_version: '4.44.0' },
    true,
  ],
  ['mT5 of transformers 5', { model_type: 'mt5', tie_word_embeddings: true, transformers_version: '5.17.0' }, false],
])('rescaled head: %s', async (_, config, rescaled) => {
  expect((await t5Config(config)).decoder.rescale_before_lm_head).toBe(rescaled)
})

test.each([
  ['relu', { hidden_act: 'relu', gated_act: false, mlp_type: 0 }],
  ['gated-gelu', { hidden_act: 'gelu_new', gated_act: true, mlp_type: 1 }],
  ['gated-silu', { hidden_act: 'silu', gated_act: true, mlp_type: 1 }],
  ['gelu', { hidden_act: 'gelu', gated_act: false, mlp_type: 0 }],
])('feed_forward_proj %s', async (name, fields) => {
  const shapes = t5Shapes({ gated: name.startsWith('gated') })
  expect((await t5Config({ feed_forward_proj: name }, shapes)).encoder).toMatchObject(fields)
})

test('what old configurations leave out has the default of Hugging Face', async () => {
  const absent = {
    relative_attention_max_distance: undefined,
    layer_norm_epsilon: undefined,
    feed_forward_proj: undefined,
    decoder_start_token_id: undefined,
    eos_token_id: null,
  }
  const { encoder, decoder } = await t5Config(absent, t5Shapes({ gated: false }))
  expect(encoder).toMatchObject({ max_distance: 128, norm_epsilon: 1e-6, hidden_act: 'relu' })
  expect(decoder).toMatchObject({ decoder_start_token_id: 0, eos_token_id: 1, num_hidden_layers: 4 })
})

test('ranks and type', async () => {
  const model = writeModel(T5_CONFIG, t5Shapes())
  const { encoder, decoder } = await configsOf(model, { tp: 2, pp: 2, dtype: 'bfloat16' })
  for (const config of [encoder, decoder]) {
    expect(config).toMatchObject({ dtype: 'bfloat16', mapping: { world_size: 4, tp_size: 2, pp_size: 2 } })
  }
  expect(encoder.num_hidden_layers).toBe(2) // of all stages
})

test('fairseq: learned or computed positions, norms by side, its dictionary ids', async () => {
  const golden = (name: string) => join(familyGoldens().find((golden) => golden.name === name)?.folder ?? '', 'hf')
  const post = await configsOf(golden('nmt'))
  expect(post.encoder).toMatchObject({
    model_type: 'nmt',
    vocab_size: 53,
    max_position_embeddings: 64,
    position_embedding_type: 'learned_absolute',
    has_position_embedding: true,
    hidden_act: 'relu',
    layernorm_type: 0,
    layernorm_position: 1,
    norm_epsilon: 1e-5,
    has_model_final_layernorm: false,
    has_embedding_layernorm: false,
    has_embedding_scale: true,
    has_attention_qkvo_bias: true,
    has_mlp_bias: true,
    q_scaling: 1,
  })
  expect(post.decoder).toMatchObject({ vocab_size: 67, decoder_start_token_id: 2, eos_token_id: 2, pad_token_id: 1 })
  const pre = await configsOf(golden('nmt-pre-norm'))
  expect(pre.decoder).toMatchObject({ layernorm_position: 0, has_model_final_layernorm: true })
  expect((await configsOf(golden('nmt-learned'))).encoder).toMatchObject({
    has_embedding_layernorm: true,
    hidden_act: 'gelu',
  })
})
