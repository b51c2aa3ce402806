/**
 * Every family from the folder that a user has to the tokens of Hugging Face: scripts/make-family-goldens.py made the
 * folders and recorded what Hugging Face computes with them.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { convertModel } from '../lib/convert/convert.js'
import { Engine, type Request } from '../lib/index.js'
import { expectClose, firstRows, rowsOf } from './helpers/close.js'
import { loadModel } from './helpers/runtime.js'
import { familyGoldens } from './helpers/sample.js'
import { type ReadTensor, readTensors } from './helpers/tensors.js'

interface Case {
  inputTokenIds: number[]
  decoderInputTokenIds: number[]
  maxTokens: number
  tokens: number[]
  encoderOutput: ReadTensor
  logits: ReadTensor
  beams: { tokens: number[][]; lengthPenalty: number; earlyStopping: number; cumLogProbs: number[] }
  /** Of generate() with the folder's own settings; none for fairseq. */
  defaultTokens: number[] | undefined
}

function readCases(folder: string): Case[] {
  const tensors = readTensors(join(folder, 'expected.safetensors'))
  const cases: Case[] = []
  for (let i = 0; tensors[`case${i}.input_ids`] !== undefined; i++) {
    const of = (name: string): ReadTensor => {
      const tensor = tensors[`case${i}.${name}`]
      if (tensor === undefined) throw new Error(`${folder} has no ${name}`)
      return tensor
    }
    cases.push({
      inputTokenIds: of('input_ids').values,
      decoderInputTokenIds: of('decoder_input_ids').values,
      maxTokens: of('max_tokens').values[0] ?? 0,
      tokens: of('tokens').values,
      encoderOutput: of('encoder_output'),
      logits: of('logits'),
      beams: {
        tokens: rowsOf(of('beam_tokens')).map((row) => row.filter((id) => id >= 0)),
        lengthPenalty: of('beam_length_penalty').values[0] ?? 0,
        earlyStopping: of('beam_early_stopping').values[0] ?? 0,
        cumLogProbs: of('beam_cum_log_probs').values,
      },
      defaultTokens: tensors[`case${i}.default_tokens`]?.values,
    })
  }
  return cases
}

const request = ({ inputTokenIds, decoderInputTokenIds, maxTokens }: Case): Request => ({
  inputTokenIds,
  decoderInputTokenIds,
  maxTokens,
})

const scratch = mkdtempSync(join(tmpdir(), 'trtllm-node-test-'))
afterAll(() => rmSync(scratch, { recursive: true }))

describe.each(familyGoldens())('$name', ({ folder }) => {
  const cases = readCases(folder)
  let engine: Engine

  beforeAll(async () => {
    engine = await load(folder)
  })
  afterAll(() => engine?.close())

  test('greedy tokens, all cases in one batch', async () => {
    const results = await Promise.all(cases.map((one) => engine.generate(request(one))))
    expect(results.map(({ outputTokenIds }) => outputTokenIds)).toEqual(cases.map(({ tokens }) => tokens))
  })

  test('encoder output', async () => {
    for (const { inputTokenIds, encoderOutput } of cases) {
      expectClose(await engine.embed({ inputTokenIds }), encoderOutput)
    }
  })

  test('logits of each step', async () => {
    for (const one of cases) {
      const { generationLogits } = await engine.generate({ ...request(one), returnGenerationLogits: true })
      // Hugging Face has a row for the end token too
      expectClose(generationLogits, firstRows(one.logits, one.tokens.length))
    }
  })

  test('four beams', async () => {
    for (const one of cases) {
      const { lengthPenalty, earlyStopping, tokens, cumLogProbs } = one.beams
      const options = { beamWidth: 4, lengthPenalty, earlyStopping }
      const { sequences } = await engine.generate({ ...request(one), ...options, returnLogProbs: true })
      expect(sequences.map(({ outputTokenIds }) => outputTokenIds)).toEqual(tokens)
      sequences.forEach(({ cumLogProb }, i) => {
        expect(cumLogProb).toBeCloseTo(cumLogProbs[i] ?? Number.NaN, 3)
      })
    }
  })
})

/** Arguments of generate() beside the folder's settings -> the same of a request. */
interface GenerateArguments {
  max_new_tokens?: number
  max_length?: number
  decoder_start_token_id?: number
  forced_bos_token_id?: number
}

function requestOf(inputTokenIds: number[], given: GenerateArguments): Request {
  const { max_new_tokens, max_length } = given
  const maxTokens = max_new_tokens ?? (max_length === undefined ? undefined : max_length - 1)
  const start = given.decoder_start_token_id
  return {
    inputTokenIds,
    maxTokens,
    forcedFirstTokenId: given.forced_bos_token_id,
    decoderInputTokenIds: start === undefined ? undefined : [start],
  }
}

describe.each(familyGoldens())("$name with its folder's own settings", ({ folder }) => {
  test('the tokens of generate()', async () => {
    const expected = readFileSync(join(folder, 'expected.json'), 'utf8')
    const { generate } = JSON.parse(expected) as { generate: GenerateArguments | null }
    if (generate === null) return
    const engine = await Engine.load(join(folder, 'hf'), { cacheFolder: join(scratch, 'cache') })
    for (const { inputTokenIds, defaultTokens = [] } of readCases(folder)) {
      const { outputTokenIds } = await engine.generate(requestOf(inputTokenIds, generate))
      // generate() pads its output, so a generated padding token at the end cannot be told from padding
      const last = outputTokenIds.findLastIndex((id) => id !== engine.model.specialTokenIds.pad)
      expect(outputTokenIds.slice(0, last + 1)).toEqual(defaultTokens)
    }
    await engine.close()
  })
})

test.each(['flan-ul2', 'bart', 'nmt'])('%s split into tp 2 × pp 2 gives the same tokens', async (name) => {
  const folder = familyGoldens().find((golden) => golden.name === name)?.folder ?? ''
  const engine = await load(folder, { tp: 2, pp: 2 })
  try {
    for (const one of readCases(folder)) {
      expect((await engine.generate(request(one))).outputTokenIds).toEqual(one.tokens)
    }
  } finally {
    await engine.close()
  }
})

async function load(folder: string, split: { tp?: number; pp?: number } = {}): Promise<Engine> {
  const out = join(mkdtempSync(join(scratch, 'model-')), 'checkpoint')
  // float32 as the reference, which widened bfloat16 weights without changing them
  await convertModel(join(folder, 'hf'), out, { ...split, dtype: 'float32' })
  rmSync(join(out, 'generation_config.json'), { force: true }) // the settings of each request alone
  return loadModel(out, { gatherGenerationLogits: true })
}
