/** From an installation of TensorRT-LLM to its addon, loaded into this process. It stays loaded for ever. */
import { createRequire } from 'node:module'
import { reasonOf } from '../convert/files.js'
import { TrtllmError, toTrtllmError } from '../errors.js'
import { loadAddon, type NativeAddon } from '../native.js'
import { findAddon } from './addon-cache.js'
import { findInstallation, type InstallationChoice } from './installation.js'
import { type LoadPlan, planLoading } from './preloader.js'
import { type ProbeOptions, probeRuntime } from './probe.js'
import { createSystem } from './system.js'

/**
 * Finds the installation, tries it in a process of its own, then loads it here: its libraries by full path, and the
 * addon that was compiled for it.
 * @throws TrtllmError ERR_RUNTIME_NOT_FOUND, ERR_RUNTIME_NOT_BUILT, ERR_RUNTIME_LOAD, ERR_RUNTIME_VERSION,
 * ERR_LIBRARY_INVALID, ERR_ADDON_LOAD
 */
export async function loadRuntimeAddon(choice: InstallationChoice & ProbeOptions = {}): Promise<NativeAddon> {
  const plan = await planRuntime(choice)
  await probeRuntime(plan, choice)
  return loadPlanned(plan)
}

/**
 * What loading would do; nothing is loaded.
 * @throws TrtllmError as `loadRuntimeAddon`
 */
export async function planRuntime(choice: InstallationChoice & Pick<ProbeOptions, 'cacheFolder'>): Promise<LoadPlan> {
  const installation = await findInstallation(choice)
  const addon = await findAddon(installation, choice.cacheFolder)
  if (addon === undefined) {
    const { version, cxx11Abi, library } = installation
    const what = `TensorRT-LLM ${version ?? 'of unknown version'} (C++ ABI ${cxx11Abi ? 1 : 0})`
    throw new TrtllmError('ERR_RUNTIME_NOT_BUILT', `no addon was compiled for ${what} in ${library}`)
  }
  return planLoading(installation, addon, createSystem(choice))
}

async function loadPlanned({ addon, mpi: _mpi, files: _files, ...plan }: LoadPlan): Promise<NativeAddon> {
  await loadAddon()
    .preload(plan)
    .catch((error: unknown) => {
      throw toTrtllmError(error)
    })
  try {
    return createRequire(import.meta.url)(addon) as NativeAddon
  } catch (cause) {
    throw new TrtllmError('ERR_ADDON_LOAD', `${addon} does not load: ${reasonOf(cause)}`, {
      cause,
      hint: 'compile it again: npx trtllm-node runtime build',
    })
  }
}
