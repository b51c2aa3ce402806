// npm run test:tensorrt-llm: the TypeScript tests once more, with every model behind the addon for an installed
// TensorRT-LLM. What is installed is the stand-in. Arguments go to vitest.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newest, setup } from './setup.mjs'
import { buildStandIn, layOutEngines, layOutInstallation } from './stand-in.mjs'
import { root, runScript, show, step } from './steps.mjs'

const FOLDER = join(root, 'build/stand-in')

/** What the addon is compiled from. */
const SOURCES = ['native/addon', 'native/embedded/include', 'CMakeLists.txt'].map((name) => join(root, name))

/**
 * Lays the stand-in out as a wheel and compiles the addon for it, unless that was done.
 * @returns the environment in which both are found
 */
export async function prepareTensorrtLlm() {
  await buildStandIn()
  const wheel = join(FOLDER, 'wheel')
  rmSync(wheel, { recursive: true, force: true })
  const { include, env } = layOutInstallation('wheel', wheel)
  const found = { ...env, XDG_CACHE_HOME: join(FOLDER, 'cache') }
  const addons = join(FOLDER, 'cache/trtllm-node/runtimes')
  const built = existsSync(addons) ? statSync(addons).mtimeMs : 0
  if (built < Math.max(...SOURCES.map(newest))) {
    mkdirSync(FOLDER, { recursive: true })
    const command = [process.execPath, 'dist/cli/main.js', 'runtime', 'build', '--include', include]
    await step('Compiling the addon for the stand-in', command, found)
  }
  return found
}

async function main(args) {
  await setup({ tests: true })
  const env = await prepareTensorrtLlm()
  const engines = mkdtempSync(join(tmpdir(), 'trtllm-node-engines-'))
  try {
    // those tests are about it alone, and run in npm test; engines of encoder-decoder models take no adapters
    const excluded = ['test/tensorrt-llm*.test.ts', 'test/loras*.test.ts'].flatMap((files) => ['--exclude', files])
    await show(['npx', 'vitest', 'run', ...excluded, ...args], {
      ...env,
      TRTLLM_NODE_TEST_RUNTIME: 'tensorrt-llm',
      TRTLLM_NODE_TEST_ENGINES: engines,
      TRTLLM_NODE_TEST_MODEL: layOutEngines(join(root, 'models/g2p-en'), join(engines, 'g2p-en')),
    })
  } finally {
    rmSync(engines, { recursive: true })
  }
}

if (process.argv[1] === import.meta.filename) await runScript(() => main(process.argv.slice(2)))
