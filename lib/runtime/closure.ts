/** Everything that TensorRT-LLM's libraries need, in the order in which it has to be loaded. */
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { createDynamicLoader, type DynamicLoader, findIn, type LocatedLibrary } from './dynamic-loader.js'
import { readElf } from './elf.js'
import type { Installation } from './installation.js'
import { remedyForLibrary } from './remedies.js'
import { createSystem, type System } from './system.js'

export interface LibraryStep {
  /** The name by which it is needed. */
  soname: string
  /** Full path; null if it was not found. */
  path: string | null
  /** Soname of the first library that needs it; null for TensorRT-LLM's own two. */
  neededBy: string | null
  /** To be loaded RTLD_GLOBAL, also when `alreadyResolved`: parts of OpenMPI that it loads itself look for its names. */
  global: boolean
  /** Whether the dynamic loader would take this very file by itself, without being told its path. */
  alreadyResolved: boolean
}

export interface MissingLibrary {
  soname: string
  neededBy: string | null
  /** Which package brings it. */
  remedy: string
}

export interface Closure {
  /** Each after everything that it needs, as far as there is no cycle. */
  libraries: LibraryStep[]
  missing: MissingLibrary[]
}

/**
 * Looks in RPATH, LD_LIBRARY_PATH and RUNPATH, then in the installation's search path, then where the dynamic loader
 * looks by itself: a library that pip installed is preferred to the system's.
 * @throws TrtllmError ERR_LIBRARY_INVALID for a library that cannot be read
 */
export async function readClosure(
  { library, plugins, searchPath }: Pick<Installation, 'library' | 'plugins' | 'searchPath'>,
  system: System = createSystem({}),
): Promise<Closure> {
  const walk: Walk = { loader: await createDynamicLoader(system), searchPath, steps: new Map(), done: [] }
  for (const path of [library, plugins]) {
    if (path !== null) await visit(walk, { soname: basename(path), path, neededBy: null, alreadyResolved: false }, [])
  }
  const missing = walk.done.flatMap(({ soname, neededBy, path }) =>
    path === null ? [{ soname, neededBy, remedy: remedyForLibrary(soname) }] : [],
  )
  return { libraries: walk.done, missing }
}

interface Walk {
  loader: DynamicLoader
  searchPath: readonly string[]
  /** What was met, by soname. */
  steps: Map<string, LibraryStep>
  /** What is complete, in the order of loading. */
  done: LibraryStep[]
}

async function visit(walk: Walk, found: Omit<LibraryStep, 'global'>, chain: readonly LocatedLibrary[]): Promise<void> {
  const { soname, path } = found
  const step = { ...found, global: /^libmpi\.so\b/.test(soname) }
  walk.steps.set(soname, step)
  if (path !== null) {
    const elf = await readElf(path)
    const here = [{ ...elf, path }, ...chain]
    for (const need of elf.needed.toSorted((a, b) => rankOf(a) - rankOf(b))) {
      if (!walk.steps.has(need)) await visit(walk, locate(walk, need, soname, here), here)
    }
  }
  walk.done.push(step)
}

function locate(
  { loader, searchPath }: Walk,
  soname: string,
  neededBy: string,
  chain: readonly LocatedLibrary[],
): Omit<LibraryStep, 'global'> {
  const alone = findIn(loader.askedFolders(chain), soname)
  const ours = alone ?? findIn(searchPath, soname)
  const system = alone ?? loader.findBySoname(soname)
  const path = ours ?? system
  return { soname, path, neededBy, alreadyResolved: path !== null && system !== null && isSame(path, system) }
}

const isSame = (a: string, b: string): boolean => a === b || realpathSync(a) === realpathSync(b)

/** Of what one library needs, this is loaded first: a driver, then MPI, CUDA, TensorRT, PyTorch, siblings. */
const ORDER = [
  /^libcuda\.so/,
  /^libmpi\.so/,
  /^libnvJitLink\.so/,
  /^libcublasLt\.so/,
  /^libcublas\.so/,
  /^libcurand\.so/,
  /^libcudnn/,
  /^libnccl\.so/,
  /^libnvinfer\.so/,
  /^libc10\.so/,
  /^libtorch_cpu\.so/,
  /^libc10_cuda\.so/,
  /^libtorch_cuda\.so/,
  /^libtorch\.so/,
  /^libpg_utils\.so/, // which brings PyTorch
  /^libdecoder_attention/,
]

function rankOf(soname: string): number {
  const rank = ORDER.findIndex((pattern) => pattern.test(soname))
  return rank < 0 ? ORDER.length : rank
}
