/** One model on several GPUs: as many processes as its engines were built for, started by mpirun, of which one leads. */
import { TrtllmError } from './errors.js'
import type { RawParallelConfig } from './raw-config.js'
import { arrayOf, defined, type FieldValidators, integer, invalid, type Validator } from './validate.js'

/** The executor's `ParallelConfig`, for engines of several ranks. Started with `trtllm-node run --ranks N script.js`. */
export interface ParallelOptions {
  /**
   * Only 'leader': the first rank takes the requests, the others serve it. 'orchestrator' is refused: that mode does not
   * hand the encoder to the processes that it starts. @default 'leader'
   */
  mode?: 'leader' | undefined
  /** The GPU of each rank, all different. @default that of the rank's number on its node */
  deviceIds?: readonly number[] | undefined
  /** The ranks of mpirun that run this model, all different; the first one leads. @default all */
  participantIds?: readonly number[] | undefined
}

const distinct: Validator<readonly number[]> = (value, path) => {
  const numbers = arrayOf(integer(0), 'an array of integers')(value, path)
  if (numbers.length > 0 && new Set(numbers).size === numbers.length) return numbers
  throw invalid(path, 'numbers that are all different, at least one', value)
}

export const PARALLEL_FIELDS: FieldValidators<ParallelOptions> = {
  mode: (value, path) => {
    if (value === 'leader') return value
    if (value !== 'orchestrator') throw invalid(path, "'leader'", value)
    throw new TrtllmError('ERR_UNSUPPORTED', `${path} 'orchestrator' is not possible with encoder-decoder models`, {
      hint: 'start the ranks with trtllm-node run --ranks N, in mode leader',
    })
  },
  deviceIds: distinct,
  participantIds: distinct,
}

export function toParallelConfig({ deviceIds, participantIds }: ParallelOptions): RawParallelConfig {
  return defined({
    deviceIds: deviceIds && Int32Array.from(deviceIds),
    participantIds: participantIds && Int32Array.from(participantIds),
  })
}

/** Number of processes that were started together with this one by mpirun or srun; undefined if it was started alone. */
export function launchedRanks(env: NodeJS.ProcessEnv = process.env): number | undefined {
  const count = env.OMPI_COMM_WORLD_SIZE ?? env.PMI_SIZE ?? env.SLURM_STEP_NUM_TASKS
  return count === undefined ? undefined : Number(count)
}

/**
 * `where` the engines are, for messages. The executor waits for ever, or ends the process, if there are other ranks than the engines were built for.
 * @throws TrtllmError ERR_RANKS, ERR_INVALID_ARGUMENT
 */
export function checkRanks(where: string, wanted: number, { deviceIds, participantIds }: ParallelOptions = {}): void {
  const there = participantIds?.length ?? launchedRanks() ?? 1
  if (there !== wanted) {
    throw new TrtllmError('ERR_RANKS', `${where} need ${wanted} ranks, and there are ${there}`, {
      hint: `start the script with npx trtllm-node run --ranks ${wanted} script.js`,
    })
  }
  if (deviceIds !== undefined && deviceIds.length !== wanted) {
    throw invalid('parallel.deviceIds', `${wanted} numbers, one for each rank`, deviceIds)
  }
}
