/**
 * The addons that were compiled for installations of TensorRT-LLM, in the user's cache: one folder for each version of
 * this package, version of TensorRT-LLM, C++ ABI and architecture, with the addon and the record of what it was made
 * for. Never in the package: that may be read-only, and holds one addon only.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { defaultCacheFolder } from '../convert/cache.js'
import { textIfThere } from '../convert/files.js'
import { isUnfinished } from '../convert/staging.js'
import { packageRoot } from '../native.js'
import { isRecord } from '../validate.js'
import type { Installation } from './installation.js'

/** What an addon was compiled for. */
export interface AddonRecord {
  packageVersion: string
  /** Of TensorRT-LLM: headers and library. */
  version: string
  cxx11Abi: boolean
  /** `process.arch` */
  arch: string
  /** libtensorrt_llm.so as it was found then. */
  library: string
  /** Folder of the headers that were used. */
  includeDir: string
}

/** A record and where its addon lies. */
export interface BuiltAddon extends AddonRecord {
  folder: string
  addon: string
}

export const ADDON_FILE = 'trtllm_node_tensorrt_llm.node'
export const RECORD_FILE = 'record.json'

export const runtimesFolder = (cacheFolder: string | undefined): string =>
  join(cacheFolder ?? defaultCacheFolder(), 'runtimes')

export function addonFolder(cacheFolder: string | undefined, record: AddonRecord): string {
  const { packageVersion, version, cxx11Abi, arch } = record
  return join(runtimesFolder(cacheFolder), `${packageVersion}_tensorrt-llm-${version}_abi${cxx11Abi ? 1 : 0}_${arch}`)
}

/** All that are there, whatever version of this package made them. */
export async function listAddons(cacheFolder?: string): Promise<BuiltAddon[]> {
  const root = runtimesFolder(cacheFolder)
  const names = (await readdir(root).catch(() => [])).filter((name) => !isUnfinished(name))
  const found = await Promise.all(names.sort().map((name) => readAddon(join(root, name))))
  return found.filter((addon) => addon !== undefined)
}

/** The one for an installation; undefined if none was compiled for it. */
export async function findAddon(installation: Installation, cacheFolder?: string): Promise<BuiltAddon | undefined> {
  const { version, cxx11Abi, library } = installation
  const packageVersion = await readPackageVersion()
  const fits = (addon: BuiltAddon) =>
    addon.packageVersion === packageVersion &&
    addon.arch === process.arch &&
    addon.cxx11Abi === cxx11Abi &&
    (version === null ? addon.library === library : addon.version === version)
  return (await listAddons(cacheFolder)).find(fits)
}

export async function removeAddon({ folder }: BuiltAddon): Promise<void> {
  await rm(folder, { recursive: true })
}

export async function readPackageVersion(): Promise<string> {
  return (JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version
}

/** undefined if the folder holds no addon, or no record that this version understands. */
async function readAddon(folder: string): Promise<BuiltAddon | undefined> {
  const addon = join(folder, ADDON_FILE)
  const text = await textIfThere(join(folder, RECORD_FILE)).catch(() => undefined)
  const record = text === undefined ? undefined : parseRecord(text)
  return record === undefined || !existsSync(addon) ? undefined : { ...record, folder, addon }
}

const TEXTS = ['packageVersion', 'version', 'arch', 'library', 'includeDir'] as const

function parseRecord(text: string): AddonRecord | undefined {
  try {
    const found: unknown = JSON.parse(text)
    const valid =
      isRecord(found) && typeof found.cxx11Abi === 'boolean' && TEXTS.every((name) => typeof found[name] === 'string')
    return valid ? (found as unknown as AddonRecord) : undefined
  } catch {
    return undefined
  }
}
