/** Environment variables that make TensorRT-LLM fail or fall silent. */
import { existsSync } from 'node:fs'
import { error, type Finding, ok, warning } from './finding.js'
import type { Patient } from './patient.js'

const LOG_LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR']

/** Read with std::stoi, which throws for anything else. */
const NUMBERS = ['TRTLLM_XQA_BLOCKS_PER_SEQUENCE', 'TRTLLM_MMHA_BLOCKS_PER_SEQUENCE', 'TRTLLM_MMHA_KERNEL_BLOCK_SIZE']

type Judge = (value: string, name: string) => Finding | undefined

const bad = (message: string, remedy: string): Finding => error('environment', message, remedy)

const JUDGES: Record<string, Judge> = {
  TLLM_LOG_LEVEL: (value, name) =>
    LOG_LEVELS.includes(value)
      ? undefined
      : bad(
          `${name} is '${value}': the first message that TensorRT-LLM logs throws`,
          `set it to ${LOG_LEVELS.join(', ')}, or unset it`,
        ),
  TLLM_LOG_FIRST_RANK_ONLY: (value, name) =>
    value === 'ON' ? warning('environment', `${name}=ON can mute the log of the only GPU`, 'unset it') : undefined,
  TLLM_DISABLE_MPI: (value, name) =>
    value === '1' ? bad(`${name}=1 makes the executor fail when it asks MPI for its rank`, 'unset it') : undefined,
  CUDA_VISIBLE_DEVICES: (value, name) =>
    /^\s*(?:-1.*|NoDevFiles)?\s*$/.test(value)
      ? bad(`${name} is '${value}': it hides every GPU`, 'unset it, or name GPUs: 0 or 0,1')
      : undefined,
  OPAL_PREFIX: (value, name) =>
    value === '' || existsSync(value)
      ? undefined
      : bad(
          `${name} is ${value}, which does not exist: OpenMPI finds none of its parts`,
          'unset it, or set it to the prefix of OpenMPI',
        ),
  LD_LIBRARY_PATH: (value, name) => {
    const stubs = value.split(/[:;]/).find((folder) => /\/stubs\/?$/.test(folder))
    if (stubs === undefined) return undefined
    return bad(`${name} has ${stubs}: libraries for linking that cannot run`, `take ${stubs} out of it`)
  },
  ...Object.fromEntries(
    NUMBERS.map((name): [string, Judge] => [
      name,
      (value) =>
        /^\s*[+-]?\d/.test(value)
          ? undefined
          : bad(`${name} is '${value}', not a number: reading it throws`, 'unset it'),
    ]),
  ),
}

export function checkEnvironment({ system, needsTensorrtLlm }: Patient): Finding[] {
  if (!needsTensorrtLlm) return []
  const findings = Object.entries(JUDGES).flatMap(([name, judge]) => {
    const value = system.env[name]
    return (value === undefined ? undefined : judge(value, name)) ?? []
  })
  return findings.length > 0 ? findings : [ok('environment', 'no variable stands in the way')]
}
