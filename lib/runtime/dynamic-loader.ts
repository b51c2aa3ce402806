/** Where the dynamic loader of glibc finds a library by itself. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ElfLibrary } from './elf.js'
import { pathIn, type System } from './system.js'

/** A library and where it lies. */
export interface LocatedLibrary extends ElfLibrary {
  path: string
}

/** Finds a library by its soname. */
export interface DynamicLoader {
  /**
   * Folders that come before all others.
   * @param chain the library that needs something, what needs that library, and so on
   */
  askedFolders(chain: readonly LocatedLibrary[]): string[]
  /** In the loader's cache or its default folders; null if it is in neither. */
  findBySoname(soname: string): string | null
}

const DEFAULT_FOLDERS = [
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib64',
  '/usr/lib64',
  '/lib',
  '/usr/lib',
]

export async function createDynamicLoader(system: System): Promise<DynamicLoader> {
  const cache = await readCache(system)
  const defaults = DEFAULT_FOLDERS.map((folder) => pathIn(system, folder))
  const environment = (system.env.LD_LIBRARY_PATH ?? '').split(/[:;]/).filter((folder) => folder !== '')
  return {
    askedFolders: (chain) => [...rpathOf(chain), ...environment, ...runpathOf(chain)],
    findBySoname(soname) {
      const cached = cache.get(soname)
      return cached !== undefined && existsSync(cached) ? cached : findIn(defaults, soname)
    },
  }
}

export function findIn(folders: readonly string[], soname: string): string | null {
  return folders.map((folder) => join(folder, soname)).find((file) => existsSync(file)) ?? null
}

/** RPATH of a library and of all that led to it, each unless it has a RUNPATH; none if the first has one. */
function rpathOf(chain: readonly LocatedLibrary[]): string[] {
  if (chain[0]?.runpath.length !== 0) return []
  return chain.filter(({ runpath }) => runpath.length === 0).flatMap((library) => expand(library, library.rpath))
}

function runpathOf([library]: readonly LocatedLibrary[]): string[] {
  return library === undefined ? [] : expand(library, library.runpath)
}

function expand({ path }: LocatedLibrary, folders: readonly string[]): string[] {
  return folders.map((folder) => folder.replace(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(path)))
}

/** Soname -> file. */
async function readCache(system: System): Promise<Map<string, string>> {
  // users often have no /sbin on their PATH
  const result = (await system.run('/sbin/ldconfig', ['-p'])) ?? (await system.run('ldconfig', ['-p']))
  const entries = (result?.output ?? '').matchAll(/^\t(\S+) \(libc6,x86-64[^)]*\) => (.+)$/gm)
  const cache = new Map<string, string>()
  for (const [, soname = '', file = ''] of entries) {
    if (!cache.has(soname)) cache.set(soname, pathIn(system, file)) // the first one wins
  }
  return cache
}
