/** The addon for the installation: compiled or not, and whether both load, tried in a process of their own. */

import { planLoading } from '../runtime/preloader.js'
import { probeRuntime } from '../runtime/probe.js'
import { error, type Finding, ok, warning } from './finding.js'
import { attempt, isRead, type Patient } from './patient.js'

const BUILD = 'trtllm-node runtime build'

export function checkCompiled({ installation, compiled, engines }: Patient): Finding[] {
  if (!isRead(installation)) return []
  if (compiled !== undefined) return [ok('compiled', `the addon for it: ${compiled.addon}`)]
  const message = 'the addon has not been compiled for this TensorRT-LLM'
  return [(engines === null ? warning : error)('compiled', message, BUILD)]
}

/** Only where it is wanted, and nothing is known to be missing: another message would say the same in other words. */
export async function checkLoading(patient: Patient): Promise<Finding[]> {
  const { installation, compiled, closure, system, cacheFolder, needsTensorrtLlm } = patient
  if (!needsTensorrtLlm || !isRead(installation) || compiled === undefined || installation.plugins === null) return []
  if (closure === null || !isRead(closure) || closure.missing.length > 0) return []
  const failure = await attempt(async () => {
    await probeRuntime(await planLoading(installation, compiled, system), { cacheFolder })
  })
  if (isRead(failure)) return [ok('loading', 'a process of its own has loaded it')]
  const remedy = failure.hint ?? `compile it again: ${BUILD}`
  return [error('loading', failure.message, remedy)]
}
