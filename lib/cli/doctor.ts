/** trtllm-node doctor */
import { parseArgs } from 'node:util'
import { diagnose } from '../doctor/doctor.js'
import type { Finding, FindingStatus } from '../doctor/finding.js'
import { examine } from '../doctor/patient.js'
import { UsageError, write } from './output.js'

export const DOCTOR_USAGE = `Usage: trtllm-node doctor [MODEL] [options]

Whether this machine can run the embedded runtime and TensorRT-LLM, and what to do where it
cannot. With MODEL also whether this model can run here. Exit code 1 if there is an error.

  --libs DIR      folder of libtensorrt_llm.so, or an environment or source tree;
                  by default TRTLLM_NODE_LIBS, the Pythons on PATH, the containers' places
  --include DIR   folder of its C++ headers, or a source tree; by default TRTLLM_NODE_INCLUDE
  --json          one JSON object: healthy, findings with check, status, message and remedy
`

export async function doctor(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { libs: { type: 'string' }, include: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [model, ...more] = positionals
  if (more.length > 0) throw new UsageError('doctor takes at most one model folder')
  const findings = await diagnose(await examine({ model, libs: values.libs, include: values.include }))
  const healthy = findings.every(({ status }) => status !== 'error')
  await write(values.json ? `${JSON.stringify({ healthy, findings })}\n` : asText(findings))
  return healthy ? 0 : 1
}

function asText(findings: readonly Finding[]): string {
  const lines = findings.map(({ check, status, message, remedy }) => {
    const line = `${status.padEnd(8)}${check.padEnd(14)}${message}\n`
    return remedy === undefined ? line : `${line}${' '.repeat(22)}→ ${remedy}\n`
  })
  return `${lines.join('')}\n${summary(findings)}\n`
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: FindingStatus) => findings.filter(({ status }) => status === wanted).length
  const some = (number: number, name: string) => `${number} ${name}${number === 1 ? '' : 's'}`
  return `${some(count('error'), 'error')}, ${some(count('warning'), 'warning')}`
}
