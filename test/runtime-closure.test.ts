/** The order in which libraries are loaded and where they are found, against the rules of the dynamic loader and ldd. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readClosure } from '../lib/runtime/closure.js'
import { findInstallation } from '../lib/runtime/installation.js'
import { createSystem, type System } from '../lib/runtime/system.js'
import { writeGpuMachine } from './helpers/gpu-machine.js'
import { tempFolder } from './helpers/temp.js'
import { type TinyLibrary, writeLibrary } from './helpers/tiny-libraries.js'

describe('the libraries of a wheel', () => {
  async function closureOf(change: (machine: ReturnType<typeof writeGpuMachine>) => void = () => {}) {
    const machine = writeGpuMachine(tempFolder())
    change(machine)
    const closure = await readClosure(await findInstallation(machine), createSystem(machine))
    return { machine, ...closure }
  }

  test('are loaded in the documented order, each after what it needs', async () => {
    const { libraries, missing } = await closureOf()
    expect(missing).toEqual([])
    expect(libraries.map(({ soname }) => soname)).toEqual([
      'libcuda.so.1',
      'libopen-pal.so.40',
      'libopen-rte.so.40',
      'libmpi.so.40',
      'libcublasLt.so.13',
      'libcublas.so.13',
      'libcurand.so.10',
      'libnccl.so.2',
      'libnvinfer.so.10',
      'libc.so.6',
      'libc10.so',
      'libtorch_cpu.so',
      'libc10_cuda.so',
      'libtorch_cuda.so',
      'libtorch.so',
      'libpg_utils.so',
      'libdecoder_attention_0.so',
      'libdecoder_attention_1.so',
      'libstdc++.so.6',
      'libtensorrt_llm.so',
      'libnvinfer_plugin_tensorrt_llm.so',
    ])
  })

  test('say who needs them, which the loader finds alone, and which is global', async () => {
    const { libraries, machine } = await closureOf()
    const step = (wanted: string) => libraries.find(({ soname }) => soname === wanted)
    expect(libraries.filter(({ global }) => global).map(({ soname }) => soname)).toEqual(['libmpi.so.40'])
    expect(step('libmpi.so.40')).toMatchObject({ alreadyResolved: true, neededBy: 'libtensorrt_llm.so' })
    expect(step('libcublas.so.13')).toEqual({
      soname: 'libcublas.so.13',
      path: join(machine.site, 'nvidia/cu13/lib/libcublas.so.13'),
      neededBy: 'libtensorrt_llm.so',
      global: false,
      alreadyResolved: false,
    })
    // beside it, by its own RUNPATH
    expect(step('libpg_utils.so')).toMatchObject({ alreadyResolved: true })
    expect(step('libtensorrt_llm.so')).toMatchObject({ neededBy: null, alreadyResolved: false })
  })

  test('that are missing are named with the package that brings them', async () => {
    const { missing, libraries } = await closureOf(({ site, root }) => {
      rmSync(join(site, 'nvidia'), { recursive: true })
      rmSync(join(site, 'torch'), { recursive: true })
      rmSync(join(site, 'tensorrt_libs'), { recursive: true })
      rmSync(join(root, 'usr'), { recursive: true })
    })
    const remedies = Object.fromEntries(missing.map(({ soname, remedy }) => [soname, remedy]))
    expect(remedies).toMatchObject({
      'libcuda.so.1': expect.stringContaining("NVIDIA's driver"),
      'libmpi.so.40': expect.stringContaining('libopenmpi-dev'),
      'libcublas.so.13': 'pip install "nvidia-cublas==13.*"',
      'libcublasLt.so.13': 'pip install "nvidia-cublas==13.*"',
      'libcurand.so.10': expect.stringContaining('nvidia-curand'),
      'libnccl.so.2': expect.stringContaining('nvidia-nccl-cu13'),
      'libnvinfer.so.10': expect.stringContaining('tensorrt==10.*'),
      'libtorch.so': expect.stringContaining('cu130'),
    })
    expect(missing.find(({ soname }) => soname === 'libc10.so')).toMatchObject({ neededBy: 'libpg_utils.so' })
    expect(libraries.filter(({ path }) => path === null)).toHaveLength(missing.length)
  })
})

describe('where a library is found', () => {
  const files = { own: 'own', asked: 'asked', run: 'run', pip: 'pip', cached: 'cached', usual: 'usr/lib' } as const

  /** A library that needs libx.so, and libx.so in some folders. */
  async function find(folders: readonly (keyof typeof files)[], library: TinyLibrary = {}) {
    const root = tempFolder()
    const at = (name: string) => join(root, name)
    writeLibrary(at('own/libmain.so'), { needs: ['libx.so'], ...library })
    for (const folder of folders) writeLibrary(at(`${files[folder]}/libx.so`))
    const system: System = {
      root,
      env: { LD_LIBRARY_PATH: at('asked') },
      run: async () => ({ code: 0, output: '1 libs found in cache\n\tlibx.so (libc6,x86-64) => /cached/libx.so\n' }),
    }
    const { libraries } = await readClosure(
      { library: at('own/libmain.so'), plugins: null, searchPath: [at('pip')] },
      system,
    )
    const { path = null, alreadyResolved } = libraries[0] ?? {}
    return [path?.slice(root.length + 1), alreadyResolved]
  }

  test.each<[string, (keyof typeof files)[], TinyLibrary, string | undefined, boolean]>([
    ['nowhere', [], {}, undefined, false],
    ['in a default folder', ['usual'], {}, 'usr/lib/libx.so', true],
    ['in the cache before that', ['usual', 'cached'], {}, 'cached/libx.so', true],
    ['where pip has put it before that', ['usual', 'cached', 'pip'], {}, 'pip/libx.so', false],
    ['by RUNPATH before that', ['pip', 'run'], { runpath: '$ORIGIN/../run' }, 'run/libx.so', true],
    ['by LD_LIBRARY_PATH before that', ['run', 'asked'], { runpath: '$ORIGIN/../run' }, 'asked/libx.so', true],
    ['by RPATH before all others', ['run', 'asked'], { rpath: `\${ORIGIN}/../run` }, 'run/libx.so', true],
    ['beside it only if a path says so', ['own'], {}, undefined, false],
  ])('%s', async (_, folders, library, path, alone) => {
    expect(await find(folders, library)).toEqual([path, alone])
  })

  test('RPATH holds for what is loaded on the way, RUNPATH does not', async () => {
    const chain = async (kind: 'rpath' | 'runpath') => {
      const root = tempFolder()
      writeLibrary(join(root, 'libmain.so'), { needs: ['libmid.so'], [kind]: '$ORIGIN/deep' })
      writeLibrary(join(root, 'deep/libmid.so'), { needs: ['libend.so'] })
      writeLibrary(join(root, 'deep/libend.so'))
      const system = createSystem({ root, env: { PATH: '' } })
      const choice = { library: join(root, 'libmain.so'), plugins: null, searchPath: [] }
      return (await readClosure(choice, system)).missing.map(({ soname }) => soname)
    }
    expect(await chain('rpath')).toEqual([])
    expect(await chain('runpath')).toEqual(['libend.so'])
  })

  test('a circle ends', async () => {
    const root = tempFolder()
    writeLibrary(join(root, 'liba.so'), { needs: ['libb.so'], runpath: '$ORIGIN' })
    writeLibrary(join(root, 'libb.so'), { needs: ['liba.so'], runpath: '$ORIGIN' })
    const choice = { library: join(root, 'liba.so'), plugins: null, searchPath: [] }
    const { libraries } = await readClosure(choice, createSystem({ root, env: {} }))
    expect(libraries.map(({ soname }) => soname)).toEqual(['libb.so', 'liba.so'])
  })
})

test('programs of this system: the same files as ldd', async () => {
  const folder = tempFolder()
  mkdirSync(join(folder, 'empty'))
  const library = process.execPath
  const said = execFileSync('ldd', [library], { encoding: 'utf8' })
  const expected = Array.from(said.matchAll(/=> (\/\S+)|^\s(\/\S+) \(/gm), ([, found, loader]) =>
    realpathSync(found ?? loader ?? ''),
  )
  const { libraries, missing } = await readClosure({ library, plugins: null, searchPath: [join(folder, 'empty')] })
  const found = libraries.slice(0, -1).map(({ path }) => realpathSync(path ?? ''))
  expect(missing).toEqual([])
  expect(libraries.slice(0, -1).every(({ alreadyResolved }) => alreadyResolved)).toBe(true)
  expect(found.sort()).toEqual(expected.sort())
})
