/** Compiles the addon for an installation of TensorRT-LLM, on this machine and against its own headers. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { removeStale, writeStaged } from '../convert/staging.js'
import { TrtllmError } from '../errors.js'
import { packageRoot } from '../native.js'
import {
  ADDON_FILE,
  type AddonRecord,
  addonFolder,
  type BuiltAddon,
  RECORD_FILE,
  readPackageVersion,
  runtimesFolder,
} from './addon-cache.js'
import { readDynamicNames } from './elf.js'
import { findInstallation, type Installation, type InstallationChoice } from './installation.js'

export interface BuildRuntimeOptions extends InstallationChoice {
  /** Folder of cuda_fp16.h. @default that of the installation */
  cudaInclude?: string | undefined
  /** _GLIBCXX_USE_CXX11_ABI of the library. @default what the names of its symbols tell */
  cxx11Abi?: boolean | undefined
  /** Version of the library. @default what the installation's files say */
  version?: string | undefined
  /** @default $XDG_CACHE_HOME/trtllm-node, or ~/.cache/trtllm-node */
  cacheFolder?: string | undefined
  /** Is called with what the compiler and its tools print. */
  onOutput?: ((text: string) => void) | undefined
}

/**
 * Builds the addon for the installation that is found, and puts it into the cache in place of an older one. Any number of
 * processes may do so at once.
 * @throws TrtllmError ERR_RUNTIME_NOT_FOUND, ERR_RUNTIME_VERSION, ERR_RUNTIME_HEADERS, ERR_BUILD_FAILED, ERR_OUTPUT
 */
export async function buildRuntime(options: BuildRuntimeOptions = {}): Promise<BuiltAddon> {
  const found = await findInstallation(options)
  const installation = { ...found, cxx11Abi: options.cxx11Abi ?? found.cxx11Abi }
  const version = checkVersion(options.version ?? found.version, found)
  const headers = checkHeaders(installation, version, options.cudaInclude ?? found.cudaIncludeDir)
  const record: AddonRecord = {
    packageVersion: await readPackageVersion(),
    version,
    cxx11Abi: installation.cxx11Abi,
    arch: process.arch,
    library: installation.library,
    includeDir: headers.include,
  }
  await removeStale(runtimesFolder(options.cacheFolder))
  const folder = await writeStaged(
    addonFolder(options.cacheFolder, record),
    { ifThere: 'replace' },
    async (staging) => {
      await compile(staging, record, headers, options.onOutput ?? (() => {}))
      await checkSymbols(join(staging, ADDON_FILE), record)
      await writeFile(join(staging, RECORD_FILE), `${JSON.stringify(record, null, 2)}\n`)
    },
  )
  return { ...record, folder, addon: join(folder, ADDON_FILE) }
}

/** Class layouts differ between releases: the addon is written for one minor version. */
export const SUPPORTED_VERSION = '1.2'

function checkVersion(version: string | null, { library }: Installation): string {
  if (version === null) {
    throw new TrtllmError('ERR_RUNTIME_VERSION', `nothing says which version ${library} is`, {
      hint: 'say it: --version 1.2.1',
    })
  }
  if (/^\d+\.\d+\.\d+/.test(version) && version.startsWith(`${SUPPORTED_VERSION}.`)) return version
  throw new TrtllmError('ERR_RUNTIME_VERSION', `${library} is TensorRT-LLM ${version}, not ${SUPPORTED_VERSION}`, {
    hint: `install TensorRT-LLM ${SUPPORTED_VERSION}.1`,
  })
}

interface Headers {
  include: string
  /** null if the headers include none of CUDA. */
  cuda: string | null
}

function checkHeaders(installation: Installation, version: string, cudaInclude: string | null): Headers {
  const { includeDir, headerVersion, library } = installation
  if (includeDir === null) {
    throw new TrtllmError('ERR_RUNTIME_HEADERS', `there is no tensorrt_llm/executor/executor.h for ${library}`, {
      hint:
        `no wheel has it: take the source tree of the same version (git clone --depth 1 --branch v${version} ` +
        'https://github.com/NVIDIA/TensorRT-LLM), or /app/tensorrt_llm/include of the release container, ' +
        'and name its folder: --include DIR',
    })
  }
  if (headerVersion !== null && headerVersion !== version) {
    throw new TrtllmError(
      'ERR_RUNTIME_VERSION',
      `the headers in ${includeDir} are of ${headerVersion}, but ${library} is ${version}`,
      { hint: `take headers of ${version}: --include DIR` },
    )
  }
  const types = readFileSync(join(includeDir, 'tensorrt_llm/executor/types.h'), 'utf8')
  if (!types.includes('cuda_fp16.h')) return { include: includeDir, cuda: null }
  return { include: includeDir, cuda: checkCudaHeaders(includeDir, cudaInclude) }
}

/** What cuda_fp16.h includes; CUDA 13 keeps the last one in a folder of its own. */
const CUDA_HEADERS = [['cuda_fp16.h'], ['crt/host_defines.h'], ['nv/target', 'cccl/nv/target']] as const

function checkCudaHeaders(includeDir: string, folder: string | null): string {
  const isThere = (name: string) => folder !== null && existsSync(join(folder, name))
  const missing = CUDA_HEADERS.find((places) => !places.some(isThere))
  if (folder !== null && missing === undefined) return folder
  const where = folder === null ? '' : ` in ${folder}`
  throw new TrtllmError(
    'ERR_RUNTIME_HEADERS',
    `there is no ${missing?.[0]}${where}, which the headers in ${includeDir} need`,
    {
      hint:
        'install the CUDA toolkit, or from pip nvidia-cuda-runtime, nvidia-cuda-crt and nvidia-cuda-cccl of CUDA 13, ' +
        'and name the folder if it is not found: --cuda-include DIR',
    },
  )
}

async function compile(
  staging: string,
  record: AddonRecord,
  { include, cuda }: Headers,
  onOutput: (text: string) => void,
): Promise<void> {
  const build = join(staging, 'build')
  const definitions = {
    RUNTIME: 'tensorrt-llm',
    TENSORRT_LLM_INCLUDE: include,
    TENSORRT_LLM_CUDA_INCLUDE: cuda ?? '',
    TENSORRT_LLM_LIBRARY: record.library,
    TENSORRT_LLM_VERSION: record.version,
    TENSORRT_LLM_CXX11_ABI: record.cxx11Abi ? '1' : '0',
  }
  await runCmake(
    [
      ...['build', '--directory', packageRoot, '--out', build, '--parallel', String(availableParallelism())],
      ...Object.entries(definitions).map(([name, value]) => `--CDTRTLLM_NODE_${name}=${value}`),
    ],
    onOutput,
  )
  await rename(join(build, 'addon', ADDON_FILE), join(staging, ADDON_FILE))
  await rm(build, { recursive: true })
}

async function runCmake(args: string[], onOutput: (text: string) => void): Promise<void> {
  const program = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      onOutput(text)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw buildFailure(output)
}

function buildFailure(output: string): TrtllmError {
  const lines = output.split('\n')
  const first = lines.find((line) => /\berror\b/i.test(line)) ?? lines.findLast((line) => line.trim() !== '')
  return new TrtllmError('ERR_BUILD_FAILED', `the addon cannot be compiled: ${first?.trim() ?? 'no output'}`, {
    cause: new Error(output),
    hint: 'it needs g++ 12 or newer, CMake 3.25 and make: apt-get install g++ cmake make',
  })
}

/**
 * Loading fails if a symbol is lacking, but only where the whole installation can be loaded: where an image is built,
 * there is no GPU driver.
 */
async function checkSymbols(addon: string, { library, cxx11Abi }: AddonRecord): Promise<void> {
  const names = (await readDynamicNames(addon)).toString('latin1').split('\0')
  const there = await readDynamicNames(library)
  const lacking = names.filter((name) => name.includes('12tensorrt_llm8executor') && !there.includes(`${name}\0`))
  if (lacking.length === 0) return
  throw new TrtllmError(
    'ERR_BUILD_FAILED',
    `${library} lacks ${lacking.length} symbols that its headers promise, ${lacking[0]} among them`,
    { hint: `the headers are of another version, or the C++ ABI is not ${cxx11Abi ? 1 : 0}: --cxx11-abi 0 or 1` },
  )
}
