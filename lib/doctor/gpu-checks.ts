/** NVIDIA's driver and the GPUs against what TensorRT-LLM was compiled for. */
import { realpathSync } from 'node:fs'
import { type Gpu, SUPPORTED_ARCHITECTURES } from '../runtime/gpu.js'
import { remedyForLibrary } from '../runtime/remedies.js'
import { error, type Finding, note, ok, warning } from './finding.js'
import { cudaOf } from './library-checks.js'
import { isRead, type Patient } from './patient.js'

/** The oldest drivers for each CUDA. */
const DRIVERS: Record<string, string> = { '12': '525', '13': '580' }

export function checkDriver(patient: Patient): Finding[] {
  const { driver, needsTensorrtLlm } = patient
  if (driver === null) {
    if (!needsTensorrtLlm) return [note('driver', 'there is no NVIDIA driver; the embedded runtime needs none')]
    const message = 'there is no NVIDIA driver: neither nvidia-smi nor /proc/driver/nvidia/version'
    return [error('driver', message, remedyForLibrary('libcuda.so.1'))]
  }
  const found = ok(
    'driver',
    `NVIDIA driver ${driver.version}${driver.cuda === null ? '' : `, up to CUDA ${driver.cuda}`}`,
  )
  return [found, ...checkDriverLibrary(patient), ...compareCuda(patient)]
}

/** A container can have the kernel module without the library. */
function checkDriverLibrary({ closure }: Patient): Finding[] {
  if (closure === null || !isRead(closure)) return []
  const library = closure.libraries.find(({ soname }) => soname === 'libcuda.so.1')
  if (library === undefined) return []
  if (library.path === null) {
    const remedy = 'start the container with --gpus all and NVIDIA_DRIVER_CAPABILITIES=compute,utility'
    return [error('driver', 'the driver is there, but its library libcuda.so.1 is not', remedy)]
  }
  if (!realpathSync(library.path).includes('/stubs/')) return [ok('driver', `libcuda.so.1: ${library.path}`)]
  const message = `${library.path} is a stub for linking, not the driver's library`
  return [error('driver', message, 'take the folder stubs out of LD_LIBRARY_PATH')]
}

function compareCuda({ driver, closure }: Patient): Finding[] {
  const cuda = closure !== null && isRead(closure) ? cudaOf(closure) : undefined
  if (cuda === undefined || !driver?.cuda || Number.parseInt(driver.cuda, 10) >= Number(cuda)) return []
  const message = `TensorRT-LLM is linked with CUDA ${cuda}, the driver ${driver.version} runs CUDA ${driver.cuda} at most`
  const newer = DRIVERS[cuda] === undefined ? 'a newer driver' : `driver ${DRIVERS[cuda]} or newer`
  return [error('driver', message, `install ${newer}; on data-centre GPUs NVIDIA's package cuda-compat is another way`)]
}

export function checkGpus({ driver }: Patient): Finding[] {
  if (driver === null) return []
  if (driver.gpus.length === 0) {
    return [
      error('gpu', 'the driver reports no GPU', 'see what nvidia-smi says; in a container, start it with --gpus all'),
    ]
  }
  const oneFits = driver.gpus.some(isSupported)
  return driver.gpus.map((gpu) => {
    const name = `GPU ${gpu.index}, ${gpu.name}`
    if (gpu.architecture === null) return note('gpu', `${name}: the driver does not say its compute capability`)
    const memory = gpu.memory === null ? '' : `, ${(gpu.memory / 1024).toFixed(0)} GiB`
    if (isSupported(gpu)) return ok('gpu', `${name}: compute capability ${gpu.architecture}${memory}`)
    const message = `${name}: TensorRT-LLM 1.2 has no code for compute capability ${gpu.architecture}, only for ${SUPPORTED_ARCHITECTURES.join(', ')}`
    if (oneFits) return warning('gpu', message, 'choose another GPU with CUDA_VISIBLE_DEVICES')
    return error('gpu', message, 'take another GPU, or the embedded runtime with the checkpoint instead of engines')
  })
}

const isSupported = ({ architecture }: Gpu): boolean =>
  architecture !== null && SUPPORTED_ARCHITECTURES.includes(architecture)
