/** Installations with something wrong: each is named, with what to do about it, before anything is loaded into this process. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { RECORD_FILE } from '../lib/runtime/addon-cache.js'
import { buildRuntime } from '../lib/runtime/build.js'
import { loadRuntimeAddon } from '../lib/runtime/load.js'
import { installStandIn, preparedCache, type StandIn, type Variant } from './helpers/stand-in.js'
import { tempFolder } from './helpers/temp.js'

/** Long enough for what works, on a slow machine, and short enough to wait for what never ends. */
const LIMIT_MS = 5_000

/** `root`: nothing of this machine is there to help. */
function load({ env, root }: StandIn, cacheFolder = preparedCache) {
  return loadRuntimeAddon({ env, root, cacheFolder, timeoutMs: LIMIT_MS })
}

const cases: [string, Variant, string, string, string][] = [
  [
    'no library',
    { without: ['library'] },
    'ERR_RUNTIME_NOT_FOUND',
    'there is no libtensorrt_llm.so',
    'TRTLLM_NODE_LIBS',
  ],
  [
    'no plugins',
    { without: ['plugins'] },
    'ERR_RUNTIME_LOAD',
    'there is no libnvinfer_plugin_tensorrt_llm.so',
    'again',
  ],
  ['no cuBLAS', { without: ['cublas'] }, 'ERR_RUNTIME_LOAD', 'libcublas.so.13 (for libtensorrt_llm.so)', 'cublas'],
  ['no MPI', { without: ['mpi'] }, 'ERR_RUNTIME_LOAD', 'libmpi.so.40 (for libtensorrt_llm.so)', 'OpenMPI 4.1'],
  ['a library of another version', { library: 'otherVersion' }, 'ERR_RUNTIME_VERSION', '1.2.0, not 1.2.1', 'build'],
  ['a library of the old ABI', { library: 'oldAbi' }, 'ERR_RUNTIME_NOT_BUILT', '1.2.1 (C++ ABI 0)', 'runtime build'],
  [
    'an MPI that hangs when it is loaded',
    { mpi: 'hangingMpi' },
    'ERR_RUNTIME_LOAD',
    'hung for 5 s while starting MPI',
    'orted',
  ],
  [
    'an MPI that hangs at its start',
    { mpi: 'hangingMpiInit' },
    'ERR_RUNTIME_LOAD',
    'hung for 5 s while starting MPI',
    'orted',
  ],
]

test.each(cases)('%s', async (_, variant, code, message, hint) => {
  await expect(load(installStandIn('wheel', variant))).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  })
})

describe('compiling', () => {
  const build = ({ env, root }: StandIn, options: object = {}) =>
    buildRuntime({ env, root, cacheFolder: tempFolder(), ...options })

  test.each<[string, 'wheel' | 'triton' | 'release', Variant, string, string]>([
    ['in the Triton container, which has no headers', 'triton', {}, 'ERR_RUNTIME_HEADERS', 'executor.h'],
    ['in a wheel, which has none either', 'wheel', {}, 'ERR_RUNTIME_HEADERS', 'executor.h'],
    ['with headers of another version', 'release', { headerVersion: '1.2.0' }, 'ERR_RUNTIME_VERSION', 'headers in'],
  ])('%s', async (_, layout, variant, code, message) => {
    await expect(build(installStandIn(layout, variant))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
      hint: expect.stringContaining('--include DIR'),
    })
  })

  test('without the headers of CUDA that those of TensorRT-LLM need', async () => {
    const installed = installStandIn('release')
    const types = join(installed.include ?? '', 'tensorrt_llm/executor/types.h')
    writeFileSync(types, `#include <cuda_fp16.h>\n${readFileSync(types, 'utf8')}`)
    const cudaInclude = tempFolder()
    const lack = (header: string) => ({
      code: 'ERR_RUNTIME_HEADERS',
      message: expect.stringContaining(`there is no ${header}`),
      hint: expect.stringContaining('--cuda-include DIR'),
    })
    await expect(build(installed)).rejects.toMatchObject(lack('cuda_fp16.h'))
    mkdirSync(join(cudaInclude, 'crt'))
    for (const header of ['cuda_fp16.h', 'crt/host_defines.h']) writeFileSync(join(cudaInclude, header), '')
    await expect(build(installed, { cudaInclude })).rejects.toMatchObject(lack('nv/target'))
  })

  test.each(['1.1.0', '1.3.0', '1.2'])('for version %s, for which it is not written', async (version) => {
    await expect(build(installStandIn('release'), { version })).rejects.toMatchObject({ code: 'ERR_RUNTIME_VERSION' })
  })

  test('against headers that promise more than the library has, and leaves nothing behind', async () => {
    const installed = installStandIn('release', { library: 'oldAbi' })
    const cacheFolder = tempFolder()
    await expect(build(installed, { cacheFolder, cxx11Abi: true })).rejects.toMatchObject({
      code: 'ERR_BUILD_FAILED',
      message: expect.stringMatching(/libtensorrt_llm\.so lacks \d+ symbols/),
      hint: expect.stringContaining('--cxx11-abi'),
    })
    expect(readdirSync(join(cacheFolder, 'runtimes'))).toEqual([])
  }, 300_000)

  test('with a compiler error says the first of them', async () => {
    const installed = installStandIn('release')
    const header = join(installed.include ?? '', 'tensorrt_llm/executor/executor.h')
    writeFileSync(header, '#error no such release\n')
    await expect(build(installed)).rejects.toMatchObject({
      code: 'ERR_BUILD_FAILED',
      message: expect.stringContaining('no such release'),
    })
  }, 300_000)
})

describe('an addon that is not what its record says', () => {
  /** A cache in which the prepared addon passes for one of the old ABI. */
  function cacheWith(change: (folder: string) => void): string {
    const cache = tempFolder()
    const [name = ''] = readdirSync(join(preparedCache, 'runtimes'))
    const folder = join(cache, 'runtimes/changed')
    mkdirSync(folder, { recursive: true })
    cpSync(join(preparedCache, 'runtimes', name), folder, { recursive: true })
    change(folder)
    return cache
  }
  const edit = (folder: string, changes: object) => {
    const file = join(folder, RECORD_FILE)
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...changes }))
  }

  test('one that needs symbols that the library does not have', async () => {
    const cache = cacheWith((folder) => edit(folder, { cxx11Abi: false }))
    await expect(load(installStandIn('wheel', { library: 'oldAbi' }), cache)).rejects.toMatchObject({
      code: 'ERR_ADDON_LOAD',
      message: expect.stringContaining('undefined symbol'),
      hint: expect.stringContaining('runtime build'),
    })
  })

  test.each([
    ['a damaged record', (folder: string) => writeFileSync(join(folder, RECORD_FILE), '{')],
    ['a record without its fields', (folder: string) => edit(folder, { version: 1 })],
    ['a record of another version of this package', (folder: string) => edit(folder, { packageVersion: '0.0.1' })],
  ])('%s counts as none', async (_, change) => {
    await expect(load(installStandIn('wheel'), cacheWith(change))).rejects.toMatchObject({
      code: 'ERR_RUNTIME_NOT_BUILT',
    })
  })
})
