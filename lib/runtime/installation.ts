/** Where an installation of TensorRT-LLM lies, and what its files say about it. Nothing is loaded. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TrtllmError } from '../errors.js'
import { usesCxx11Abi } from './abi.js'
import { findCudaHeaders, findHeaders, versionOfHeaders, versionOfPackage } from './headers.js'
import { chosenPlace, kindOf, knownPlaces, LIBRARY_FILE, namesIn, type Place, packageOf } from './places.js'
import { searchPathOf } from './search-path.js'
import { createSystem, type System } from './system.js'

export type InstallationKind = 'wheel' | 'release-container' | 'triton-container' | 'custom'

export interface Installation {
  kind: InstallationKind
  /** libtensorrt_llm.so, full path. */
  library: string
  /** libnvinfer_plugin_tensorrt_llm.so, full path; null if it is missing. */
  plugins: string | null
  /** The folder that holds tensorrt_llm/executor/executor.h; null if there is none. */
  includeDir: string | null
  /** The folder of the CUDA headers that those include; null if there is none. */
  cudaIncludeDir: string | null
  /** Of the libraries: what the wheel's dist-info or version.py says; null if nothing says it. */
  version: string | null
  /** Of the headers in `includeDir`; null if nothing says it. */
  headerVersion: string | null
  /** Whether the library was compiled with the new std::string of libstdc++ (_GLIBCXX_USE_CXX11_ABI=1). */
  cxx11Abi: boolean
  /** Folders in which the library's dependencies are looked for: siblings, then those of pip, then those of containers. */
  searchPath: string[]
}

export interface InstallationChoice {
  /** Folder of libtensorrt_llm.so, or an environment, a wheel's folder or a source tree. @default $TRTLLM_NODE_LIBS */
  libs?: string | undefined
  /** Folder of the headers, or a source tree of the same version. @default $TRTLLM_NODE_INCLUDE */
  include?: string | undefined
  /** @default process.env */
  env?: NodeJS.ProcessEnv | undefined
  /** Folder in which the fixed places of containers and systems are looked for. @default '/' */
  root?: string | undefined
}

/**
 * The first installation there is: the chosen one, that of the active virtual environment, of the Pythons on PATH, of
 * a container.
 * @throws TrtllmError ERR_RUNTIME_NOT_FOUND with the places that were looked at, ERR_LIBRARY_INVALID
 */
export async function findInstallation(choice: InstallationChoice = {}): Promise<Installation> {
  const looked: string[] = []
  for await (const found of search(choice, looked)) return found
  throw new TrtllmError('ERR_RUNTIME_NOT_FOUND', `there is no ${LIBRARY_FILE}; looked at ${looked.join(', ')}`, {
    hint: 'install TensorRT-LLM 1.2 (pip install tensorrt_llm, or its container), or say where it is: --libs or TRTLLM_NODE_LIBS',
  })
}

/**
 * All of them, in that order; the chosen one alone if there is a choice.
 * @throws TrtllmError ERR_RUNTIME_NOT_FOUND for headers that are not where the choice says, ERR_LIBRARY_INVALID
 */
export async function findInstallations(choice: InstallationChoice = {}): Promise<Installation[]> {
  const installations: Installation[] = []
  for await (const found of search(choice, [])) installations.push(found)
  return installations
}

/** @param looked is told the origin of every place */
async function* search(choice: InstallationChoice, looked: string[]): AsyncGenerator<Installation> {
  const system = createSystem(choice)
  const include = choice.include ?? (system.env.TRTLLM_NODE_INCLUDE || undefined)
  const seen = new Set<string>()
  for await (const { origin, folders } of placesOf(choice, system)) {
    looked.push(origin)
    for (const folder of folders.filter((folder) => existsSync(join(folder, LIBRARY_FILE)))) {
      const libs = realpathSync(folder)
      if (seen.has(libs)) continue
      seen.add(libs)
      yield await describe(system, libs, include)
    }
  }
}

async function* placesOf({ libs }: InstallationChoice, system: System): AsyncGenerator<Place> {
  const { TRTLLM_NODE_LIBS } = system.env
  if (libs !== undefined) yield chosenPlace(libs, libs)
  else if (TRTLLM_NODE_LIBS) yield chosenPlace(`TRTLLM_NODE_LIBS ${TRTLLM_NODE_LIBS}`, TRTLLM_NODE_LIBS)
  else yield* knownPlaces(system)
}

const PLUGINS_FILE = 'libnvinfer_plugin_tensorrt_llm.so'

/** @param libs the library's folder, links followed */
async function describe(system: System, libs: string, include: string | undefined): Promise<Installation> {
  const kind = kindOf(system, libs)
  const library = join(libs, LIBRARY_FILE)
  const version = versionOf(libs)
  const includeDir = findHeaders(system, libs, include)
  const site = siteOf(libs)
  // the release container has both from one build, which leaves no version among the headers
  const builtTogether = kind === 'release-container' && include === undefined ? version : null
  return {
    kind,
    library,
    plugins:
      [PLUGINS_FILE, `plugins/${PLUGINS_FILE}`].map((name) => join(libs, name)).find((file) => existsSync(file)) ??
      null,
    includeDir,
    cudaIncludeDir: findCudaHeaders(system, site === null ? [] : [site]),
    version,
    headerVersion: includeDir === null ? null : (versionOfHeaders(includeDir) ?? builtTogether),
    cxx11Abi: await usesCxx11Abi(library),
    searchPath: searchPathOf(system, libs, site),
  }
}

/** The site-packages of a wheel. */
function siteOf(libs: string): string | null {
  const folder = packageOf(libs)
  return folder === null ? null : dirname(folder)
}

function versionOf(libs: string): string | null {
  const site = siteOf(libs)
  const distInfo =
    site === null ? [] : namesIn(site).flatMap((name) => /^tensorrt_llm-(.+)\.dist-info$/.exec(name)?.[1] ?? [])
  // beside libs; in the source tree whose cpp/build folder holds the library
  return distInfo[0] ?? versionOfPackage(join(libs, '..')) ?? versionOfPackage(join(libs, '../../../tensorrt_llm'))
}
