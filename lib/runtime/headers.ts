/** The C++ headers of an installation: NVIDIA's wheel has none, so they often come from elsewhere. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TrtllmError } from '../errors.js'
import { RELEASE_CONTAINER, siteFolders } from './places.js'
import { pathIn, type System, textOf } from './system.js'

const EXECUTOR_HEADER = 'tensorrt_llm/executor/executor.h'

/** What the Executor's headers include of CUDA, and what that includes. */
const CUDA_HEADERS = ['cuda_fp16.h', 'cuda_runtime_api.h', 'crt/host_defines.h']

/** A folder of headers, a build folder, a source tree. */
const BELOW_CHOICE = ['', 'include', 'cpp/include']

/**
 * @param include the user's choice
 * @throws TrtllmError ERR_RUNTIME_NOT_FOUND if there are no headers in the user's choice
 */
export function findHeaders(system: System, libs: string, include: string | undefined): string | null {
  const isThere = (folder: string) => existsSync(join(folder, EXECUTOR_HEADER))
  if (include === undefined) {
    // beside the library; in the source tree whose cpp/build folder holds it; in the release container
    const known = [
      join(libs, '../include'),
      join(libs, '../../include'),
      pathIn(system, `${RELEASE_CONTAINER}/include`),
    ]
    return known.find(isThere) ?? null
  }
  const chosen = BELOW_CHOICE.map((below) => join(resolve(include), below)).find(isThere)
  if (chosen !== undefined) return chosen
  throw new TrtllmError('ERR_RUNTIME_NOT_FOUND', `there are no headers of TensorRT-LLM in ${resolve(include)}`, {
    hint: `it must be a source tree of TensorRT-LLM, or hold ${EXECUTOR_HEADER}`,
  })
}

/** The version of headers: of version.h, which a build makes, or of the source tree around them. */
export function versionOfHeaders(includeDir: string): string | null {
  const generated = textOf(join(includeDir, 'tensorrt_llm/executor/version.h'))
  const version = /kTensorRtLlmVersion\s*=\s*"([^"]+)"/.exec(generated ?? '')?.[1]
  return version ?? versionOfPackage(join(includeDir, '../../tensorrt_llm'))
}

/** What version.py of the Python package says. */
export function versionOfPackage(folder: string): string | null {
  const text = textOf(join(folder, 'version.py'))
  return /^__version__\s*=\s*["']([^"']+)["']/m.exec(text ?? '')?.[1] ?? null
}

/** @param sites folders of Python packages */
export function findCudaHeaders(system: System, sites: string[]): string | null {
  const { CUDA_HOME, CUDA_PATH, VIRTUAL_ENV } = system.env
  const packages = [...sites, ...(VIRTUAL_ENV ? siteFolders(VIRTUAL_ENV) : [])]
  const folders = [
    ...[CUDA_HOME, CUDA_PATH].flatMap((toolkit) => (toolkit ? [join(toolkit, 'include')] : [])),
    ...packages.map((site) => join(site, 'nvidia/cu13/include')),
    pathIn(system, '/usr/local/cuda/include'),
    pathIn(system, '/usr/include'),
  ]
  return folders.find((folder) => CUDA_HEADERS.every((header) => existsSync(join(folder, header)))) ?? null
}
