/** trtllm-node doctor as a command. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cliScript, runNode } from './helpers/child.js'
import { writeEngines } from './helpers/engine-pairs.js'
import { writeGpuMachine } from './helpers/gpu-machine.js'
import { tempFolder } from './helpers/temp.js'

/** No TensorRT-LLM of this machine is found. */
const bare = { PATH: '', VIRTUAL_ENV: '', TRTLLM_NODE_LIBS: '', TRTLLM_NODE_INCLUDE: '' }
const doctor = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  runNode([cliScript, 'doctor', ...args], { env: { ...bare, XDG_CACHE_HOME: tempFolder(), ...env } })

const model = join(import.meta.dirname, '../models/g2p-en')

test('a checkpoint on any machine', async () => {
  const { code, stdout, stderr } = await doctor([model])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^ok {6}addon {9}the addon loads: embedded runtime, Executor API 1\.2/)
  expect(stdout).toContain(`ok      model         ${model}: a checkpoint, for the embedded runtime\n`)
  expect(stdout).toMatch(/\n\n0 errors, \d warnings?\n$/)
})

test('--json', async () => {
  const { code, stdout } = await doctor(['--json', '/no/such'])
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({
    healthy: false,
    findings: expect.arrayContaining([
      { check: 'model', status: 'error', message: 'there is no model folder /no/such', remedy: expect.any(String) },
    ]),
  })
})

test('engines without TensorRT-LLM, and what to do', async () => {
  const { code, stdout } = await doctor([writeEngines(tempFolder())])
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /\nerror {3}installation {2}there is no libtensorrt_llm\.so; looked at .*\n {22}→ install TensorRT-LLM 1\.2/,
  )
})

test('--libs and --include', async () => {
  const { root, libs } = writeGpuMachine(tempFolder())
  const { stdout } = await doctor(['--libs', libs, '--include', join(root, 'src/TensorRT-LLM')])
  expect(stdout).toContain(`TensorRT-LLM 1.2.1, wheel: ${libs}/libtensorrt_llm.so\n`)
  expect(stdout).toContain(`headers       1.2.1: ${root}/src/TensorRT-LLM/cpp/include\n`)
})

test.each([
  [['a', 'b'], 'doctor takes at most one model folder'],
  [['--lib', 'x'], "Unknown option '--lib'"],
])('%j', async (args, message) => {
  expect(await doctor(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) })
})
