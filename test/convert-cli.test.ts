/** trtllm-node convert and build, with a stand-in for trtllm-build. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { convertModel } from '../lib/convert/convert.js'
import { cliScript, runNode } from './helpers/child.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'
import { T5_CONFIG, t5Shapes, writeModel } from './helpers/tiny-models.js'

const golden = (name: string) => join(familyGoldens().find((golden) => golden.name === name)?.folder ?? '', 'hf')
const cli = (args: string[], env: NodeJS.ProcessEnv = {}) => runNode([cliScript, ...args], { env })

describe('convert', () => {
  test('says what it made', async () => {
    const out = join(tempFolder(), 'out')
    const { code, stdout, stderr } = await cli(['convert', golden('bart'), out, '--tp', '2', '--dtype', 'bfloat16'])
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${out}: BART model, bfloat16, 0.1 MB\n`, stderr: '' })
    expect(readdirSync(join(out, 'encoder')).sort()).toEqual(['config.json', 'rank0.safetensors', 'rank1.safetensors'])
  })

  test('--json, and warnings', async () => {
    const out = join(tempFolder(), 'out')
    const { stdout, stderr } = await cli([
      'convert',
      golden('flan-t5'),
      out,
      '--dtype',
      'float16',
      '--pp',
      '1',
      '--json',
    ])
    expect(JSON.parse(stdout)).toMatchObject({
      folder: out,
      family: 'T5',
      dtype: 'float16',
      warnings: [expect.any(String)],
    })
    expect(stderr).toMatch(/^warning: .*65504/)
  })

  test.each<[string[], number, string]>([
    [['convert'], 2, 'convert takes MODEL and OUT'],
    [['convert', 'a', 'b', '--dtype', 'int8'], 2, "--dtype is one of float32, float16, bfloat16, not 'int8'"],
    [['convert', 'a', 'b', '--tp', '0'], 2, "--tp takes a whole number >= 1, got '0'"],
    [['convert', '/no/such', 'b'], 1, 'error [ERR_MODEL_NOT_FOUND]: there is no model /no/such'],
    [['convert', golden('t5-v10'), `${cliScript}/out`], 1, `error [ERR_OUTPUT]: ${cliScript}/out cannot be written`],
    [['build', 'a'], 2, 'build takes CHECKPOINT and ENGINE'],
    [['build', 'a', 'b', '--max-batch-size', 'many'], 2, '--max-batch-size takes a whole number'],
    [['build', '/no/such', 'b'], 1, 'error [ERR_MODEL_INVALID]: /no/such/encoder/config.json cannot be read'],
  ])('%j', async (args, code, message) => {
    expect(await cli(args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) })
  })
})

async function checkpoint(name: string, options = {}): Promise<string> {
  return (await convertModel(golden(name), join(tempFolder(), name), options)).folder
}

describe('build prints the commands', () => {
  const common = (T: string) =>
    `--max_batch_size 64 --max_beam_width 1 --max_num_tokens 8192 --gpt_attention_plugin ${T} --bert_attention_plugin ${T}`
  const packed = '--moe_plugin disable --remove_input_padding enable'
  const limits = (input: number, sequence: number) => ({
    encoder: `--kv_cache_type disabled --max_input_len ${input}`,
    decoder: `--kv_cache_type paged --max_input_len 4 --max_seq_len ${sequence} --max_encoder_input_len ${input}`,
  })

  test.each([
    ['t5-v10', 'float32', `--gemm_plugin float32 ${packed} --context_fmha disable`, limits(1024, 256)],
    ['byt5', 'bfloat16', `--gemm_plugin bfloat16 ${packed} --context_fmha disable`, limits(1024, 256)],
    ['bart', 'float32', `--gemm_plugin float32 ${packed}`, limits(64, 64)],
    ['mbart-50', 'float32', `--gemm_plugin float32 ${packed}`, limits(64, 64)],
    ['nmt', 'float32', packed, limits(64, 64)],
  ])('%s', async (name, dtype, flags, { encoder, decoder }) => {
    const folder = await checkpoint(name)
    const command = (side: string, rest: string) =>
      `trtllm-build --checkpoint_dir ${folder}/${side} --output_dir out/${side} ${common(dtype)} ${flags} ${rest}\n`
    expect(await cli(['build', folder, 'out'])).toEqual({
      code: 0,
      signal: null,
      stdout: command('encoder', encoder) + command('decoder', decoder),
      stderr: '',
    })
  })

  test('limits, quoting and warnings', async () => {
    const folder = await checkpoint('flan-ul2', { tp: 2, pp: 2, dtype: 'float16' })
    const flags = [
      '--max-batch-size',
      '8',
      '--max-beam-width',
      '4',
      '--max-input-length',
      '300',
      '--max-num-tokens',
      '600',
    ]
    const more = ['--max-prompt-length', '10', '--max-sequence-length', '100']
    const { stdout, stderr } = await cli(['build', folder, "it's here", ...flags, ...more])
    expect(stdout).toContain(
      `--output_dir 'it'\\''s here/decoder' --max_batch_size 8 --max_beam_width 4 --max_num_tokens 600`,
    )
    expect(stdout).toContain('--max_input_len 10 --max_seq_len 100 --max_encoder_input_len 300')
    expect(stderr).toMatch(/warning: .*float16[\s\S]*warning: .*pipeline/)
  })

  test.each([
    ['bart', ['--max-input-length', '65'], "maxInputLength must be <= 64 (the encoder's positions), got 65"],
    ['bart', ['--max-sequence-length', '65'], "maxSequenceLength must be <= 64 (the decoder's positions), got 65"],
    ['t5-v10', ['--max-input-length', '9000'], 'maxInputLength must be <= 8192 (maxNumTokens), got 9000'],
    ['t5-v10', ['--max-prompt-length', '256'], 'maxPromptLength must be <= 255 (maxSequenceLength - 1), got 256'],
  ])('limits that %s cannot have: %j', async (name, flags, message) => {
    const ended = await cli(['build', await checkpoint(name), 'out', ...flags])
    expect(ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`[ERR_INVALID_ARGUMENT]: ${message}`),
    })
  })

  test.each<[string, (decoder: Record<string, unknown>) => void, string]>([
    [
      'width',
      (decoder) => Object.assign(decoder, { encoder_hidden_size: 99 }),
      'hidden_size (encoder_hidden_size) is 16 in the encoder and 99 in the decoder',
    ],
    [
      'type',
      (decoder) => Object.assign(decoder, { dtype: 'float16' }),
      'dtype is "float32" in the encoder and "float16" in the decoder',
    ],
    [
      'ranks',
      (decoder) => Object.assign(decoder, { mapping: { tp_size: 2, pp_size: 1 } }),
      'mapping.tp_size is 1 in the encoder and 2 in the decoder; encoder/rank1.safetensors is missing',
    ],
    [
      'halves',
      (decoder) => Object.assign(decoder, { architecture: 'EncoderModel' }),
      'decoder: architecture is "EncoderModel", not "DecoderModel"',
    ],
  ])('a pair that does not fit: %s', async (_, change, message) => {
    const folder = await checkpoint('bart')
    const file = join(folder, 'decoder/config.json')
    const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    change(config)
    writeFileSync(file, JSON.stringify(config))
    const ended = await cli(['build', folder, 'out'])
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(message) })
  })
})

describe('build --run', () => {
  /** A folder with a program trtllm-build that does what TensorRT-LLM's does to the files, changed by `twist`. */
  function standIn(twist: string): string {
    const bin = join(tempFolder(), 'bin')
    mkdirSync(bin)
    writeFileSync(
      join(bin, 'trtllm-build'),
      `#!${process.execPath}
const fs = require('node:fs')
const args = Object.fromEntries(process.argv.slice(2).join(' ').split('--').slice(1).map((arg) => arg.trim().split(' ')))
const side = args.output_dir.split('/').pop()
const model = JSON.parse(fs.readFileSync(args.checkpoint_dir + '/config.json', 'utf8'))
const number = (name) => args[name] === undefined ? undefined : Number(args[name])
const names = ['max_batch_size', 'max_beam_width', 'max_input_len', 'max_seq_len', 'max_num_tokens', 'max_encoder_input_len']
const build = Object.fromEntries(names.map((name) => [name, number(name)]))
build.kv_cache_type = args.kv_cache_type
build.plugin_config = { remove_input_padding: args.remove_input_padding === 'enable', gpt_attention_plugin: args.gpt_attention_plugin }
let version = '1.2.1'
${twist}
fs.mkdirSync(args.output_dir, { recursive: true })
fs.writeFileSync(args.output_dir + '/config.json', JSON.stringify({ version, pretrained_config: model, build_config: build }))
for (let rank = 0; rank < model.mapping.world_size; rank++) fs.writeFileSync(args.output_dir + '/rank' + rank + '.engine', side)
console.log('built ' + side)
`,
    )
    chmodSync(join(bin, 'trtllm-build'), 0o755)
    return bin
  }

  async function run(twist: string, options = {}) {
    const engine = join(tempFolder(), 'engine')
    const folder = await checkpoint('flan-ul2', options)
    const PATH = `${standIn(twist)}:${process.env.PATH}`
    return { engine, ...(await cli(['build', folder, engine, '--run'], { PATH })) }
  }

  test('runs both, checks them, and takes along what texts need', async () => {
    const { engine, code, stdout, stderr } = await run('', { tp: 2 })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/built encoder\nbuilt decoder\n.*: built\n$/)
    expect((readdirSync(engine, { recursive: true }) as string[]).sort()).toEqual([
      ...['decoder', 'decoder/config.json', 'decoder/rank0.engine', 'decoder/rank1.engine'],
      ...['encoder', 'encoder/config.json', 'encoder/rank0.engine', 'encoder/rank1.engine'],
      'generation_config.json',
    ])
  })

  test.each([
    [
      'the program fails',
      "if (side === 'decoder') process.exit(3)",
      'trtllm-build for the decoder ended with exit code 3',
    ],
    ['it is killed', "process.kill(process.pid, 'SIGKILL')", 'trtllm-build for the encoder ended with signal SIGKILL'],
    [
      'versions differ',
      'if (side === "decoder") version = "1.1.0"',
      'version is "1.2.1" in the encoder and "1.1.0" in the decoder',
    ],
    [
      'beams differ',
      'if (side === "decoder") build.max_beam_width = 2',
      'max_beam_width is 1 in the encoder and 2 in the decoder',
    ],
    [
      'lengths differ',
      'if (side === "decoder") build.max_encoder_input_len = 9',
      'max_input_len (max_encoder_input_len) is 1024 in the encoder and 9',
    ],
    ['a rank is missing', 'if (side === "encoder") model.mapping.world_size = 0', 'encoder/rank0.engine is missing'],
    [
      'padding',
      'build.plugin_config.remove_input_padding = false',
      'the encoder was built without remove_input_padding',
    ],
    ['no paged cache', 'build.kv_cache_type = "disabled"', 'the decoder was built without a paged cache'],
    [
      'no configuration',
      'build.toString(); model.x = 1; JSON.stringify = () => "{}"',
      'has no pretrained_config and build_config',
    ],
  ])('%s', async (_, twist, message) => {
    const { engine, code, stderr } = await run(twist)
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(`[ERR_BUILD_FAILED]: `) })
    expect(stderr).toContain(message)
    expect(readdirSync(dirname(engine))).toEqual([])
  })

  test('no trtllm-build', async () => {
    const engine = join(tempFolder(), 'engine')
    const { code, stderr } = await cli(['build', await checkpoint('bart'), engine, '--run'], { PATH: '/nowhere' })
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('trtllm-build is not installed, or not on the PATH'),
    })
    expect(existsSync(engine)).toBe(false)
  })

  test('an engine folder that is there already', async () => {
    const engine = tempFolder()
    writeFileSync(join(engine, 'file'), '')
    const out = join(tempFolder(), 'checkpoint')
    await convertModel(writeModel(T5_CONFIG, t5Shapes()), out)
    const { stderr } = await cli(['build', out, engine, '--run'], { PATH: `${standIn('')}:${process.env.PATH}` })
    expect(stderr).toContain(`[ERR_OUTPUT]: ${engine} exists and is not empty`)
    expect(readdirSync(engine)).toEqual(['file'])
  })
})
