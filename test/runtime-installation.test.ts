/** Finding an installation in each documented layout, below a folder that stands for '/'. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findInstallation, findInstallations } from '../lib/runtime/installation.js'
import { say, writeGpuMachine, writePackage, writeProgram, writeText, writeTrtllm } from './helpers/gpu-machine.js'
import { tempFolder } from './helpers/temp.js'
import { writeLibrary } from './helpers/tiny-libraries.js'

const EXECUTOR_H = 'tensorrt_llm/executor/executor.h'

/** An empty machine and what to call the finder with. */
function machine() {
  const root = tempFolder()
  const env: NodeJS.ProcessEnv = { PATH: '' }
  return { root, env, at: (path: string) => join(root, path) }
}

/** A wheel without anything else. */
function writeWheel(site: string, version = '1.2.1'): string {
  writeTrtllm(join(site, 'tensorrt_llm/libs'))
  writePackage(site, 'tensorrt_llm', version, [])
  return join(site, 'tensorrt_llm/libs/libtensorrt_llm.so')
}

describe('a wheel', () => {
  test('in the active environment, with headers of a source tree', async () => {
    const { root, env, site, libs } = writeGpuMachine(tempFolder())
    expect(await findInstallation({ root, env })).toEqual({
      kind: 'wheel',
      library: join(libs, 'libtensorrt_llm.so'),
      plugins: join(libs, 'libnvinfer_plugin_tensorrt_llm.so'),
      includeDir: join(root, 'src/TensorRT-LLM/cpp/include'),
      cudaIncludeDir: join(site, 'nvidia/cu13/include'),
      version: '1.2.1',
      headerVersion: '1.2.1',
      cxx11Abi: true,
      searchPath: [
        libs,
        ...['nvidia/cu13/lib', 'nvidia/nccl/lib', 'tensorrt_libs', 'torch/lib'].map((folder) => join(site, folder)),
      ],
    })
  })

  test('that a Python on PATH imports, wherever that keeps it', async () => {
    const { root, env, at } = machine()
    const library = writeWheel(at('somewhere/else'))
    writeProgram(at('bin/python3'), say(`\n/nowhere\n${at('somewhere/else')}\n`))
    expect(await findInstallation({ root, env: { ...env, PATH: `/nowhere:${at('bin')}` } })).toMatchObject({
      kind: 'wheel',
      library,
      includeDir: null,
      cudaIncludeDir: null,
      headerVersion: null,
    })
  })

  test('a Python that fails is passed over', async () => {
    const { root, env, at } = machine()
    writeProgram(at('bin/python3'), 'exit 1')
    await expect(findInstallation({ root, env: { ...env, PATH: at('bin') } })).rejects.toThrow(at('bin/python3'))
  })

  test('its version, where pip has left no record', async () => {
    const { root, env, at } = machine()
    writeTrtllm(at('site/tensorrt_llm/libs'))
    writeText(at('site/tensorrt_llm/version.py'), '# made by a script\n__version__ = "1.2.0rc5"\n')
    expect(await findInstallation({ root, env, libs: at('site') })).toMatchObject({ version: '1.2.0rc5' })
  })
})

describe('containers', () => {
  test('the release container: a wheel and its headers', async () => {
    const { root, env, at } = machine()
    const site = at('usr/local/lib/python3.12/dist-packages')
    const library = writeWheel(site)
    mkdirSync(at('app/tensorrt_llm'), { recursive: true })
    symlinkSync(join(site, 'tensorrt_llm/libs'), at('app/tensorrt_llm/lib'))
    writeText(at(`app/tensorrt_llm/include/${EXECUTOR_H}`), '')
    for (const header of ['cuda_fp16.h', 'cuda_runtime_api.h', 'crt/host_defines.h']) {
      writeText(at(`usr/local/cuda/include/${header}`), '')
    }
    mkdirSync(at('usr/local/tensorrt/lib'), { recursive: true })
    expect(await findInstallation({ root, env })).toMatchObject({
      kind: 'release-container',
      library,
      version: '1.2.1',
      includeDir: at('app/tensorrt_llm/include'),
      headerVersion: '1.2.1',
      cudaIncludeDir: at('usr/local/cuda/include'),
      searchPath: [join(site, 'tensorrt_llm/libs'), at('usr/local/tensorrt/lib')],
    })
  })

  test('the Triton container: a wheel in an environment, no headers', async () => {
    const { root, env, at } = machine()
    const library = writeWheel(at('opt/venv-tritonserver/lib/python3.12/site-packages'))
    expect(await findInstallation({ root, env })).toMatchObject({ kind: 'triton-container', library, includeDir: null })
  })

  test('the Triton container: libraries beside the backend', async () => {
    const { root, env, at } = machine()
    writeTrtllm(at('opt/tritonserver/backends/tensorrtllm'))
    expect(await findInstallation({ root, env })).toMatchObject({ kind: 'triton-container', version: null })
  })
})

describe('a choice', () => {
  test('a source tree that was built', async () => {
    const { root, env, at } = machine()
    const libs = at('src/cpp/build/tensorrt_llm')
    writeLibrary(join(libs, 'libtensorrt_llm.so'))
    writeLibrary(join(libs, 'plugins/libnvinfer_plugin_tensorrt_llm.so'))
    writeText(at('src/tensorrt_llm/version.py'), "__version__ = '1.2.2'\n")
    writeText(at(`src/cpp/include/${EXECUTOR_H}`), '')
    writeText(
      at('src/cpp/include/tensorrt_llm/executor/version.h'),
      'static auto constexpr kTensorRtLlmVersion = "1.2.3";',
    )
    expect(await findInstallation({ root, env, libs: at('src') })).toMatchObject({
      kind: 'custom',
      plugins: join(libs, 'plugins/libnvinfer_plugin_tensorrt_llm.so'),
      includeDir: at('src/cpp/include'),
      version: '1.2.2',
      headerVersion: '1.2.3',
    })
  })

  test.each([
    ['the folder', ''],
    ['the library', 'libtensorrt_llm.so'],
    ['the package', '..'],
    ['site-packages', '../..'],
    ['the environment', '../../../../..'],
  ])('%s', async (_, path) => {
    const { root, env, at } = machine()
    const library = writeWheel(at('opt/venv/lib/python3.12/site-packages'))
    expect(await findInstallation({ root, env, libs: join(library, '..', path) })).toMatchObject({ library })
  })

  test('goes before the environment variable, that before what is there', async () => {
    const { root, env, at } = machine()
    const [chosen, named, active] = ['a', 'b', 'c'].map((name) =>
      writeWheel(at(`${name}/lib/python3.12/site-packages`)),
    )
    const inAll = { ...env, TRTLLM_NODE_LIBS: at('b'), VIRTUAL_ENV: at('c') }
    const libraries = async (choice: { env: NodeJS.ProcessEnv; libs?: string }) =>
      (await findInstallations({ root, ...choice })).map(({ library }) => library)
    expect(await libraries({ env: inAll, libs: at('a') })).toEqual([chosen])
    expect(await libraries({ env: inAll })).toEqual([named])
    expect(await libraries({ env: { ...inAll, TRTLLM_NODE_LIBS: '' } })).toEqual([active])
  })

  test('of headers that are none', async () => {
    const { root, env, at } = machine()
    writeWheel(at('site'))
    await expect(findInstallation({ root, env, libs: at('site'), include: at('site') })).rejects.toMatchObject({
      code: 'ERR_RUNTIME_NOT_FOUND',
      message: `there are no headers of TensorRT-LLM in ${at('site')}`,
      hint: expect.stringContaining(EXECUTOR_H),
    })
  })

  test('of a library that is damaged', async () => {
    const { root, env, at } = machine()
    writeText(
      at('libs/libtensorrt_llm.so'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 1\n',
    )
    await expect(findInstallation({ root, env, libs: at('libs') })).rejects.toMatchObject({
      code: 'ERR_LIBRARY_INVALID',
    })
  })
})

test('several are listed in their order, each once', async () => {
  const { root, env, at } = machine()
  const active = writeWheel(at('venv/lib/python3.12/site-packages'))
  const other = writeWheel(at('other'))
  writeProgram(at('bin/python3'), say(`${at('venv/lib/python3.12/site-packages')}\n${at('other')}\n`))
  const found = await findInstallations({ root, env: { ...env, VIRTUAL_ENV: at('venv'), PATH: at('bin') } })
  expect(found.map(({ library }) => library)).toEqual([active, other])
})

test('none: the places that were looked at, and what to do', async () => {
  const { root, env, at } = machine()
  await expect(findInstallation({ root, env: { ...env, VIRTUAL_ENV: '/my/venv' } })).rejects.toMatchObject({
    code: 'ERR_RUNTIME_NOT_FOUND',
    message: `there is no libtensorrt_llm.so; looked at VIRTUAL_ENV /my/venv, ${at('app/tensorrt_llm')}, ${at('opt/venv-tritonserver')}, ${at('opt/tritonserver/backends/tensorrtllm')}`,
    hint: expect.stringContaining('--libs'),
  })
  expect(await findInstallations({ root, env })).toEqual([])
})
