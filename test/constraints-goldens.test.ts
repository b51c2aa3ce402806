/** Forced tokens and allowed sequences against Hugging Face, which masks and renormalises (constraints.json). */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadModel } from './helpers/runtime.js'
import { goldenModels } from './helpers/sample.js'

interface Case {
  name: string
  input: number[]
  prompt: number[]
  maxTokens: number
  endId: number
  beamWidth?: number
  forcedFirst?: number
  forcedLast?: number
  allowedSequences?: number[][]
  beams: { tokens: number[]; logProbs: number[]; score: number }[]
}

const models = goldenModels().filter((folder) => existsSync(join(folder, 'constraints.json')))

describe.each(models.map((folder) => ({ name: basename(folder), folder })))('$name', ({ folder }) => {
  it('gives the sequences and scores of Hugging Face, all cases in one batch', async () => {
    const cases = JSON.parse(readFileSync(join(folder, 'constraints.json'), 'utf8')) as Case[]
    const engine = await loadModel(folder)
    const results = await Promise.all(
      cases.map((golden) =>
        engine.generate({
          inputTokenIds: golden.input,
          decoderInputTokenIds: golden.prompt,
          maxTokens: golden.maxTokens,
          endId: golden.endId,
          beamWidth: golden.beamWidth,
          forcedFirstTokenId: golden.forcedFirst,
          forcedLastTokenId: golden.forcedLast,
          allowedSequences: golden.allowedSequences,
          returnLogProbs: true,
        }),
      ),
    )
    await engine.close()
    for (const [index, { name, beams }] of cases.entries()) {
      // Where fewer sequences are allowed than there are beams, Hugging Face can lose one that we give.
      const sequences = results[index]?.sequences.slice(0, beams.length) ?? []
      expect(
        sequences.map((sequence) => sequence.outputTokenIds),
        name,
      ).toEqual(beams.map((beam) => beam.tokens))
      for (const [rank, beam] of beams.entries()) {
        expect(Math.abs((sequences[rank]?.cumLogProb ?? 0) - beam.score), name).toBeLessThan(1e-4)
      }
    }
  })
})

it('has models to compare', () => {
  expect(models.length).toBeGreaterThanOrEqual(3)
})
