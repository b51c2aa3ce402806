/** The addon for an installation: not compiled, or compiled for libraries that do not load. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Change, expectProblems, remove, useDoctor } from './helpers/doctor.js'
import { writeEngines } from './helpers/engine-pairs.js'
import { writeText } from './helpers/gpu-machine.js'
import { tempFolder } from './helpers/temp.js'

const doctor = useDoctor()

const packageJson = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
  version: string
}

const compiled: Change = ({ root, libs, env }) => {
  const record = {
    packageVersion: packageJson.version,
    version: '1.2.1',
    cxx11Abi: true,
    arch: process.arch,
    library: join(libs, 'libtensorrt_llm.so'),
    includeDir: '/headers/of/then',
  }
  writeText(join(root, 'cache/runtimes/some/record.json'), JSON.stringify(record))
  writeText(join(root, 'cache/runtimes/some/trtllm_node_tensorrt_llm.node'), '')
  delete env.TRTLLM_NODE_INCLUDE
}

test('not compiled: a warning, for engines an error', async () => {
  const finding = {
    check: 'compiled',
    message: 'the addon has not been compiled for this TensorRT-LLM',
    remedy: 'trtllm-node runtime build',
  }
  expect(await doctor(() => {})).toContainEqual({ ...finding, status: 'warning' })
  const model = writeEngines(tempFolder())
  expect(await doctor(() => {}, { model })).toContainEqual({ ...finding, status: 'error' })
})

test('compiled: headers are not needed any more, and loading is tried', async () => {
  const findings = await doctor(compiled)
  expect(findings).toContainEqual({
    check: 'headers',
    status: 'ok',
    message: 'the addon was compiled with those in /headers/of/then',
  })
  expect(findings).toContainEqual(expect.objectContaining({ check: 'compiled', status: 'ok' }))
  // the machine's libmpi is empty, and what it needs lies outside of it, if anywhere
  expectProblems(findings, [['loading', 'error', /cannot open shared object file|has no MPI_Init_thread/, /MPI/]])
})

test('loading is not tried where a library is known to be missing', async () => {
  const findings = await doctor((machine) => {
    compiled(machine)
    remove(join(machine.site, 'nvidia/nccl'))
  })
  expectProblems(findings, [['dependencies', 'error', /libnccl/]])
})
