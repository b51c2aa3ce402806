/** Several ranks under a real mpirun: starting, serving, ending. The stand-in's ranks do not share the work of a model. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mpirunArguments } from '../lib/cli/run.js'
import { checkEngineOptions, toRawEngineOptions } from '../lib/config.js'
import { checkRanks } from '../lib/parallel.js'
import { childScript, cliScript, runNode } from './helpers/child.js'
import { thrownBy } from './helpers/request-context.js'
import { layOutEngines, preparedCache, preparedEnv } from './helpers/stand-in.js'
import { tempFolder } from './helpers/temp.js'

const hasMpirun = spawnSync('mpirun', ['--version']).status === 0
const why = hasMpirun ? '' : ' (skipped: mpirun is not installed, apt-get install openmpi-bin)'

/** With the system's OpenMPI instead of the stand-in's. */
const env = { ...preparedEnv, OPAL_PREFIX: undefined, XDG_CACHE_HOME: join(preparedCache, '..') }

const runRanks = (ranks: number, engines: string, wrong = 'nothing') =>
  runNode([cliScript, 'run', '--ranks', String(ranks), childScript('ranks.mjs'), engines, wrong], { env })

describe.skipIf(!hasMpirun)(`trtllm-node run${why}`, () => {
  test.each([1, 2, 3])('%i ranks: the first one generates, the others serve it until it closes', async (ranks) => {
    const { code, stdout, stderr } = await runRanks(ranks, layOutEngines({ ranks }))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    const reports = lines.map((line) => JSON.parse(line) as { rank: string })
    expect(reports.sort((a, b) => Number(a.rank) - Number(b.rank))).toEqual(
      Array.from({ length: ranks }, (_, rank) =>
        rank === 0
          ? { rank: '0', texts: ['K Y UW1', 'K AA1 L AH0 N AH0 L'] }
          : { rank: String(rank), refused: 'ERR_CLOSED' },
      ),
    )
  })

  test.each(['follower killed', 'leader throws'])('%s: the others end, too', async (wrong) => {
    const { code, stdout } = await runRanks(2, layOutEngines({ ranks: 2 }), wrong)
    expect(code).not.toBe(0)
    expect(stdout).not.toContain('texts')
  })

  test('another number of ranks than the engines were built for', async () => {
    const { code, stderr } = await runRanks(2, layOutEngines())
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/need 1 ranks, and there are 2/)
  })
})

test('without mpirun, or with another MPI’s, it says so', async () => {
  const run = (path: string) =>
    runNode([cliScript, 'run', '--ranks', '2', childScript('ranks.mjs')], { env: { ...env, PATH: path } })
  const refused = { code: 1, stderr: expect.stringContaining('error [ERR_RUNTIME_NOT_FOUND]: there is no mpirun') }
  expect(await run(tempFolder())).toMatchObject(refused)
  expect(await runNode([cliScript, 'run', 'script.js'])).toMatchObject({ code: 2 })
})

test('the command for mpirun', () => {
  const options = { env: { VIRTUAL_ENV: '/venv', SECRET: '1', TLLM_LOG_LEVEL: 'INFO' }, isRoot: true }
  const args = mpirunArguments(4, ['a.js', '--flag'], options).join(' ')
  expect(args).toMatch(/^-n 4 --allow-run-as-root .*-x VIRTUAL_ENV -x TLLM_LOG_LEVEL \S+ a\.js --flag$/)
  expect(mpirunArguments(1, ['a.js'], { ...options, isRoot: false })).not.toContain('--allow-run-as-root')
})

describe('the option parallel', () => {
  const model = { decoderPath: 'decoder', encoderPath: 'encoder' }

  test('crosses the border where the runtime has it', () => {
    const options = checkEngineOptions({ parallel: { mode: 'leader', deviceIds: [1, 0], participantIds: [2, 3] } })
    expect(toRawEngineOptions(model, options, ['parallel']).config.parallelConfig).toEqual({
      deviceIds: new Int32Array([1, 0]),
      participantIds: new Int32Array([2, 3]),
    })
    expect(thrownBy(() => toRawEngineOptions(model, options, []))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'this runtime has no option parallel',
    })
  })

  test.each<[object, string, string]>([
    [{ mode: 'orchestrator' }, 'ERR_UNSUPPORTED', "parallel.mode 'orchestrator' is not possible with encoder-decoder"],
    [{ mode: 'x' }, 'ERR_INVALID_ARGUMENT', "parallel.mode must be 'leader'"],
    [{ deviceIds: [] }, 'ERR_INVALID_ARGUMENT', 'parallel.deviceIds must be numbers that are all different'],
    [{ deviceIds: [1, 1] }, 'ERR_INVALID_ARGUMENT', 'parallel.deviceIds must be numbers that are all different'],
    [{ participantIds: [-1] }, 'ERR_INVALID_ARGUMENT', 'parallel.participantIds[0] must be an integer >= 0, got -1'],
    [{ ranks: 2 }, 'ERR_UNKNOWN_OPTION', 'unknown option parallel.ranks'],
  ])('%j is refused', (parallel, code, message) => {
    expect(thrownBy(() => checkEngineOptions({ parallel }))).toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })

  test('there must be as many ranks and GPUs as the engines were built for', () => {
    expect(() => checkRanks('f', 1)).not.toThrow()
    expect(() => checkRanks('f', 2, { participantIds: [0, 1], deviceIds: [0, 1] })).not.toThrow()
    expect(thrownBy(() => checkRanks('f', 2))).toMatchObject({
      code: 'ERR_RANKS',
      hint: expect.stringContaining('--ranks 2'),
    })
    expect(thrownBy(() => checkRanks('f', 1, { deviceIds: [0, 1] }))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('parallel.deviceIds must be 1 numbers'),
    })
  })
})
