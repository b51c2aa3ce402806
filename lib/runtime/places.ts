/** The folders in which installations of TensorRT-LLM lie, in the order in which they are preferred. */
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import type { InstallationKind } from './installation.js'
import { pathIn, type System } from './system.js'

export const LIBRARY_FILE = 'libtensorrt_llm.so'

/** Where a wheel, an environment's site-packages, a source tree's build folder keep the library. */
const BELOW_CHOICE = ['', 'libs', 'tensorrt_llm/libs', 'lib', 'tensorrt_llm', 'cpp/build/tensorrt_llm']

export const RELEASE_CONTAINER = '/app/tensorrt_llm'
const TRITON_VENV = '/opt/venv-tritonserver'
const TRITON_BACKEND = '/opt/tritonserver/backends/tensorrtllm'

/** Folders that may hold the library. */
export interface Place {
  /** For messages. */
  origin: string
  folders: string[]
}

/** The one place that the user chose: a folder, or the library itself. */
export function chosenPlace(origin: string, path: string): Place {
  const folder = basename(path) === LIBRARY_FILE ? dirname(resolve(path)) : resolve(path)
  return { origin, folders: [...BELOW_CHOICE.map((below) => join(folder, below)), ...libsOf(siteFolders(folder))] }
}

/** Lazily: Pythons are started only if nothing before them was enough. */
export async function* knownPlaces(system: System): AsyncGenerator<Place> {
  const { VIRTUAL_ENV } = system.env
  if (VIRTUAL_ENV) yield { origin: `VIRTUAL_ENV ${VIRTUAL_ENV}`, folders: libsOf(siteFolders(VIRTUAL_ENV)) }
  yield* pythonPlaces(system)
  const release = pathIn(system, RELEASE_CONTAINER)
  yield { origin: release, folders: [join(release, 'lib')] }
  const venv = pathIn(system, TRITON_VENV)
  yield { origin: venv, folders: libsOf(siteFolders(venv)) }
  const backend = pathIn(system, TRITON_BACKEND)
  yield { origin: backend, folders: [backend] }
}

/** What each Python on PATH imports from. */
async function* pythonPlaces(system: System): AsyncGenerator<Place> {
  for (const folder of foldersOf(system.env.PATH)) {
    const python = ['python3', 'python'].map((name) => join(folder, name)).find((file) => existsSync(file))
    if (python === undefined) continue
    const result = await system.run(python, ['-c', 'import sys; print("\\n".join(sys.path))'])
    const sites = result?.code === 0 ? result.output.split('\n').filter((path) => isAbsolute(path)) : []
    yield { origin: python, folders: libsOf(sites) }
  }
}

/** Each folder of a list such as PATH once, links followed. */
function foldersOf(list = ''): string[] {
  const folders = list.split(delimiter).filter((path) => isAbsolute(path) && existsSync(path))
  return [...new Map(folders.map((folder) => [realpathSync(folder), folder] as const).reverse()).values()].reverse()
}

/** site-packages and dist-packages of an environment. */
export function siteFolders(environment: string): string[] {
  const lib = join(environment, 'lib')
  return namesIn(lib)
    .filter((name) => /^python3/.test(name))
    .flatMap((name) => ['site-packages', 'dist-packages'].map((site) => join(lib, name, site)))
    .filter((site) => existsSync(site))
}

const libsOf = (sites: string[]): string[] => sites.map((site) => join(site, 'tensorrt_llm/libs'))

/** Sorted; none if there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

/** @param libs the library's folder, links followed */
export function kindOf(system: System, libs: string): InstallationKind {
  const lies = (place: string) => {
    const path = pathIn(system, place)
    return existsSync(path) && `${libs}/`.startsWith(`${realpathSync(path)}/`)
  }
  if (lies(`${RELEASE_CONTAINER}/lib`)) return 'release-container'
  if (lies(TRITON_VENV) || lies(TRITON_BACKEND)) return 'triton-container'
  return packageOf(libs) === null ? 'custom' : 'wheel'
}

/** The folder of the Python package tensorrt_llm whose libs folder this is; null if it is none. */
export function packageOf(libs: string): string | null {
  return basename(libs) === 'libs' && basename(dirname(libs)) === 'tensorrt_llm' ? dirname(libs) : null
}
