/** The installation of TensorRT-LLM: is it there, which version, can the addon be compiled for it. */
import { dirname } from 'node:path'
import { SUPPORTED_VERSION } from '../runtime/build.js'
import type { Installation } from '../runtime/installation.js'
import { namesIn, packageOf } from '../runtime/places.js'
import { error, type Finding, note, ok, warning } from './finding.js'
import { isRead, type Patient } from './patient.js'

const REINSTALL =
  'uninstall tensorrt_llm until nothing of it is left, then install one version: pip install "tensorrt_llm==1.2.*"'

export function checkInstallation({ installation, needsTensorrtLlm }: Patient): Finding[] {
  if (!isRead(installation)) {
    if (!needsTensorrtLlm) {
      return [note('installation', 'there is no TensorRT-LLM; the embedded runtime needs none')]
    }
    return [error('installation', installation.message, installation.hint ?? REINSTALL)]
  }
  const { kind, version, library, plugins } = installation
  const found = ok('installation', `TensorRT-LLM ${version ?? 'of unknown version'}, ${kind}: ${library}`)
  if (plugins !== null) return [found]
  const missing = `libnvinfer_plugin_tensorrt_llm.so is not beside ${library}: no engine can be read without it`
  return [found, error('installation', missing, REINSTALL)]
}

export function checkVersion({ installation }: Patient): Finding[] {
  if (!isRead(installation)) return []
  const { version, library } = installation
  const versions = versionsInstalled(library)
  if (versions.length > 1) {
    return [error('version', `${library} is a mixture of the versions ${versions.join(' and ')}`, REINSTALL)]
  }
  if (version === null) {
    const remedy = 'make sure that it is 1.2; a wheel says its version, a source tree in tensorrt_llm/version.py'
    return [warning('version', `nothing beside ${library} says its version`, remedy)]
  }
  if (version.startsWith(`${SUPPORTED_VERSION}.`)) return [ok('version', `${version} is supported`)]
  return [
    error(
      'version',
      `TensorRT-LLM ${version} is not supported, only 1.2`,
      'install 1.2: pip install "tensorrt_llm==1.2.*"',
    ),
  ]
}

function versionsInstalled(library: string): string[] {
  const folder = packageOf(dirname(library))
  if (folder === null) return []
  return namesIn(dirname(folder)).flatMap((name) => /^tensorrt_llm-(.+)\.dist-info$/.exec(name)?.[1] ?? [])
}

/** Headers are needed to compile the addon, not to run it. */
export function checkHeaders({ installation, compiled }: Patient): Finding[] {
  if (!isRead(installation)) return []
  if (compiled !== undefined) return [ok('headers', `the addon was compiled with those in ${compiled.includeDir}`)]
  const { includeDir, cudaIncludeDir } = installation
  return [
    includeDir === null ? noHeaders(installation) : compareHeaders(installation, includeDir),
    cudaIncludeDir === null ? noCudaHeaders() : ok('headers', `of CUDA: ${cudaIncludeDir}`),
  ]
}

function noCudaHeaders(): Finding {
  return error(
    'headers',
    'the CUDA headers that those of TensorRT-LLM include are missing: cuda_fp16.h, cuda_runtime_api.h, crt/host_defines.h',
    'pip install "nvidia-cuda-runtime==13.*" "nvidia-cuda-crt==13.*", or set CUDA_HOME to a CUDA toolkit',
  )
}

function noHeaders({ version }: Installation): Finding {
  return error(
    'headers',
    "there are no C++ headers of TensorRT-LLM; NVIDIA's wheel and the Triton container have none",
    `${checkout(version)}, and name it with --include`,
  )
}

function compareHeaders({ version, headerVersion }: Installation, includeDir: string): Finding {
  if (headerVersion === null || version === null) {
    const unknown = headerVersion === null ? 'headers' : 'libraries'
    const remedy = 'make sure that both are of the same version: classes differ from one to the next'
    return warning('headers', `${includeDir}: nothing says the version of the ${unknown}`, remedy)
  }
  if (headerVersion === version) return ok('headers', `${headerVersion}: ${includeDir}`)
  const message = `the headers in ${includeDir} are those of ${headerVersion}, the libraries those of ${version}`
  return error('headers', message, checkout(version))
}

function checkout(version: string | null): string {
  const tag = version === null ? 'TAG' : `v${version}`
  return `git clone --depth 1 --branch ${tag} https://github.com/NVIDIA/TensorRT-LLM.git`
}
