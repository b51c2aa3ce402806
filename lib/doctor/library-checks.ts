/** The libraries that TensorRT-LLM loads: found, of one CUDA, of one C++ library, of the right TensorRT. */
import { usesCxx11Abi } from '../runtime/abi.js'
import type { Closure, LibraryStep } from '../runtime/closure.js'
import { readDynamicNames } from '../runtime/elf.js'
import { versionOfFile } from '../runtime/packages.js'
import { error, type Finding, ok, warning } from './finding.js'
import { isRead, type Patient } from './patient.js'

/** Part of every system; listing them would hide the others. */
const OF_THE_SYSTEM = /^(?:ld-linux.*|lib(?:c|m|dl|rt|pthread|util|resolv|gcc_s|stdc\+\+))\.so/

/** Of these other checks speak. */
const ELSEWHERE = /^lib(?:cuda|mpi)\.so/

interface Present extends LibraryStep {
  path: string
}

const presentIn = ({ libraries }: Closure): Present[] =>
  libraries.flatMap((step) => (step.path === null ? [] : [{ ...step, path: step.path }]))

export function checkLibraries({ closure, packages }: Patient): Finding[] {
  if (closure === null) return []
  if (!isRead(closure)) return [error('libraries', closure.message, closure.hint ?? 'install it again')]
  const listed = presentIn(closure).filter(({ soname }) => !OF_THE_SYSTEM.test(soname))
  return listed.map(({ soname, path }) => {
    const owners = packages.ownersOf(path)
    if (owners.length > 1) {
      const remedy = 'uninstall them all, then install the one for the CUDA of this TensorRT-LLM again'
      return warning('libraries', `${path} was installed by ${owners.join(' and ')}, one over the other`, remedy)
    }
    const version = owners[0] ?? versionOfFile(path)
    return ok('libraries', `${soname}${version === null ? '' : ` (${version})`}: ${path}`)
  })
}

export function checkDependencies({ closure }: Patient): Finding[] {
  if (closure === null || !isRead(closure)) return []
  const missing = closure.missing.filter(({ soname }) => !ELSEWHERE.test(soname))
  if (missing.length === 0) return [ok('dependencies', `${closure.libraries.length} libraries, none is missing`)]
  return missing.map(({ soname, neededBy, remedy }) =>
    error('dependencies', `${soname} was not found; ${neededBy} needs it`, remedy),
  )
}

const cublasMajor = (soname: string): string | undefined => /^libcublas(?:Lt)?\.so\.(\d+)/.exec(soname)?.[1]

/** The CUDA that libtensorrt_llm.so was linked with; undefined if that cannot be seen. */
export function cudaOf({ libraries }: Closure): string | undefined {
  const own = libraries.find(({ soname, neededBy }) => cublasMajor(soname) && neededBy === 'libtensorrt_llm.so')
  return own === undefined ? undefined : cublasMajor(own.soname)
}

export function checkCuda({ closure }: Patient): Finding[] {
  if (closure === null || !isRead(closure)) return []
  const ours = cudaOf(closure)
  if (ours === undefined) return []
  const other = closure.libraries.find(({ soname }) => (cublasMajor(soname) ?? ours) !== ours)
  if (other === undefined) return [ok('cuda', `everything is linked with CUDA ${ours}`)]
  const message = `TensorRT-LLM is linked with CUDA ${ours}, but ${other.neededBy} with CUDA ${cublasMajor(other.soname)}`
  const remedy = `install the PyTorch for CUDA ${ours}${ours === '13' ? ' (cu130)' : ''} first, then TensorRT-LLM`
  return [error('cuda', message, remedy)]
}

export async function checkAbi({ installation, closure }: Patient): Promise<Finding[]> {
  if (!isRead(installation) || closure === null || !isRead(closure)) return []
  const ours = installation.cxx11Abi
  const [our, other] = ours ? ['new', 'old'] : ['old', 'new']
  const message = `libtensorrt_llm.so was compiled with the ${our} std::string of libstdc++`
  const torch = presentIn(closure).find(({ soname }) => soname === 'libc10.so')
  if (torch === undefined || (await usesCxx11Abi(torch.path, '3c10')) === ours) return [ok('abi', message)]
  const remedy = 'install the version of PyTorch that this TensorRT-LLM asks for (2.7 or newer)'
  return [error('abi', `${message}, ${torch.path} with the ${other} one`, remedy)]
}

/** Name of a symbol version's family -> the library that brings it. */
const SYMBOL_VERSIONS: [string, string, string][] = [
  ['GLIBC_2.', 'libc.so.6', 'a newer system: the wheels of 1.2 are made on Ubuntu 24.04'],
  ['GLIBCXX_3.4.', 'libstdc++.so.6', 'install a newer libstdc++6, or take its folder out of LD_LIBRARY_PATH'],
]

/** What a library was linked with must not be newer than what is here: the dynamic loader refuses it. */
export async function checkSymbolVersions({ closure, installation }: Patient): Promise<Finding[]> {
  if (!isRead(installation) || closure === null || !isRead(closure)) return []
  const needed = await readDynamicNames(installation.library)
  const findings = await Promise.all(
    SYMBOL_VERSIONS.map(async ([family, soname, remedy]) => {
      const provider = presentIn(closure).find((step) => step.soname === soname)
      if (provider === undefined) return []
      const [wanted, has] = [newest(needed, family), newest(await readDynamicNames(provider.path), family)]
      if (wanted === 0) return []
      const message = `libtensorrt_llm.so needs ${family}${wanted}, ${provider.path} has ${family}${has}`
      return [wanted <= has ? ok('symbols', message) : error('symbols', message, remedy)]
    }),
  )
  return findings.flat()
}

function newest(names: Buffer, family: string): number {
  const numbers = names.toString('latin1').matchAll(new RegExp(`${family.replaceAll('.', '\\.')}(\\d+)`, 'g'))
  return Math.max(0, ...Array.from(numbers, ([, number]) => Number(number)))
}

/** What TensorRT-LLM 1.2 was built with. An engine is bound to the TensorRT that built it. */
const TENSORRT = '10.14'

export function checkTensorrt({ closure, packages, installation }: Patient): Finding[] {
  if (closure === null || !isRead(closure) || !isRead(installation)) return []
  const library = presentIn(closure).find(({ soname }) => soname.startsWith('libnvinfer.so'))
  if (library === undefined) return []
  const version = packages.ownersOf(library.path)[0]?.split(' ')[1] ?? versionOfFile(library.path)
  if (version === null) return []
  if (version.startsWith(`${TENSORRT}.`)) return [ok('tensorrt', `TensorRT ${version}`)]
  const message = `TensorRT ${version} was found, TensorRT-LLM 1.2 was built with ${TENSORRT}`
  return [
    warning(
      'tensorrt',
      message,
      `pip install "tensorrt==${TENSORRT}.*"; engines must be built with the one that runs them`,
    ),
  ]
}
