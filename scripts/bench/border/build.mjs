// Builds the C++ side and the instant runtime, and lays a copy of the package around the latter's addon.
import { cpSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { root, step } from '../../steps.mjs'

const BUILD = 'build/cmake/Release' // that of the addon: nothing is compiled twice
const INSTANT = join(root, 'build/bench/instant')
const TARGETS = ['trtllm_node_instant', 'trtllm_node_border', 'trtllm_node_border_instant']

/** For each executor: the program of the C++ side and the entry of the package. */
export const SIDES = {
  embedded: { program: join(root, 'build/bench/trtllm_node_border'), package: join(root, 'dist/index.js') },
  instant: { program: join(root, 'build/bench/trtllm_node_border_instant'), package: join(INSTANT, 'dist/index.js') },
}

export async function buildSides() {
  const options = ['--out', BUILD, '--CDTRTLLM_NODE_BENCH=ON']
  await step('Configuring the border benchmark', ['npx', 'cmake-js', 'configure', ...options])
  await step('Building the border benchmark', ['cmake', '--build', BUILD, '--target', ...TARGETS])
  // The addon is looked for beside the real path of dist/.
  cpSync(join(root, 'dist'), join(INSTANT, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(INSTANT, 'package.json'))
  const modules = join(INSTANT, 'node_modules')
  if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules)
}
