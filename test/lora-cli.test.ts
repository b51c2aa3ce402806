/** trtllm-node lora */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cliScript, runNode } from './helpers/child.js'
import { mergedMatrices, randomPairs, type WrittenAdapter, writeAdapter } from './helpers/lora-adapters.js'
import { randomMatrices, T5, writeCheckpoint } from './helpers/lora-models.js'
import { tempFolder } from './helpers/temp.js'

const cli = (...args: string[]) => runNode([cliScript, 'lora', ...args])

function setUp(options: WrittenAdapter = {}, take: (name: string) => boolean = () => true) {
  const folder = tempFolder()
  const pairs = randomPairs(T5, { take })
  const matrices = randomMatrices(T5)
  return {
    folder,
    checkpoint: writeCheckpoint(join(folder, 'checkpoint'), T5, matrices, { tp: 2 }),
    adapter: writeAdapter(join(folder, 'adapter'), T5, pairs, options),
    expected: writeCheckpoint(join(folder, 'expected'), T5, mergedMatrices(T5, matrices, pairs), { tp: 2 }),
    out: join(folder, 'out'),
  }
}

describe('inspect', () => {
  test('for people', async () => {
    const { adapter, checkpoint } = setUp({ config: { base_model_name_or_path: 'tiny/t5' } })
    const { code, stdout, stderr } = await cli('inspect', adapter, '--model', checkpoint)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`folder      ${adapter}\nform        PEFT, LoRA\nbase model  tiny/t5\nsize        `)
    expect(stdout).toMatch(/^attn_q +encoder +0-1 +2 +3 +12 × 16$/m)
    expect(stdout).toMatch(/^cross_attn_dense +decoder +0-3 +2 +3 +16 × 12$/m)
    expect(stdout).toContain(`fits ${checkpoint}\n`)
  })

  test('what cannot be applied, and that it does not fit', async () => {
    const { adapter, checkpoint } = setUp({ config: { modules_to_save: ['lm_head'] } })
    expect((await cli('inspect', adapter)).stdout).toContain('cannot be applied:\n  lm_head: modules that were')
    const { code, stderr } = await cli('inspect', adapter, '--model', checkpoint)
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('error [ERR_UNSUPPORTED]: ') })
  })

  test('for programs', async () => {
    const { adapter } = setUp({}, (name) => name.endsWith('EncDecAttention.v'))
    const { stdout } = await cli('inspect', adapter, '--json')
    expect(JSON.parse(stdout)).toMatchObject({
      form: 'peft',
      dtypes: ['float32'],
      modules: Array.from({ length: 4 }, (_, layer) => ({ layer, module: 'cross_attn_v', rank: 2, scale: 3 })),
    })
  })
})

describe('convert', () => {
  test("TensorRT-LLM's files, which inspect reads", async () => {
    const { adapter, checkpoint, out } = setUp()
    const { code, stdout } = await cli('convert', adapter, out, '--model', checkpoint, '--dtype', 'bfloat16')
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}: 58 rows of 72 numbers, bfloat16\n` })
    expect(readdirSync(out).sort()).toEqual(['model.lora_config.npy', 'model.lora_weights.npy'])
    const shown = (await cli('inspect', out, '--model', checkpoint)).stdout
    expect(shown).toContain('form        TensorRT-LLM, LoRA')
    expect(shown).toMatch(/^attn_q +- +0-5 +2 +folded +-$/m)
  })

  test('for a runtime that cannot apply all of it', async () => {
    const { adapter, checkpoint, out } = setUp()
    const { code, stderr } = await cli('convert', adapter, out, '--model', checkpoint, '--runtime', 'tensorrt-llm')
    expect(code).toBe(1)
    expect(stderr).toContain('encoder.block.0.layer.0.SelfAttention.q')
    expect(stderr).toContain('hint: merge it into the checkpoint instead: trtllm-node lora merge')
    expect(existsSync(out)).toBe(false)
  })
})

test('merge', async () => {
  const { adapter, checkpoint, expected, out } = setUp()
  const { code, stdout } = await cli('merge', checkpoint, adapter, out)
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}: 58 matrices in 4 files changed\n` })
  for (const file of ['encoder/rank0', 'encoder/rank1', 'decoder/rank0', 'decoder/rank1']) {
    const [found, wanted] = [out, expected].map((folder) => readFileSync(join(folder, `${file}.safetensors`)))
    expect(found, file).toEqual(wanted)
  }
  expect(await cli('merge', checkpoint, adapter, out)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('error [ERR_OUTPUT]: '),
  })
})

test.each([
  [['--help'], 0, 'lora merge', ''],
  [['inspect', '--help'], 0, 'lora merge', ''],
  [[], 2, '', 'lora takes one of inspect, convert, merge'],
  [['train'], 2, '', 'lora takes one of inspect, convert, merge'],
  [['inspect'], 2, '', 'lora inspect takes ADAPTER'],
  [['convert', 'a'], 2, '', 'lora convert takes ADAPTER OUT'],
  [['convert', 'a', 'b'], 2, '', '--model DIR is missing'],
  [
    ['convert', 'a', 'b', '--model', 'm', '--dtype', 'int8'],
    2,
    '',
    "--dtype is one of float32, float16, bfloat16, not 'int8'",
  ],
  [['convert', 'a', 'b', '--model', 'm', '--runtime', 'x'], 2, '', '--runtime is one of embedded, tensorrt-llm'],
  [['merge', 'a', 'b'], 2, '', 'lora merge takes CHECKPOINT ADAPTER OUT'],
  [['merge', 'a', 'b', 'c', '--fast'], 2, '', '--fast'],
  [['inspect', '/no/such/folder'], 1, '', 'error [ERR_LORA_NOT_FOUND]: there is no adapter folder /no/such/folder'],
])('trtllm-node lora %j: exit code %i', async (args, code, stdout, stderr) => {
  expect(await cli(...args)).toMatchObject({
    code,
    stdout: expect.stringContaining(stdout),
    stderr: expect.stringContaining(stderr),
  })
})
