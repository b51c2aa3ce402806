/** Which libraries of an installation have to be opened, and in which order, before its addon can be loaded. */
import { basename } from 'node:path'
import { TrtllmError } from '../errors.js'
import type { RawPreloadPlan } from '../native.js'
import type { BuiltAddon } from './addon-cache.js'
import { type Closure, readClosure } from './closure.js'
import type { Installation } from './installation.js'
import { createSystem, type System } from './system.js'

/** Everything that is opened, and what is needed to try it. */
export interface LoadPlan extends RawPreloadPlan {
  /** The addon that was compiled for the installation. */
  addon: string
  /** libmpi.so.40 */
  mpi: string | null
  /** All libraries of the installation, whoever opens them. */
  files: string[]
}

/**
 * Reads the files of an installation; loads nothing. What the dynamic loader finds by itself is left to it.
 * @throws TrtllmError ERR_RUNTIME_LOAD if a library is missing, ERR_LIBRARY_INVALID
 */
export async function planLoading(
  installation: Installation,
  { addon, version }: Pick<BuiltAddon, 'addon' | 'version'>,
  system: System = createSystem({}),
): Promise<LoadPlan> {
  const closure = await readClosure(installation, system)
  const { plugins, library } = installation
  if (plugins === null) throw missingPlugins(library)
  if (closure.missing.length > 0) throw missingLibraries(closure)
  const found = closure.libraries.flatMap((step) => (step.path === null ? [] : [{ ...step, path: step.path }]))
  const dependencies = found
    .filter(({ path, global, alreadyResolved }) => path !== library && path !== plugins && (global || !alreadyResolved))
    .map(({ soname, path, global }) => ({ soname, path, global }))
  const mpi = found.find(({ global }) => global)?.path ?? null
  return { dependencies, runtime: library, plugins, version, addon, mpi, files: found.map(({ path }) => path) }
}

function missingPlugins(library: string): TrtllmError {
  return new TrtllmError('ERR_RUNTIME_LOAD', `there is no libnvinfer_plugin_tensorrt_llm.so beside ${library}`, {
    hint: 'the installation is incomplete: install TensorRT-LLM again',
  })
}

function missingLibraries({ missing }: Closure): TrtllmError {
  const names = missing.map(
    ({ soname, neededBy }) => `${soname}${neededBy === null ? '' : ` (for ${basename(neededBy)})`}`,
  )
  const remedies = [...new Set(missing.map(({ remedy }) => remedy))]
  return new TrtllmError('ERR_RUNTIME_LOAD', `libraries that TensorRT-LLM needs are missing: ${names.join(', ')}`, {
    hint: remedies.join('; '),
  })
}
