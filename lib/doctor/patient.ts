/** What the checks look at, read once. */
import { TrtllmError } from '../errors.js'
import { type ModelFolder, readModelFolder } from '../model-folder.js'
import { loadAddon, type NativeAddon } from '../native.js'
import { type BuiltAddon, findAddon } from '../runtime/addon-cache.js'
import { type Closure, readClosure } from '../runtime/closure.js'
import { type EnginePair, readEnginePair } from '../runtime/engine-pair.js'
import { type Driver, readDriver } from '../runtime/gpu.js'
import { findInstallation, type Installation, type InstallationChoice } from '../runtime/installation.js'
import { createPackageIndex, type PackageIndex } from '../runtime/packages.js'
import { createSystem, type System } from '../runtime/system.js'

/** Something that could not be had has its error instead. */
export type Reading<T> = T | TrtllmError

export interface Patient {
  system: System
  addon: Reading<NativeAddon>
  /** null: no model was named. */
  model: Reading<ModelFolder> | null
  /** null: the model is none of engines. */
  engines: Reading<EnginePair> | null
  installation: Reading<Installation>
  /** null: there is no installation. */
  closure: Reading<Closure> | null
  /** The addon that was compiled for the installation. */
  compiled: BuiltAddon | undefined
  /** Where such addons are; undefined: the usual place. */
  cacheFolder: string | undefined
  /** null: there is no driver. */
  driver: Driver | null
  packages: PackageIndex
  /** TensorRT-LLM was chosen, or is needed by the model; or no model was named and it is there. */
  needsTensorrtLlm: boolean
}

export interface DoctorOptions extends InstallationChoice {
  /** A model folder; its kind says which runtime is needed. */
  model?: string | undefined
  /** @default $XDG_CACHE_HOME/trtllm-node, or ~/.cache/trtllm-node */
  cacheFolder?: string | undefined
}

export async function examine({ model: path, cacheFolder, ...choice }: DoctorOptions): Promise<Patient> {
  const system = createSystem(choice)
  const model = path === undefined ? null : await attempt(() => readModelFolder(path))
  const isEngine = model !== null && isRead(model) && model.kind === 'engine' && !model.decoderOnly
  const installation = await attempt(() => findInstallation(choice))
  const { TRTLLM_NODE_LIBS, TRTLLM_NODE_INCLUDE } = system.env
  return {
    system,
    addon: await attempt(() => loadAddon()),
    model,
    engines: isEngine ? await attempt(() => readEnginePair(model.folder)) : null,
    installation,
    closure: isRead(installation) ? await attempt(() => readClosure(installation, system)) : null,
    compiled: isRead(installation) ? await findAddon(installation, cacheFolder) : undefined,
    cacheFolder,
    driver: await readDriver(system),
    packages: createPackageIndex(),
    needsTensorrtLlm:
      isEngine ||
      (model === null && isRead(installation)) ||
      [choice.libs, choice.include, TRTLLM_NODE_LIBS, TRTLLM_NODE_INCLUDE].some((chosen) => Boolean(chosen)),
  }
}

export function isRead<T>(reading: Reading<T>): reading is T {
  return !(reading instanceof TrtllmError)
}

/** The result, or the error that this package throws. */
export async function attempt<T>(read: () => T | Promise<T>): Promise<Reading<T>> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof TrtllmError) return error
    throw error
  }
}
