/** Says whether this machine can run the embedded runtime and TensorRT-LLM, and what to do where it cannot. */
import { checkEngines, checkEngineVersion, checkModel, checkRanks } from './engine-checks.js'
import { checkEnvironment } from './environment-checks.js'
import type { Finding } from './finding.js'
import { checkDriver, checkGpus } from './gpu-checks.js'
import { checkHeaders, checkInstallation, checkVersion } from './installation-checks.js'
import {
  checkAbi,
  checkCuda,
  checkDependencies,
  checkLibraries,
  checkSymbolVersions,
  checkTensorrt,
} from './library-checks.js'
import { checkCompiled, checkLoading } from './loading-checks.js'
import { checkAddon, checkCpu, checkMemory } from './machine.js'
import { checkMpi } from './mpi-checks.js'
import type { Patient } from './patient.js'

type Check = (patient: Patient) => Finding[] | Promise<Finding[]>

/** In the order of the report. */
const CHECKS: readonly Check[] = [checkAddon, checkCpu, checkMemory, checkModel]

const TENSORRT_LLM_CHECKS: readonly Check[] = [
  checkDriver,
  checkGpus,
  checkInstallation,
  checkVersion,
  checkHeaders,
  checkAbi,
  checkSymbolVersions,
  checkLibraries,
  checkDependencies,
  checkCuda,
  checkTensorrt,
  checkMpi,
  checkCompiled,
  checkLoading,
  checkEnvironment,
  checkEngines,
  checkEngineVersion,
  checkRanks,
]

/** What TensorRT-LLM lacks is good to know, and no more, where the embedded runtime is enough. */
export async function diagnose(patient: Patient): Promise<Finding[]> {
  const run = async (checks: readonly Check[]) => (await Promise.all(checks.map((check) => check(patient)))).flat()
  const findings = await run(TENSORRT_LLM_CHECKS)
  const judged = patient.needsTensorrtLlm ? findings : findings.map(lessened)
  return [...(await run(CHECKS)), ...judged]
}

function lessened(finding: Finding): Finding {
  return finding.status === 'ok' ? finding : { ...finding, status: 'note' }
}
