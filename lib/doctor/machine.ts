/** The embedded runtime: the addon, the processor, the memory. */
import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathIn, type System, textOf } from '../runtime/system.js'
import { error, type Finding, note, ok, warning } from './finding.js'
import { isRead, type Patient } from './patient.js'

export function checkAddon({ addon }: Patient): Finding[] {
  if (isRead(addon)) return [ok('addon', `the addon loads: ${addon.runtime} runtime, Executor API ${addon.apiVersion}`)]
  return [error('addon', addon.message, addon.hint ?? 'install trtllm-node again')]
}

/** Vector instructions for which the kernels have variants, by the kernel's name of the flag. */
const VECTOR_FLAGS: [string, string][] = [
  ['avx2', 'AVX2'],
  ['avx512f', 'AVX-512'],
  ['avx512_vnni', 'VNNI'],
  ['avx512_bf16', 'BF16'],
]

export function checkCpu({ system }: Patient): Finding[] {
  const text = textOf(pathIn(system, '/proc/cpuinfo')) ?? ''
  const name = /^model name\s*:\s*(.+)$/m.exec(text)?.[1] ?? 'unknown processor'
  const flags = (/^flags\s*:\s*(.+)$/m.exec(text)?.[1] ?? '').split(' ')
  const known = VECTOR_FLAGS.filter(([flag]) => flags.includes(flag)).map(([, name]) => name)
  if (known.length > 0) return [ok('cpu', `${name}: ${known.join(', ')}`)]
  return [note('cpu', `${name} has no AVX2: the embedded runtime runs, but slowly`)]
}

export function checkMemory({ system, model }: Patient): Finding[] {
  const available = availableBytes(system)
  if (available === null) return [note('memory', 'the system does not say how much memory is available')]
  const message = `${gigabytes(available)} available`
  if (model === null || !isRead(model) || model.kind === 'engine') return [ok('memory', message)]
  const parts = model.encoder === null ? [model.decoder] : [model.encoder, model.decoder]
  const weights = parts.reduce((sum, { weightsFile }) => sum + bytesOfWeights(dirname(weightsFile)), 0)
  const both = `${message}, the model's weights take ${gigabytes(weights)}`
  if (weights <= available) return [ok('memory', both)]
  return [warning('memory', both, "convert the model to bfloat16, or raise the container's memory limit")]
}

/** What the system has left, or the control group if it is less. */
function availableBytes(system: System): number | null {
  const kilobytes = /^MemAvailable:\s*(\d+) kB/m.exec(textOf(pathIn(system, '/proc/meminfo')) ?? '')?.[1]
  const groups = [
    ['memory.max', 'memory.current'],
    ['memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes'],
  ]
  const left = groups.flatMap((files) => {
    const [limit, usage] = files.map((file) => textOf(pathIn(system, `/sys/fs/cgroup/${file}`))?.trim() ?? '')
    return limit && usage && /^\d+$/.test(limit) ? [Math.max(0, Number(limit) - Number(usage))] : []
  })
  const all = [...(kilobytes === undefined ? [] : [Number(kilobytes) * 1024]), ...left]
  return all.length === 0 ? null : Math.min(...all)
}

function bytesOfWeights(folder: string): number {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
