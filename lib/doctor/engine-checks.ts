/** The model: for engines whether they fit each other, the runtime and the machine. */
import { limitsOf, pairProblems } from '../runtime/engine-pair.js'
import type { System } from '../runtime/system.js'
import { error, type Finding, note, ok, warning } from './finding.js'
import { isRead, type Patient } from './patient.js'

const REBUILD = 'build both engines from one checkpoint: trtllm-node build CHECKPOINT ENGINE --run'

export function checkModel({ model }: Patient): Finding[] {
  if (model === null) return []
  if (!isRead(model) && model.code === 'ERR_UNSUPPORTED') return [note('model', `${model.message}; ${model.hint}`)]
  if (!isRead(model)) return [error('model', model.message, model.hint ?? 'name a folder with encoder/ and decoder/')]
  const runtime =
    model.kind === 'engine' ? 'TensorRT engines, for TensorRT-LLM' : 'a checkpoint, for the embedded runtime'
  return [ok('model', `${model.folder}: ${runtime}`)]
}

export function checkEngines({ engines }: Patient): Finding[] {
  if (engines === null) return []
  if (!isRead(engines)) return [error('engines', engines.message, engines.hint ?? REBUILD)]
  const problems = pairProblems(engines)
  if (problems.length > 0) {
    return problems.map(({ severity, message }) =>
      (severity === 'error' ? error : warning)('engines', message, REBUILD),
    )
  }
  const { maxInputLength, maxSequenceLength, maxBeamWidth, maxBatchSize } = limitsOf(engines)
  const limits = `inputs of ${maxInputLength} tokens, sequences of ${maxSequenceLength}, ${maxBeamWidth} beams, ${maxBatchSize} requests`
  return [ok('engines', `the two fit each other: at most ${limits}`)]
}

/** The executor logs the version of engines and never compares it. */
export function checkEngineVersion({ engines, installation }: Patient): Finding[] {
  if (engines === null || !isRead(engines) || !isRead(installation)) return []
  const [built, runs] = [engines.decoder.version, installation.version]
  if (built === null) return [error('engines', 'config.json has no version: its format is older than 1.2', REBUILD)]
  if (runs === null || built === runs) return []
  const message = `the engines were built by TensorRT-LLM ${built}, ${runs} is to run them`
  const release = (version: string) => version.split('.', 2).join('.')
  return [(release(built) === release(runs) ? warning : error)('engines', message, REBUILD)]
}

const SHARED_MEMORY_KILOBYTES = 1024 * 1024

/** Engines for several GPUs: one process and one GPU each. */
export async function checkRanks({ engines, driver, system }: Patient): Promise<Finding[]> {
  if (engines === null || !isRead(engines)) return []
  const { worldSize } = engines
  const findings: Finding[] = []
  const launched = system.env.OMPI_COMM_WORLD_SIZE ?? '1'
  if (launched !== String(worldSize)) {
    const message = `the engines are made for ${worldSize} processes, MPI has started ${launched}`
    findings.push((worldSize === 1 ? warning : error)('ranks', message, `mpirun -n ${worldSize} node …`))
  }
  if (driver !== null && driver.gpus.length > 0 && driver.gpus.length < worldSize) {
    const message = `the engines are made for ${worldSize} GPUs, here ${driver.gpus.length === 1 ? 'is' : 'are'} ${driver.gpus.length}`
    findings.push(
      error('ranks', message, 'take a machine with more, or build the engines for fewer: trtllm-node convert --tp'),
    )
  }
  return [...findings, ...(worldSize > 1 ? await sharedMemory(system) : [])]
}

/** Docker gives 64 MB, with which NCCL dies of a bus error. */
async function sharedMemory(system: System): Promise<Finding[]> {
  const result = await system.run('df', ['-Pk', '/dev/shm'])
  const size = /\n\S+\s+(\d+)\s/.exec(result?.output ?? '')?.[1]
  if (size === undefined || Number(size) >= SHARED_MEMORY_KILOBYTES) return []
  const message = `/dev/shm has ${Math.round(Number(size) / 1024)} MiB; NCCL and MPI need more between several GPUs`
  return [warning('ranks', message, 'start the container with --ipc=host or --shm-size=1g')]
}
