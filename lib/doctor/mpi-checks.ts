/** MPI, which TensorRT-LLM starts even for one GPU. It ends the process where it fails, so it is looked at before. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createDynamicLoader, findIn } from '../runtime/dynamic-loader.js'
import { readDynamicNames, readElf } from '../runtime/elf.js'
import { versionOfFile } from '../runtime/packages.js'
import { remedyForLibrary } from '../runtime/remedies.js'
import type { System } from '../runtime/system.js'
import { error, type Finding, ok, warning } from './finding.js'
import { isRead, type Patient } from './patient.js'

const MPICH = 'libmpi.so.12'

const OPENMPI_FIRST =
  'put the folder of OpenMPI first into LD_LIBRARY_PATH and set OPAL_PREFIX to its prefix, or install it: apt-get install libopenmpi-dev openmpi-bin'

export async function checkMpi({ closure, installation, system }: Patient): Promise<Finding[]> {
  if (closure === null || !isRead(closure) || !isRead(installation)) return []
  const needed = closure.libraries.find(({ global }) => global)
  if (needed === undefined) return []
  if (needed.path === null) return [await missing(needed.soname, installation.searchPath, system)]
  const { path } = needed
  if (!(await readDynamicNames(path)).includes('ompi_mpi_comm_world\0')) {
    return [error('mpi', `${path} is no OpenMPI, which TensorRT-LLM was built for`, OPENMPI_FIRST)]
  }
  const version = versionOfFile(path)
  const name = `OpenMPI${version === null ? '' : ` (${needed.soname} ${version})`}: ${path}`
  const isFour = (await readElf(path)).needed.includes('libopen-rte.so.40') // gone with OpenMPI 5
  const flavour = isFour
    ? ok('mpi', name)
    : warning('mpi', `${name} is not version 4, the one TensorRT-LLM 1.2 is tested with`, 'install OpenMPI 4.1')
  return [flavour, ...(isFour ? launcher(path, system) : []), ...slurm(system)]
}

async function missing(soname: string, searchPath: readonly string[], system: System): Promise<Finding> {
  const loader = await createDynamicLoader(system)
  const mpich = findIn([...loader.askedFolders([]), ...searchPath], MPICH) ?? loader.findBySoname(MPICH)
  if (mpich === null) return error('mpi', `${soname} was not found: there is no MPI`, remedyForLibrary(soname))
  return error('mpi', `${soname} was not found; ${mpich} is MPICH, TensorRT-LLM needs OpenMPI`, OPENMPI_FIRST)
}

/** OpenMPI 4 starts its helper orted in a process that mpirun did not start. */
function launcher(library: string, { env }: System): Finding[] {
  if (env.OMPI_COMM_WORLD_SIZE !== undefined || env.OMPI_MCA_ess_singleton_isolated === '1') return []
  const folders = [
    ...(env.OPAL_PREFIX ? [join(env.OPAL_PREFIX, 'bin')] : []),
    ...(env.PATH ?? '').split(':'),
    join(dirname(library), '../bin'),
  ]
  if (folders.some((folder) => folder !== '' && existsSync(join(folder, 'orted')))) return []
  const message = "OpenMPI's helper orted is not on the PATH; without it MPI hangs or ends the process"
  return [warning('mpi', message, 'apt-get install openmpi-bin, or set OMPI_MCA_ess_singleton_isolated=1')]
}

/** Names of variables by which a launcher tells a process its rank. */
const LAUNCHED = /^(?:PMIX?_RANK|OMPI_COMM_WORLD_RANK)$/

function slurm({ env }: System): Finding[] {
  if (env.SLURM_JOB_ID === undefined || Object.keys(env).some((name) => LAUNCHED.test(name))) return []
  const message = 'this is a Slurm job whose processes get no rank: MPI ends the process at its start'
  return [warning('mpi', message, 'start it with mpirun -n 1, or with srun --mpi=pmix')]
}
