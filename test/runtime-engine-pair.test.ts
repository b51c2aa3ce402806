/** The limits of a pair of engines: of each the smaller one of the two. */
import { expect, test } from 'vitest'
import { limitsOf, readEnginePair } from '../lib/runtime/engine-pair.js'
import { type EngineFiles, writeEngines } from './helpers/engine-pairs.js'
import { tempFolder } from './helpers/temp.js'

const limitsAfter = async (change: (files: EngineFiles) => void) =>
  limitsOf(await readEnginePair(writeEngines(tempFolder(), change)))

test('of a pair that fits', async () => {
  expect(await limitsAfter(() => {})).toEqual({
    maxInputLength: 1024,
    maxPromptLength: 4,
    maxSequenceLength: 256,
    maxBeamWidth: 4,
    maxBatchSize: 8,
  })
})

test.each<[string, keyof EngineFiles & ('encoder' | 'decoder'), object, object]>([
  ['the input of the decoder', 'decoder', { max_encoder_input_len: 512 }, { maxInputLength: 512 }],
  ['the input of the encoder', 'encoder', { max_input_len: 500 }, { maxInputLength: 500 }],
  ['the tokens of an iteration', 'encoder', { max_num_tokens: 300 }, { maxInputLength: 300 }],
  ['the requests of the encoder', 'encoder', { max_batch_size: 2 }, { maxBatchSize: 2 }],
  ['what is not said', 'decoder', { max_seq_len: undefined }, { maxSequenceLength: Number.POSITIVE_INFINITY }],
])('%s', async (_, side, build, limits) => {
  expect(await limitsAfter((files) => Object.assign(files[side].build_config, build))).toMatchObject(limits)
})

test('processes: tensor, pipeline and context parallelism of the decoder', async () => {
  const folder = writeEngines(tempFolder(), ({ decoder }) => {
    decoder.pretrained_config.mapping = { tp_size: 4, pp_size: 2, cp_size: 3 }
  })
  expect(await readEnginePair(folder)).toMatchObject({ worldSize: 24 })
})
