/** Folders that hold what libtensorrt_llm.so needs, where nothing tells the dynamic loader of them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { namesIn, siteFolders } from './places.js'
import { pathIn, type System } from './system.js'

/** Containers and systems keep TensorRT, MPI and CUDA here. */
const SYSTEM_FOLDERS = [
  '/usr/local/tensorrt/lib',
  '/opt/hpcx/ompi/lib',
  '/usr/local/mpi/lib',
  '/usr/local/cuda/lib64',
  '/usr/lib/x86_64-linux-gnu/openmpi/lib',
]

/**
 * @param libs the library's own folder
 * @param site folder of Python packages in which it lies; null if it lies elsewhere
 */
export function searchPathOf(system: System, libs: string, site: string | null): string[] {
  const { VIRTUAL_ENV, OPAL_PREFIX, CUDA_HOME } = system.env
  const sites = [...(site === null ? [] : [site]), ...(VIRTUAL_ENV ? siteFolders(VIRTUAL_ENV) : [])]
  const folders = [
    libs,
    ...sites.flatMap(packageFolders),
    ...(OPAL_PREFIX ? [join(OPAL_PREFIX, 'lib')] : []),
    ...(CUDA_HOME ? [join(CUDA_HOME, 'lib64')] : []),
    ...SYSTEM_FOLDERS.map((folder) => pathIn(system, folder)),
  ]
  return [...new Set(folders)].filter((folder) => existsSync(folder))
}

/** The CUDA 13 packages of pip share nvidia/cu13, all others have a folder each. */
function packageFolders(site: string): string[] {
  const others = namesIn(join(site, 'nvidia')).filter((name) => name !== 'cu13')
  return [
    ...['cu13', ...others].map((name) => join(site, 'nvidia', name, 'lib')),
    join(site, 'tensorrt_libs'),
    join(site, 'torch/lib'),
  ]
}
