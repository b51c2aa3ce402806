/** trtllm-node run */
import { spawn } from 'node:child_process'
import { TrtllmError } from '../errors.js'
import { createSystem } from '../runtime/system.js'
import { countOf, UsageError } from './output.js'

export const RUN_USAGE = `Usage: trtllm-node run --ranks N SCRIPT [arguments]

Runs SCRIPT with Node.js in N processes, which mpirun of OpenMPI starts: for engines that were
built for N GPUs. In each, Engine.load takes part. In the first one the engine's
canEnqueueRequests is true, and requests go there; in the others it returns when the first has
closed its engine:

  const engine = await Engine.load('engines')
  if (engine.canEnqueueRequests) {
    console.log(await engine.generate({ input: 'some text' }))
    await engine.close()
  }

If one process fails or is killed, mpirun ends the others. For several machines, or options of
mpirun, call mpirun yourself: it does nothing but  mpirun -n N ... node SCRIPT
`

export async function run(args: string[]): Promise<number> {
  const [flag, count, script, ...rest] = args
  const ranks = flag === '--ranks' ? countOf('--ranks', count) : undefined
  if (ranks === undefined || script === undefined) throw new UsageError('run takes --ranks N SCRIPT [arguments]')
  await requireOpenMpi()
  const isRoot = process.getuid?.() === 0
  const child = spawn('mpirun', mpirunArguments(ranks, [script, ...rest], { env: process.env, isRoot }), {
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

/** Variables that decide what a rank finds and runs; mpirun hands others on within one machine only. */
const FORWARDED =
  /^(?:TRTLLM_NODE_|TLLM_|TRTLLM_|CUDA_|NCCL_|NODE_|XDG_CACHE_HOME$|VIRTUAL_ENV$|LD_LIBRARY_PATH$|PATH$|OPAL_PREFIX$|HOME$)/

export function mpirunArguments(
  ranks: number,
  command: string[],
  { env, isRoot }: { env: NodeJS.ProcessEnv; isRoot: boolean },
): string[] {
  const forwarded = Object.keys(env).filter((name) => FORWARDED.test(name))
  return [
    ...['-n', String(ranks)],
    ...(isRoot ? ['--allow-run-as-root'] : []),
    '--oversubscribe', // a rank waits for its GPU, and is not counted by cores
    ...['--bind-to', 'none'], // each has threads of its own, of Node.js and of MPI
    ...forwarded.flatMap((name) => ['-x', name]),
    process.execPath,
    ...command,
  ]
}

async function requireOpenMpi(): Promise<void> {
  const version = await createSystem({}).run('mpirun', ['--version'])
  if (version?.output.includes('Open MPI')) return
  const what = version === null ? 'there is no mpirun on the PATH' : 'mpirun on the PATH is not that of OpenMPI'
  throw new TrtllmError('ERR_RUNTIME_NOT_FOUND', what, {
    hint: 'apt-get install openmpi-bin, or put the bin folder of the OpenMPI that TensorRT-LLM uses first in PATH',
  })
}
