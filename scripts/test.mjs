// npm test: sets everything up, then runs all tests: C++, types, TypeScript.
import { runCppTests } from './cpp-tests.mjs'
import { setup } from './setup.mjs'
import { runScript, show, step } from './steps.mjs'
import { prepareTensorrtLlm } from './test-tensorrt-llm.mjs'

await runScript(async () => {
  await setup({ tests: true })
  await runCppTests('tests', [])
  await prepareTensorrtLlm()
  await step('Checking types', ['npx', 'tsc', '-p', 'tsconfig.test.json'])
  await show(['npx', 'vitest', 'run'])
})
