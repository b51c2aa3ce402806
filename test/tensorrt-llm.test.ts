/** The way to an installed TensorRT-LLM and through it, as far as the stand-in can show it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../lib/index.js'
import { findAddon } from '../lib/runtime/addon-cache.js'
import { findInstallation } from '../lib/runtime/installation.js'
import { loadRuntimeAddon } from '../lib/runtime/load.js'
import { type ChildResult, childScript, cliScript, runNode } from './helpers/child.js'
import { sampleCheckpoint } from './helpers/sample.js'
import {
  installStandIn,
  type Layout,
  layOutEngines,
  preparedCache,
  preparedEnv,
  type StandIn,
} from './helpers/stand-in.js'
import { tempFolder } from './helpers/temp.js'

const WORDS = ['queue', 'colonel', 'rhythm', 'worcestershire']

const cacheHome = join(preparedCache, '..')

/** A process in which this installation is found. */
function runWith({ env }: StandIn, args: string[], cache = cacheHome): Promise<ChildResult> {
  return runNode(args, { env: { ...env, XDG_CACHE_HOME: cache } })
}

const expected: string[] = []

beforeAll(async () => {
  const engine = await Engine.load(sampleCheckpoint)
  for (const input of WORDS) expected.push((await engine.generate({ input })).text)
  await engine.close()
})

describe.each<Layout>(['wheel', 'release', 'triton'])('laid out as %s', (layout) => {
  test('engines are loaded and generate', async () => {
    const installed = installStandIn(layout)
    const args = [cliScript, 'generate', '--model', layOutEngines(), ...WORDS]
    const { code, stdout, stderr } = await runWith(installed, args)
    expect({ code, stderr, lines: stdout.trimEnd().split('\n') }).toEqual({ code: 0, stderr: '', lines: expected })
  })
})

test('two runtimes in one process give what each gives', async () => {
  const args = [childScript('two-runtimes.mjs'), sampleCheckpoint, layOutEngines()]
  const { code, stdout, stderr } = await runWith(installStandIn('wheel'), args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(JSON.parse(stdout)).toEqual([expected, expected, expected])
})

test('a crash is still a crash: the handlers that MPI sets are taken back', async () => {
  const { signal, code } = await runWith(installStandIn('wheel'), [childScript('abort.mjs'), layOutEngines()])
  expect({ signal, code }).toEqual({ signal: 'SIGABRT', code: null })
})

test('`runtime build` compiles the addon from the headers of a container; list and remove', async () => {
  const installed = installStandIn('release')
  const cache = tempFolder()
  const runtime = (...args: string[]) => runWith(installed, [cliScript, 'runtime', ...args], cache)
  const built = await runtime('build')
  expect(built).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('it loads') })
  const [record] = JSON.parse((await runtime('list', '--json')).stdout) as { addon: string; folder: string }[]
  expect(record).toMatchObject({
    version: '1.2.1',
    cxx11Abi: true,
    arch: 'x64',
    library: join(installed.libs, 'libtensorrt_llm.so'),
    includeDir: installed.include,
  })
  expect(readdirSync(join(cache, 'trtllm-node/runtimes'))).toHaveLength(1) // nothing half-made
  const names = (...flags: string[]) => execFileSync('nm', ['-D', ...flags, record?.addon ?? ''], { encoding: 'utf8' })
  expect(names('--defined-only').match(/\S+$/gm)?.sort()).toEqual([
    'napi_register_module_v1',
    'node_api_module_get_api_version_v1',
  ])
  expect(names('--undefined-only')).toContain('@GLIBCXX_') // its libstdc++ is that of the library
  const needed = execFileSync('readelf', ['-d', record?.addon ?? ''], { encoding: 'utf8' })
  expect(needed).toContain('[libtensorrt_llm.so]')
  expect(needed).not.toMatch(/RUNPATH|RPATH|libnvinfer|libmpi|libcud/)
  expect(await runtime('remove', 'no-such')).toMatchObject({ code: 1, stderr: expect.stringContaining('no-such') })
  expect(await runtime('remove', '--all')).toMatchObject({ code: 0 })
  expect((await runtime('list')).stdout).toBe('')
}, 300_000)

describe('in this process', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'trtllm-node-test-'))
  let engine: Engine

  beforeAll(async () => {
    Object.assign(process.env, preparedEnv, { XDG_CACHE_HOME: cacheHome })
    engine = await Engine.load(layOutEngines({}, scratch))
  })
  afterAll(async () => {
    await engine.close()
    rmSync(scratch, { recursive: true })
  })

  test('the limits are those of the engines', async () => {
    const build = { max_batch_size: 4, max_beam_width: 2, max_input_len: 6, max_encoder_input_len: 6, max_seq_len: 9 }
    const own = await Engine.load(layOutEngines({ build }), { maxBatchSize: 3 })
    expect(own.limits).toEqual({
      maxBatchSize: 3,
      maxNumTokens: 8192,
      maxBeamWidth: 2,
      maxInputLength: 6,
      maxSequenceLength: 9,
      encoderVocabSize: 120,
      decoderVocabSize: 120,
      tokensPerBlock: 32,
      maxAdapterRank: 0, // built without the LoRA plugin
      encoderTokenBudget: 8192,
    })
    await expect(own.generate({ inputTokenIds: new Int32Array(7).fill(5) })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('1 to 6 tokens (limits.maxInputLength), got 7'),
    })
    await expect(own.generate({ input: 'a', beamWidth: 3 })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await own.close()
  })

  test('requests of several widths all succeed', async () => {
    const results = await Promise.all(
      [1, 4, 1, 2, 4].map((beamWidth) => engine.generate({ input: 'queue', beamWidth })),
    )
    expect(results.map(({ sequences }) => sequences.length)).toEqual([1, 4, 1, 2, 4])
  })

  test('the state is what the statistics say', async () => {
    const before = engine.snapshot()
    const stats = engine.stats()
    await engine.generate({ input: 'queue' })
    await expect.poll(() => engine.snapshot().numActiveRequests).toBe(0)
    expect(engine.snapshot().iteration).toBeGreaterThan(before.iteration)
    expect((await stats.next()).value).toMatchObject({ numNewActiveRequests: 1 }) // looking has not taken it
    const without = await Engine.load(layOutEngines(), { iterStatsMaxIterations: 0 })
    expect(() => without.snapshot()).toThrow(/ERR_UNSUPPORTED/)
    await without.close()
  })

  test.each([{ threads: 2 }, { weights: 'float32' }, { kvCache: { tokensPerBlock: 16 } }, { encoderTokenBudget: 9 }])(
    'options of the embedded runtime are refused by name: %j',
    async (options) => {
      const name = Object.keys(options.kvCache ?? options)[0]
      await expect(Engine.load(layOutEngines(), options as object)).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED',
        message: `this runtime has no option ${name}`,
      })
    },
  )

  test('engines that another version built', async () => {
    await expect(Engine.load(layOutEngines({ version: '1.1.0' }))).rejects.toMatchObject({
      code: 'ERR_RUNTIME_VERSION',
      message: expect.stringMatching(
        /built by TensorRT-LLM 1\.1\.0, and 1\.2\.1 cannot load them: .*Failed to deserialize/,
      ),
    })
  })

  test('a decoder-only engine reaches the constructor for it, which the stand-in does not have', async () => {
    const folder = join(layOutEngines(), 'decoder')
    await expect(Engine.load(folder)).rejects.toMatchObject({
      code: 'ERR_RUNTIME',
      message: expect.stringContaining('the stand-in cannot run decoder-only models'),
    })
  })

  test('a process holds one installation', async () => {
    const { env } = installStandIn('wheel')
    await expect(loadRuntimeAddon({ env, cacheFolder: preparedCache })).rejects.toMatchObject({
      code: 'ERR_RUNTIME_LOAD',
      message: expect.stringContaining('cannot load another'),
    })
  })

  test('an addon is found by version, ABI and architecture', async () => {
    const installation = await findInstallation()
    const found = await findAddon(installation, preparedCache)
    expect(found).toMatchObject({ version: '1.2.1', cxx11Abi: true })
    expect(await findAddon({ ...installation, version: '1.2.0' }, preparedCache)).toBeUndefined()
    expect(await findAddon({ ...installation, cxx11Abi: false }, preparedCache)).toBeUndefined()
    const unnamed = { ...installation, version: null, library: found?.library ?? '' }
    expect(await findAddon(unnamed, preparedCache)).toEqual(found)
    expect(await findAddon({ ...unnamed, library: '/elsewhere' }, preparedCache)).toBeUndefined()
  })
})
