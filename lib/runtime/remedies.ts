/** Which package brings a library. */

const PACKAGES: readonly [RegExp, (major: string, name: string) => string][] = [
  [
    /^lib(?:cuda|nvidia-ml|nvidia-ptxjitcompiler)\.so/,
    () => "install NVIDIA's driver; in a container, start it with --gpus all and the NVIDIA container toolkit",
  ],
  [
    /^libmpi\.so\.40|^libopen-(?:rte|pal)\.so|^libmpi_cxx\.so/,
    () => 'install OpenMPI 4.1, which no wheel has: apt-get install libopenmpi-dev openmpi-bin',
  ],
  [/^libmpi\.so/, () => 'TensorRT-LLM was built for OpenMPI (libmpi.so.40), this asks for another MPI'],
  [/^libcublas(?:Lt)?\.so/, (major) => cudaPackage('cublas', major)],
  [/^libcudart\.so/, (major) => cudaPackage('cuda-runtime', major)],
  [/^libnvrtc/, (major) => cudaPackage('cuda-nvrtc', major)],
  [/^libnvJitLink\.so/, (major) => cudaPackage('nvjitlink', major)],
  [/^libcupti\.so/, (major) => cudaPackage('cuda-cupti', major)],
  [
    /^lib(?:curand|cusparse|cufft|cufile|cusolver)\.so/,
    (_, name) => `pip install nvidia-${name}, or nvidia-${name}-cu12 for CUDA 12`,
  ],
  [
    /^lib(?:nccl|cudnn|cusparseLt|nvshmem)/,
    (_, name) => `pip install nvidia-${name}-cu13, or nvidia-${name}-cu12 for CUDA 12`,
  ],
  [
    /^lib(?:torch|c10|shm)/,
    () =>
      'install the PyTorch that this version of TensorRT-LLM asks for, in its build for the same CUDA (cu130 for 1.2)',
  ],
  [
    /^lib(?:decoder_attention|pg_utils|tensorrt_llm|nvinfer_plugin_tensorrt_llm)/,
    () => 'the installation is incomplete or mixed from two versions: uninstall tensorrt_llm, then install it again',
  ],
  [/^libnvinfer/, (major) => `install TensorRT ${major}: pip install "tensorrt==${major}.*"`],
  [/^libnuma\.so/, () => 'apt-get install libnuma1'],
  [/^libgomp\.so/, () => 'apt-get install libgomp1'],
  [/^libpython3/, () => 'install the shared library of that Python, such as apt-get install libpython3.12'],
]

/** @param soname such as libcublas.so.13 */
export function remedyForLibrary(soname: string): string {
  const known = PACKAGES.find(([pattern]) => pattern.test(soname))
  if (known === undefined) return `install the package that brings ${soname}, or put its folder into LD_LIBRARY_PATH`
  const [, name = '', major = ''] = /^lib([a-z]+)[^.]*\.so(?:\.(\d+))?/i.exec(soname) ?? []
  return known[1](major, name.toLowerCase())
}

/** The packages of CUDA 13 have lost the suffix of those before. */
function cudaPackage(name: string, major: string): string {
  return `pip install ${major === '12' ? `nvidia-${name}-cu12` : `"nvidia-${name}==${major}.*"`}`
}
