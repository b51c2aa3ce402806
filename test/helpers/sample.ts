/** The sample model, its fixtures, and the tiny golden models. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import type { Engine, EngineOptions } from '../../lib/index.js'
import { loadModel } from './runtime.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const sampleCheckpoint = join(root, 'models/g2p-en')
/** The same, or engines of it where the tests run on TensorRT-LLM. */
export const sampleModel = process.env.TRTLLM_NODE_TEST_MODEL ?? sampleCheckpoint

export function loadSample(options: EngineOptions = {}): Promise<Engine> {
  return loadModel(sampleCheckpoint, options)
}

/** Rows of a fixture: a word and what belongs to it. */
export function readFixture(name: string): string[][] {
  const text = gunzipSync(readFileSync(join(root, 'test/fixtures', name))).toString('utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
}

/** Words and what Hugging Face says to them, greedy, in float32 on the same weights. */
export function huggingFacePronunciations(): { word: string; phonemes: string }[] {
  return readFixture('g2p-hf-greedy.tsv.gz').map(([word = '', phonemes = '']) => ({ word, phonemes }))
}

/** Checkpoint folders of tiny random models. */
export function goldenModels(): string[] {
  const folder = join(root, 'test/goldens')
  return readdirSync(folder)
    .filter((name) => name !== 'families' && name !== 'lora')
    .map((name) => join(folder, name))
}

/** Folders of tiny random models of every family, with their hf/ and what they compute: scripts/make-family-goldens.py. */
export function familyGoldens(): { name: string; folder: string }[] {
  const folder = join(root, 'test/goldens/families')
  return readdirSync(folder).map((name) => ({ name, folder: join(folder, name) }))
}
