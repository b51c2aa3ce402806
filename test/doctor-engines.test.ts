/** Which pairs of engines do not fit each other, the runtime or the machine. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Change, expectProblems, type Outcome, remove, useDoctor } from './helpers/doctor.js'
import { type EngineFiles, writeEngines } from './helpers/engine-pairs.js'
import { SMI_SUMMARY, writeProgram, writeSmi, writeText } from './helpers/gpu-machine.js'
import { tempFolder } from './helpers/temp.js'

const doctor = useDoctor()

describe('engines', () => {
  const files = (change: (files: EngineFiles) => void) => writeEngines(tempFolder(), change)

  test('that fit', async () => {
    const findings = await doctor(() => {}, { model: files(() => {}) })
    expectProblems(findings, [])
    expect(findings.map(({ message }) => message)).toContain(
      'the two fit each other: at most inputs of 1024 tokens, sequences of 256, 4 beams, 8 requests',
    )
  })

  test.each<[string, (files: EngineFiles) => void, ...Outcome[]]>([
    [
      'of another release',
      ({ encoder, decoder }) => {
        encoder.version = decoder.version = '1.1.0'
      },
      ['engines', 'error', /built by TensorRT-LLM 1\.1\.0, 1\.2\.1 is to run them/, /trtllm-node build/],
    ],
    [
      'of another patch release',
      ({ encoder, decoder }) => {
        encoder.version = decoder.version = '1.2.0'
      },
      ['engines', 'warning', /built by TensorRT-LLM 1\.2\.0/],
    ],
    [
      'of an old format',
      ({ encoder, decoder }) => {
        encoder.version = decoder.version = undefined
      },
      ['engines', 'error', /config\.json has no version/],
    ],
    [
      'lengths that do not fit',
      ({ decoder }) => Object.assign(decoder.build_config, { max_encoder_input_len: 512 }),
      ['engines', 'error', /max_input_len \(max_encoder_input_len\) is 1024 in the encoder and 512 in the decoder/],
    ],
    [
      'inputs that no iteration holds',
      ({ encoder }) => Object.assign(encoder.build_config, { max_num_tokens: 1000 }),
      ['engines', 'error', /max_input_len of the encoder exceeds its max_num_tokens/],
    ],
    [
      'beams that do not fit',
      ({ encoder }) => Object.assign(encoder.build_config, { max_beam_width: 1 }),
      ['engines', 'warning', /max_beam_width is 1 in the encoder and 4 in the decoder/],
    ],
    [
      'types that do not fit',
      ({ decoder }) => Object.assign(decoder.pretrained_config, { dtype: 'float16' }),
      ['engines', 'error', /dtype is "bfloat16" in the encoder and "float16" in the decoder/],
    ],
    [
      'a cache without pages',
      ({ decoder }) => Object.assign(decoder.build_config, { kv_cache_type: 'CONTINUOUS' }),
      ['engines', 'error', /decoder was built without a paged cache/],
    ],
    [
      'the same in the older form',
      ({ decoder }) => Object.assign(decoder.build_config.plugin_config, { paged_kv_cache: false }),
      ['engines', 'error', /decoder was built without a paged cache/],
    ],
    [
      'padding',
      ({ encoder }) => Object.assign(encoder.build_config.plugin_config, { remove_input_padding: false }),
      ['engines', 'error', /encoder was built without remove_input_padding/],
    ],
    [
      'no attention plugin',
      ({ decoder }) => Object.assign(decoder.build_config.plugin_config, { gpt_attention_plugin: null }),
      ['engines', 'error', /decoder was built without gpt_attention_plugin/],
    ],
    [
      'stages',
      (files) => {
        for (const side of [files.encoder, files.decoder]) side.pretrained_config.mapping = { tp_size: 1, pp_size: 2 }
        files.ranks = 2
      },
      ['engines', 'error', /mapping\.pp_size is 2/],
      ['ranks', 'error', /made for 2 processes, MPI has started 1/, /mpirun -n 2/],
      ['ranks', 'error', /made for 2 GPUs, here is 1/],
    ],
    [
      'tensor parallelism of one half, and its engine missing',
      ({ decoder }) => Object.assign(decoder.pretrained_config, { mapping: { tp_size: 2, pp_size: 1 } }),
      ['engines', 'error', /encoder\/rank1\.engine is missing/],
      ['engines', 'error', /decoder\/rank1\.engine is missing/],
      ['engines', 'error', /mapping\.tp_size is 1 in the encoder and 2 in the decoder/],
      ['ranks', 'error', /2 processes/],
      ['ranks', 'error', /2 GPUs/],
    ],
  ])('%s', async (_, change, ...expected) => {
    expectProblems(await doctor(() => {}, { model: files(change) }), expected)
  })

  test('for two GPUs, started by mpirun, with little shared memory', async () => {
    const model = files((pair) => {
      for (const side of [pair.encoder, pair.decoder]) side.pretrained_config.mapping = { tp_size: 2, pp_size: 1 }
      pair.ranks = 2
    })
    const change: Change = ({ root, env }) => {
      env.OMPI_COMM_WORLD_SIZE = '2'
      writeSmi(root, SMI_SUMMARY, '0, NVIDIA L4, 8.9, 23034\n1, NVIDIA L4, 8.9, 23034\n')
      const rows = 'Filesystem 1024-blocks Used Available Capacity Mounted on\nshm 65536 0 65536 0% /dev/shm'
      writeProgram(join(root, 'bin/df'), `echo "${rows}"`)
    }
    expectProblems(await doctor(change, { model }), [['ranks', 'warning', /\/dev\/shm has 64 MiB/, /--ipc=host/]])
  })

  test('without a configuration', async () => {
    const model = files(() => {})
    writeText(join(model, 'encoder/config.json'), '{}')
    expectProblems(await doctor(() => {}, { model }), [['engines', 'error', /has no pretrained_config/]])
  })

  test('where there is no TensorRT-LLM', async () => {
    const change: Change = ({ root }) => remove(join(root, 'opt'))
    const findings = await doctor(change, { model: files(() => {}) })
    expectProblems(findings, [['installation', 'error', /there is no libtensorrt_llm\.so/, /pip install tensorrt_llm/]])
  })
})
