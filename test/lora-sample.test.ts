/** The sample model's adapters, merged by `lora merge`, against what Hugging Face writes with them merged in float32. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readModelFolder } from '../lib/index.js'
import { mergeIntoCheckpoint } from '../lib/lora/index.js'
import { loadModel } from './helpers/runtime.js'
import { root, sampleCheckpoint as sampleModel } from './helpers/sample.js'

const scratch = mkdtempSync(join(tmpdir(), 'trtllm-node-test-'))
afterAll(() => rmSync(scratch, { recursive: true }))

type Pairs = [input: string, output: string][]
const fixture = JSON.parse(readFileSync(join(root, 'test/fixtures/adapters.json'), 'utf8')) as Record<string, Pairs>

async function numEqual(folder: string, pairs: Pairs): Promise<number> {
  const engine = await loadModel(folder)
  const results = await Promise.all(pairs.map(([input]) => engine.generate({ input, maxTokens: 64 })))
  await engine.close()
  return results.filter(({ text }, index) => text === pairs[index]?.[1]).length
}

test.each(['ipa', 'spell'])('%s', async (name) => {
  const pairs = fixture[name] ?? []
  expect(pairs.length).toBe(200)
  const merged = join(scratch, name)
  await mergeIntoCheckpoint(join(sampleModel, 'adapters', name), readModelFolder(sampleModel), merged)
  // The merged weights are rounded to the checkpoint's bfloat16, which changes a near tie here and there.
  expect(await numEqual(merged, pairs)).toBeGreaterThanOrEqual(190)
  expect(await numEqual(sampleModel, pairs)).toBeLessThan(50)
})
