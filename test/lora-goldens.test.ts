/**
 * Adapters at run time against PEFT on Hugging Face: scripts/make-lora-goldens.py made tiny models with an adapter for
 * every kind of module, and recorded what each computes.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine, type Request } from '../lib/index.js'
import { type Expected, expectClose, firstRows, rowsOf } from './helpers/close.js'
import { root } from './helpers/sample.js'
import { type ReadTensor, readTensors } from './helpers/tensors.js'

/** What no runtime of adapters can apply here, and the reason. */
const REFUSED: Record<string, string> = { dora: 'DoRA', bias: 'trained biases' }

interface Case {
  /** undefined: the model without adapter. */
  lora: string | undefined
  request: Pick<Request, 'inputTokenIds' | 'decoderInputTokenIds' | 'maxTokens'> & { inputTokenIds: number[] }
  prompt: number[]
  tokens: number[]
  logits: Expected
  promptLogits: Expected | undefined
  encoderOutput: Expected
}

function readCases(tensors: Record<string, ReadTensor>, name: string): Case[] {
  return [0, 1].map((i) => {
    const of = (key: string) => tensors[`case${i}.${key}`]?.values ?? []
    const own = (key: string) => tensors[`${name}.case${i}.${key}`]
    const prompt = of('decoder_input_ids')
    return {
      lora: name === 'base' ? undefined : name,
      request: {
        inputTokenIds: of('input_ids'),
        decoderInputTokenIds: prompt,
        maxTokens: of('max_tokens')[0],
      },
      prompt,
      tokens: own('tokens')?.values ?? [],
      logits: own('logits') as Expected,
      promptLogits: own('prompt_logits'),
      encoderOutput: (own('encoder_output') ?? tensors[`base.case${i}.encoder_output`]) as Expected,
    }
  })
}

function logProbOf(row: number[], token: number): number {
  const largest = Math.max(...row)
  const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0)
  return (row[token] ?? Number.NaN) - largest - Math.log(sum)
}

const cacheFolder = mkdtempSync(join(tmpdir(), 'trtllm-node-test-'))
afterAll(() => rmSync(cacheFolder, { recursive: true }))

describe.each(['t5', 't5-gated', 'bart', 'mbart'])('%s', (family) => {
  const folder = join(root, 'test/goldens/lora', family)
  const names = readdirSync(join(folder, 'adapters')).filter((name) => !(name in REFUSED))
  const tensors = readTensors(join(folder, 'goldens.safetensors'))
  const cases = ['base', ...names].flatMap((name) => readCases(tensors, name))
  let engine: Engine

  beforeAll(async () => {
    engine = await Engine.load(join(folder, 'model'), { cacheFolder, gatherGenerationLogits: true })
    await Promise.all(names.map((name) => engine.loras.load(name, join(folder, 'adapters', name))))
  })
  afterAll(() => engine?.close())

  test('tokens and logits of all adapters in one batch', async () => {
    const results = await Promise.all(
      cases.map(({ lora, request }) => engine.generate({ ...request, lora, returnGenerationLogits: true })),
    )
    for (const [i, { lora, tokens, logits }] of cases.entries()) {
      expect(results[i]?.outputTokenIds, lora).toEqual(tokens)
      // Hugging Face has a row for the end token too
      expectClose(results[i]?.generationLogits, firstRows(logits, tokens.length))
    }
  })

  test('encoder output', async () => {
    const outputs = await Promise.all(
      cases.map(({ lora, request: { inputTokenIds } }) => engine.embed({ inputTokenIds, lora })),
    )
    for (const [i, { encoderOutput }] of cases.entries()) expectClose(outputs[i], encoderOutput)
  })

  test('logits of a prompt, and its score', async () => {
    const prompted = cases.filter(({ promptLogits }) => promptLogits !== undefined)
    expect(prompted.length).toBe(names.length + 1)
    await Promise.all(
      prompted.map(async ({ lora, request, prompt, promptLogits }) => {
        const { contextLogits } = await engine.generate({ ...request, lora, returnContextLogits: true })
        expectClose(contextLogits, promptLogits as Expected)
        const [start, ...target] = prompt
        expect(start).toBe(engine.model.specialTokenIds.decoderStart)
        const { inputTokenIds } = request
        const { logProbs } = await engine.score({ inputTokenIds, targetTokenIds: target, lora })
        const rows = rowsOf(promptLogits as Expected)
        const expected = target.map((token, row) => logProbOf(rows[row] ?? [], token))
        for (const [row, logProb] of logProbs.entries()) expect(logProb).toBeCloseTo(expected[row] ?? Number.NaN, 3)
      }),
    )
  })

  test.each(Object.keys(REFUSED).filter((name) => readdirSync(join(folder, 'adapters')).includes(name)))(
    '%s is refused',
    async (name) => {
      await expect(engine.loras.load(name, join(folder, 'adapters', name))).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringContaining(REFUSED[name] ?? ''),
      })
    },
  )
})
