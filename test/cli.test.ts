import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cliScript, runNode } from './helpers/child.js'
import { onTensorrtLlm } from './helpers/runtime.js'
import { huggingFacePronunciations, loadSample, root, sampleModel } from './helpers/sample.js'

/** What the library says to these words. */
const said = { queue: '', choir: '' }

beforeAll(async () => {
  const engine = await loadSample()
  for (const word of ['queue', 'choir'] as const) said[word] = (await engine.generate({ input: word })).text
  await engine.close()
})

const cli = (args: string[], input?: string) => runNode([cliScript, ...args], { input })
const generate = (args: string[], input?: string) => cli(['generate', '--model', sampleModel, ...args], input)
const lines = (text: string) => text.split('\n').slice(0, -1)
const objects = (text: string) => lines(text).map((line) => JSON.parse(line) as Record<string, unknown>)

describe('generate', () => {
  test('texts from arguments', async () => {
    const { code, stdout, stderr } = await generate(['queue', 'choir'])
    expect({ code, stderr, lines: lines(stdout) }).toEqual({ code: 0, stderr: '', lines: [said.queue, said.choir] })
  })

  test.skipIf(onTensorrtLlm)('--lora: an adapter, named by its folder', async () => {
    const ipa = join(sampleModel, 'adapters/ipa')
    expect(lines((await generate(['--lora', ipa, 'withstand', 'magno'])).stdout)).toEqual(['wɪθstˈænd', 'mˈæɡnoʊ'])
    const { code, stderr } = await generate(['--lora', sampleModel, 'magno'])
    expect([code, stderr]).toEqual([1, expect.stringContaining('error [ERR_LORA_NOT_FOUND]')])
  })

  test('many lines from standard input, in order', async () => {
    const words = huggingFacePronunciations().slice(0, 1500)
    const { code, stdout } = await generate([], words.map(({ word }) => `${word}\n`).join(''))
    expect(code).toBe(0)
    const equal = lines(stdout).filter((line, i) => line === words[i]?.phonemes)
    expect(lines(stdout)).toHaveLength(words.length)
    expect(equal.length / words.length).toBeGreaterThan(0.99)
  })

  test('--json', async () => {
    const [first, ...more] = objects((await generate(['--json', 'queue'])).stdout)
    expect(more).toEqual([])
    expect(first).toMatchObject({
      index: 0,
      text: said.queue,
      finishReason: 'end-id',
      outputTokenIds: expect.any(Array),
    })
  })

  test('--ids, repeatable, and --max-tokens', async () => {
    const found = objects((await generate(['--json', '--ids', '5,6,7', '--ids', '8', '--max-tokens', '1'])).stdout)
    expect(found).toMatchObject([{ usage: { inputTokens: 3, outputTokens: 1 } }, { usage: { inputTokens: 1 } }])
  })

  test('--stream gives the same text', async () => {
    const plain = await generate(['psychology', 'choir'])
    expect(await generate(['--stream', 'psychology', 'choir'])).toEqual(plain)
    const chunks = objects((await generate(['--stream', '--json', 'choir'])).stdout)
    const texts = chunks.slice(0, -1).map(({ chunk }) => (chunk as { text: string }).text)
    expect(texts.join('')).toBe(chunks.at(-1)?.text)
  })

  test('beams, samples and constraints: a line for each sequence', async () => {
    const beams = lines((await generate(['--beam-width', '3', 'queue', 'choir'])).stdout)
    expect(beams).toHaveLength(6)
    expect([beams[0], beams[3]]).toEqual([said.queue, said.choir])
    const fewer = lines((await generate(['--beam-width', '3', '--num-return-sequences', '2', 'queue'])).stdout)
    expect(fewer).toEqual(beams.slice(0, 2))
    expect(lines((await generate(['--stream', '--beam-width', '3', 'queue', 'choir'])).stdout)).toEqual(beams)

    const sampling = [
      '--top-k',
      '40',
      '--temperature',
      '2',
      '--num-return-sequences',
      '4',
      '--seed',
      '12345678901234567890',
    ]
    const [first] = objects((await generate(['--json', '--log-probs', ...sampling, 'choir'])).stdout)
    expect(first?.sequences).toHaveLength(4)
    expect(first).toMatchObject({ logProbs: expect.any(Array), cumLogProb: expect.any(Number) })
    const texts = ((first?.sequences ?? []) as { text: string }[]).map(({ text }) => text)
    expect(lines((await generate([...sampling, 'choir'])).stdout)).toEqual(texts)
  })

  test('words and allowed sequences, many of each', async () => {
    const [allowed] = objects(
      (await generate(['--json', '--allow-ids', '59,60', '--allow-ids', '59, 61', 'rhythm'])).stdout,
    )
    expect([
      [59, 60],
      [59, 61],
    ]).toContainEqual(allowed?.outputTokenIds)
    const [plain] = objects((await generate(['--json', 'rhythm'])).stdout)
    const ids = plain?.outputTokenIds as number[]
    const [stopped] = objects((await generate(['--json', '--stop', 'x', '--stop-ids', `${ids[1]}`, 'rhythm'])).stdout)
    expect(stopped).toMatchObject({ finishReason: 'stop-words', outputTokenIds: ids.slice(0, 2) })
    const [without] = objects((await generate(['--json', '--bad-ids', `${ids[1]}`, 'rhythm'])).stdout)
    expect(without?.outputTokenIds).not.toContain(ids[1])
  })

  test('a bad input fails its line only', async () => {
    const { code, stdout, stderr } = await generate([], 'queue\n\nchoir\n')
    expect({ code, lines: lines(stdout) }).toEqual({ code: 1, lines: [said.queue, '', said.choir] })
    expect(stderr).toContain('error [ERR_INVALID_ARGUMENT]: input 2: ')
    const found = objects((await generate(['--json'], 'queue\n\n')).stdout)
    expect(found[1]).toMatchObject({ index: 1, error: { code: 'ERR_INVALID_ARGUMENT' } })
  })

  test('a reader that goes away ends it quietly', async () => {
    const child = spawn('bash', [
      '-c',
      `yes queue | "${process.execPath}" "${cliScript}" generate --model "${sampleModel}" | head -3`,
    ])
    let output = ''
    for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (data) => (output += data))
    await new Promise((resolve) => child.on('close', resolve))
    expect(output).toBe(`${said.queue}\n`.repeat(3))
  })
})

describe('inspect', () => {
  test('for people', async () => {
    const { code, stdout, stderr } = await cli(['inspect', sampleModel])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const kind = onTensorrtLlm ? 'TensorRT-LLM engines' : 'TensorRT-LLM checkpoint'
    for (const word of [kind, 'DecoderModel bfloat16', 'maxSequenceLength', 'tokenizer.json']) {
      expect(stdout).toContain(word)
    }
  })

  test('for programs', async () => {
    const kind = onTensorrtLlm ? 'engine' : 'checkpoint'
    const [report] = objects((await cli(['inspect', sampleModel, '--json'])).stdout)
    expect(report).toMatchObject({ kind, decoder: { dtype: 'bfloat16' }, limits: { maxBatchSize: 64 } })
    const [unloaded] = objects((await cli(['inspect', sampleModel, '--json', '--no-load'])).stdout)
    expect(unloaded).toMatchObject({ kind, limits: null, specialTokenIds: { end: 1 } })
  })
})

test.each([
  [['--help'], 0, 'Commands:', ''],
  [[], 0, 'Commands:', ''],
  [['generate', '--help'], 0, '--max-tokens', ''],
  [['inspect', '--help'], 0, '--no-load', ''],
  [['--version'], 0, '0.', ''],
  [['translate'], 2, '', 'there is no command translate'],
  [['generate', 'queue'], 2, '', '--model DIR is missing'],
  [['generate', '--model', 'x', '--beams', '4'], 2, '', '--beams'],
  [['generate', '--help'], 0, '--no-repeat-ngram-size N', ''],
  [['generate', '--model', 'x', '--top-p', 'half'], 2, '', "--top-p takes a number, got 'half'"],
  [['generate', '--model', 'x', '--seed', '-1'], 2, '', '--seed'],
  [['generate', '--model', 'x', '--stop-ids', '5,x'], 2, '', "--stop-ids takes whole numbers, got 'x'"],
  [
    ['generate', '--model', sampleModel, '--beam-width', '99', 'a'],
    1,
    '',
    'input 1: beamWidth must be an integer from 1 to 64',
  ],
  [['generate', '--model', 'x', '--ids', '5,x'], 2, '', "--ids takes whole numbers, got 'x'"],
  [['inspect'], 2, '', 'inspect takes one model folder'],
  [['inspect', '/no/such/folder'], 1, '', 'error [ERR_MODEL_NOT_FOUND]: there is no model folder /no/such/folder'],
  [['inspect', root], 1, '', 'hint: expected encoder/ and decoder/'],
])('trtllm-node %j: exit code %i', async (args, code, stdout, stderr) => {
  const ended = await cli(args)
  expect(ended).toMatchObject({
    code,
    stdout: expect.stringContaining(stdout),
    stderr: expect.stringContaining(stderr),
  })
})
