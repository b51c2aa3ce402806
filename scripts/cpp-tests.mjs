// Builds the C++ tests in a folder of their own, and runs them.
import { show, step } from './steps.mjs'

/**
 * @param {string} folder of the build, below build/
 * @param {string[]} options for CMake
 * @param {NodeJS.ProcessEnv} [env] for the tests
 */
export async function runCppTests(folder, options, env = {}) {
  const build = `build/${folder}`
  const always = ['-G', 'Ninja', '-DTRTLLM_NODE_ADDON=OFF', '-DTRTLLM_NODE_TESTS=ON']
  await step(`Configuring the C++ tests (${folder})`, ['cmake', '-S', '.', '-B', build, ...always, ...options])
  await step(`Building the C++ tests (${folder})`, ['cmake', '--build', build])
  await show([`${build}/trtllm_node_tests`, '--gtest_brief=1'], env)
}
