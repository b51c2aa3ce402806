/** Which std::string of libstdc++ a library was compiled with. */
import { readDynamicNames } from './elf.js'

/** Namespace of the Executor API, as names of symbols have it. */
const EXECUTOR = '12tensorrt_llm8executor'

/** A parameter of type std::string or std::list. Not any `__cxx11`: std::filesystem::path has it in old builds, too. */
const NEW_PARAMETER = /NSt7__cxx11(?:12basic_string|4list)I/
const OLD_PARAMETER = /St4listI|RKSs|Ss$|St12basic_stringI/

/**
 * Whether a library was compiled with _GLIBCXX_USE_CXX11_ABI=1, as the signatures of one namespace say.
 * @throws TrtllmError ERR_LIBRARY_INVALID if it cannot be read
 */
export async function usesCxx11Abi(library: string, namespace = EXECUTOR): Promise<boolean> {
  const names = await readDynamicNames(library)
  let old = false
  for (let at = names.indexOf(namespace); at >= 0; at = names.indexOf(namespace, at + 1)) {
    const name = names.toString('latin1', at, names.indexOf(0, at))
    if (NEW_PARAMETER.test(name)) return true
    old ||= OLD_PARAMETER.test(name)
  }
  return !old // a namespace that uses neither says nothing; the new one is what compilers choose
}
