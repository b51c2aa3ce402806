/** NVIDIA's driver and the GPUs, as nvidia-smi and the kernel module report them. */
import { pathIn, type System, textOf } from './system.js'

export interface Gpu {
  index: number
  name: string
  /** Compute capability, such as '9.0'; null if the driver does not say. */
  architecture: string | null
  /** Mebibytes; null if the driver does not say. */
  memory: number | null
}

export interface Driver {
  version: string
  /** Newest CUDA that it can run, such as '13.0'; null if nvidia-smi does not say. */
  cuda: string | null
  gpus: Gpu[]
}

/** Machine code of these is in the wheels of TensorRT-LLM 1.x for x86-64; nothing is compiled at run time. */
export const SUPPORTED_ARCHITECTURES = ['8.0', '8.6', '8.9', '9.0', '10.0', '10.3', '12.0']

/** null: there is no driver. */
export async function readDriver(system: System): Promise<Driver | null> {
  const summary = await system.run('nvidia-smi', [])
  const module = textOf(pathIn(system, '/proc/driver/nvidia/version')) ?? ''
  const said = summary?.code === 0 ? summary.output : ''
  const version =
    /Driver Version:\s*([\d.]+)/.exec(said)?.[1] ?? /Kernel Module[^\n]*?\s(\d+\.\d[\d.]*)/.exec(module)?.[1]
  if (version === undefined) return null
  const cuda = /CUDA (?:UMD )?Version:\s*(\d[\d.]*)/.exec(said)?.[1] ?? null
  return { version, cuda, gpus: said === '' ? [] : await readGpus(system) }
}

async function readGpus(system: System): Promise<Gpu[]> {
  const fields = 'index,name,compute_cap,memory.total'
  const result = await system.run('nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader,nounits'])
  if (result?.code !== 0) return []
  const rows = result.output
    .trim()
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
  return rows.flatMap(([index, name, architecture = '', memory = '']) => {
    if (index === undefined || name === undefined || !/^\d+$/.test(index)) return []
    return {
      index: Number(index),
      name,
      architecture: /^\d+\.\d+$/.test(architecture) ? architecture : null,
      memory: /^\d+$/.test(memory) ? Number(memory) : null,
    }
  })
}
