/**
 * Which runtime the tests run on. With TRTLLM_NODE_TEST_RUNTIME=tensorrt-llm (npm run test:tensorrt-llm) models go
 * through the addon for an installed TensorRT-LLM: the stand-in runs them, from folders that look like engines.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine, type EngineOptions } from '../../lib/index.js'
// @ts-expect-error: plain JavaScript
import { layOutEngines } from '../../scripts/stand-in.mjs'

export const onTensorrtLlm = process.env.TRTLLM_NODE_TEST_RUNTIME === 'tensorrt-llm'

const laidOut = new Map<string, string>()

/** The model in a checkpoint folder, for the runtime. `built`: options of the embedded runtime, which engines are built with. */
function modelFor(checkpoint: string, built: object = {}): string {
  const key = JSON.stringify([checkpoint, built])
  const folder = laidOut.get(key) ?? layOutEngines(checkpoint, newFolder(), { options: built })
  laidOut.set(key, folder)
  return folder
}

/** The script that runs the tests removes them all. */
const newFolder = (): string => mkdtempSync(join(process.env.TRTLLM_NODE_TEST_ENGINES ?? tmpdir(), 'engines-'))

/** `Engine.load` of a checkpoint folder on either runtime. */
export function loadModel(checkpoint: string, options: EngineOptions = {}): Promise<Engine> {
  if (!onTensorrtLlm) return Engine.load(checkpoint, options)
  const { threads, weights, encoderTokenBudget, kvCache = {}, ...rest } = options
  const { tokensPerBlock, reuseEncoder, ...cache } = kvCache
  const built = { threads, weights, encoderTokenBudget, tokensPerBlock, reuseEncoder }
  return Engine.load(modelFor(checkpoint, built), { ...rest, kvCache: cache })
}
