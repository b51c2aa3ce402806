/** Which Python package a file belongs to, and in which version, as pip's records say. */
import { realpathSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { namesIn } from './places.js'
import { textOf } from './system.js'

export interface PackageIndex {
  /** "nvidia-cublas 13.1.0.3" of each package that has installed this file; more than one have overwritten one another. */
  ownersOf(file: string): readonly string[]
}

/** Only these bring libraries that TensorRT-LLM loads. */
const PACKAGES = /^((?:nvidia|tensorrt|torch)\w*)-(.+)\.dist-info$/

export function createPackageIndex(): PackageIndex {
  const sites = new Map<string, Map<string, string[]>>()
  return {
    ownersOf(file) {
      const site = /^.*\/(?:site|dist)-packages(?=\/)/.exec(file)?.[0]
      if (site === undefined) return []
      const owners = sites.get(site) ?? readRecords(site)
      sites.set(site, owners)
      return owners.get(relative(site, file)) ?? []
    },
  }
}

/** Path below the site -> packages. */
function readRecords(site: string): Map<string, string[]> {
  const owners = new Map<string, string[]>()
  for (const folder of namesIn(site)) {
    const [, name, version] = PACKAGES.exec(folder) ?? []
    if (name === undefined) continue
    for (const line of (textOf(join(site, folder, 'RECORD')) ?? '').split('\n')) {
      const file = line.split(',', 1)[0] ?? ''
      if (/\.so(?:\.|$)/.test(file))
        owners.set(file, [...(owners.get(file) ?? []), `${name.replaceAll('_', '-')} ${version}`])
    }
  }
  return owners
}

/** The version in a library's file name, links followed: libmpi.so.40.30.6 -> '40.30.6'; null if it says no more than the soname. */
export function versionOfFile(file: string): string | null {
  return /\.so\.(\d+\.[\w.]+)$/.exec(basename(realpathSync(file)))?.[1] ?? null
}
