/**
 * Tries to load an installation in a process of its own, with a time limit: loading may end the process (MPI aborts,
 * another CUDA) or never return (MPI and a broken network), and neither can be caught.
 *
 * Loading takes seconds, so a success is remembered until a file of the installation or what steers the loader changes.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorFromNative, TrtllmError } from '../errors.js'
import { addonFile } from '../native.js'
import { launchedRanks } from '../parallel.js'
import { isRecord } from '../validate.js'
import { runtimesFolder } from './addon-cache.js'
import type { LoadPlan } from './preloader.js'

export interface ProbeOptions {
  /** Longest time that loading may take, milliseconds: large libraries on a cold disk. @default 120 000 */
  timeoutMs?: number | undefined
  cacheFolder?: string | undefined
}

/** What the child does, one after the other; it says each before it begins. */
const STAGES = {
  mpi: 'starting MPI',
  libraries: 'loading the libraries',
  addon: 'loading the addon',
} as const
type Stage = keyof typeof STAGES

const DEFAULT_TIMEOUT_MS = 120_000

/**
 * Resolves if the installation can be loaded and MPI starts. Under mpirun MPI is left out: it was started already, and
 * the child is no rank.
 * @throws TrtllmError ERR_RUNTIME_LOAD, ERR_RUNTIME_VERSION, ERR_ADDON_LOAD
 */
export async function probeRuntime(plan: LoadPlan, options: ProbeOptions = {}): Promise<void> {
  const folder = join(runtimesFolder(options.cacheFolder), '..', 'probes')
  const success = join(folder, await keyOf(plan))
  if ((await stat(success).catch(() => undefined)) !== undefined) return
  await tryLoading(plan, options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
  await mkdir(folder, { recursive: true })
    .then(() => writeFile(success, ''))
    .catch(() => {}) // a cache that cannot be written only costs time
}

/** Variables that decide which libraries are loaded. */
const STEERING = ['LD_LIBRARY_PATH', 'LD_PRELOAD', 'OPAL_PREFIX', 'OMPI_MCA_ess_singleton_isolated'] as const

async function keyOf(plan: LoadPlan): Promise<string> {
  const stamps = await Promise.all([plan.addon, ...plan.files].map(stampOf))
  const env = STEERING.map((name) => process.env[name] ?? null)
  const content = JSON.stringify({ plan, stamps, env, node: process.version, mpi: launchedRanks() === undefined })
  return createHash('sha256').update(content).digest('hex').slice(0, 32)
}

async function stampOf(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file)
  return `${file} ${size} ${mtimeMs}`
}

/** Runs as `node -e`, so that it needs no file beside this one. Messages: the name of a stage, or { error }. */
const CHILD = `
const { addon, plan, mpi, runtimeAddon } = JSON.parse(process.argv[1])
const load = async () => {
  const { preload, tryMpi } = require(addon)
  if (mpi !== null) {
    process.send('mpi')
    await tryMpi(mpi)
  }
  process.send('libraries')
  await preload(plan)
  process.send('addon')
  try {
    require(runtimeAddon)
  } catch (error) {
    throw new Error('[ERR_ADDON_LOAD] ' + error.message)
  }
}
load().then(
  () => process.send('done', () => process.kill(process.pid, 'SIGKILL')),
  (error) => process.send({ error: error.message }, () => process.kill(process.pid, 'SIGKILL')),
)
`

interface Outcome {
  /** The last one that began. */
  stage: Stage | 'done' | undefined
  error: string | undefined
  code: number | null
  signal: NodeJS.Signals | null
  timedOut: boolean
  stderr: string
}

async function tryLoading({ addon, mpi, files: _, ...plan }: LoadPlan, timeoutMs: number): Promise<void> {
  const task = { addon: addonFile(), plan, mpi: launchedRanks() === undefined ? mpi : null, runtimeAddon: addon }
  const outcome = await runChild(JSON.stringify(task), timeoutMs)
  if (outcome.stage !== 'done' || outcome.error !== undefined) throw failureOf(outcome, timeoutMs)
}

function runChild(task: string, timeoutMs: number): Promise<Outcome> {
  const child = spawn(process.execPath, ['-e', CHILD, task], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  const outcome: Outcome = { stage: undefined, error: undefined, code: null, signal: null, timedOut: false, stderr: '' }
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    outcome.stderr = (outcome.stderr + text).slice(-4000)
  })
  child.on('message', (message) => {
    if (isRecord(message)) outcome.error = String(message.error)
    else outcome.stage = message as Stage | 'done'
  })
  const timer = setTimeout(() => {
    outcome.timedOut = true
    child.kill('SIGKILL')
  }, timeoutMs)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ ...outcome, code, signal })
    })
  })
}

function failureOf({ stage, error, code, signal, timedOut, stderr }: Outcome, timeoutMs: number): TrtllmError {
  const doing = stage === undefined || stage === 'done' ? 'starting' : STAGES[stage]
  const hint = stage === 'mpi' ? MPI_HINT : 'trtllm-node doctor says what is wrong with the installation'
  const cause = stderr === '' ? undefined : new Error(stderr)
  if (error !== undefined) return explained(errorFromNative(error, cause), stage)
  const how = timedOut ? `hung for ${timeoutMs / 1000} s` : `ended by ${signal ?? `exit code ${code}`}`
  return new TrtllmError('ERR_RUNTIME_LOAD', `a process that tried to load TensorRT-LLM ${how} while ${doing}`, {
    cause,
    hint,
  })
}

const MPI_HINT =
  'MPI does not start: it must be OpenMPI 4.1, with orted on PATH and a working loopback network; ' +
  'OMPI_MCA_ess_singleton_isolated=1 does without orted'

function explained(error: TrtllmError, stage: Outcome['stage']): TrtllmError {
  const hints: Partial<Record<TrtllmError['code'], string>> = {
    ERR_ADDON_LOAD: 'compile it again: npx trtllm-node runtime build',
    ERR_RUNTIME_VERSION: 'the library was replaced: npx trtllm-node runtime build',
    ERR_RUNTIME_LOAD: stage === 'mpi' ? MPI_HINT : 'trtllm-node doctor says what is wrong with the installation',
  }
  return new TrtllmError(error.code, error.message, { cause: error.cause, hint: hints[error.code] })
}
