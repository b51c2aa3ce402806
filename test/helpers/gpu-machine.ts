/**
 * A machine with GPUs and a wheel of TensorRT-LLM, below a folder: the layout of the documented installations, the
 * sonames and search paths of the real libraries (PyTorch's as readelf shows them), nothing inside.
 */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { writeLibrary } from './tiny-libraries.js'

export interface GpuMachine {
  /** Stands for '/'. */
  root: string
  env: NodeJS.ProcessEnv
  site: string
  libs: string
}

const VENV = 'opt/venv'
const SITE = `${VENV}/lib/python3.12/site-packages`
const SYSTEM = 'usr/lib/x86_64-linux-gnu'

/** What nvidia-smi of driver 580 prints first. */
export const SMI_SUMMARY = `+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.159.04             Driver Version: 580.159.04     CUDA Version: 13.0     |
+-----------------------------------------+------------------------+----------------------+
`
export const SMI_GPUS = '0, NVIDIA H100 80GB HBM3, 9.0, 81559\n'

const TRTLLM_NEEDS = [
  'libdecoder_attention_0.so',
  'libdecoder_attention_1.so',
  'libpg_utils.so',
  'libmpi.so.40',
  'libnvinfer.so.10',
  'libnccl.so.2',
  'libcublas.so.13',
  'libcublasLt.so.13',
  'libcurand.so.10',
  'libcuda.so.1',
  'libstdc++.so.6',
  'libc.so.6',
]

const EXECUTOR_SYMBOL = '_ZN12tensorrt_llm8executor7Request11setBadWordsERKNSt7__cxx114listIiSaIiEEE'
const TORCH_SYMBOL = '_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE'
const TORCH_RPATH = '$ORIGIN/../../nvidia/nccl/lib:$ORIGIN/../../nvidia/cu13/lib:$ORIGIN'

/** The machine below a folder that is what writeGpuMachine has made, or a copy of it. */
export function gpuMachineAt(root: string): GpuMachine {
  const site = join(root, SITE)
  const env = {
    PATH: join(root, 'bin'),
    VIRTUAL_ENV: join(root, VENV),
    TRTLLM_NODE_INCLUDE: join(root, 'src/TensorRT-LLM'),
  }
  return { root, site, libs: join(site, 'tensorrt_llm/libs'), env }
}

export function writeGpuMachine(root: string): GpuMachine {
  const machine = gpuMachineAt(root)
  const { site, libs } = machine
  writeTrtllm(libs)
  writePackage(site, 'tensorrt_llm', '1.2.1', [])
  for (const { name, version, files } of PACKAGES) writePackage(site, name, version, files)
  writeTorch(site)
  writeSystem(root)
  writeHeaders(root, site)
  writeSmi(root, SMI_SUMMARY, SMI_GPUS)
  return machine
}

/** A program nvidia-smi that prints this. */
export function writeSmi(root: string, summary: string, gpus: string): void {
  const script = `case "$1" in --query-gpu=*) ${say(gpus)};; *) ${say(summary)};; esac`
  writeProgram(join(root, 'bin/nvidia-smi'), script)
}

export function writeTrtllm(libs: string, symbols = [EXECUTOR_SYMBOL, 'GLIBC_2.39', 'GLIBCXX_3.4.32']): void {
  const library = (name: string, needs: string[], symbols: string[] = []) =>
    writeLibrary(join(libs, name), { needs, symbols, runpath: '$ORIGIN' })
  library('libdecoder_attention_0.so', [])
  library('libdecoder_attention_1.so', [])
  library('libpg_utils.so', ['libtorch.so', 'libtorch_cpu.so', 'libc10.so'])
  library('libtensorrt_llm.so', TRTLLM_NEEDS, symbols)
  library('libnvinfer_plugin_tensorrt_llm.so', ['libtensorrt_llm.so', 'libnvinfer.so.10'])
}

const PACKAGES = [
  {
    name: 'nvidia_cublas',
    version: '13.1.0.3',
    files: ['nvidia/cu13/lib/libcublas.so.13', 'nvidia/cu13/lib/libcublasLt.so.13'],
  },
  { name: 'nvidia_curand', version: '10.4.1.34', files: ['nvidia/cu13/lib/libcurand.so.10'] },
  { name: 'nvidia_nccl_cu13', version: '2.27.7', files: ['nvidia/nccl/lib/libnccl.so.2'] },
  { name: 'tensorrt_cu13_libs', version: '10.14.1.48', files: ['tensorrt_libs/libnvinfer.so.10'] },
]

/** A Python package as pip leaves it. */
export function writePackage(site: string, name: string, version: string, files: string[]): void {
  const needs = (file: string) => (file.endsWith('libcublas.so.13') ? ['libcublasLt.so.13'] : [])
  for (const file of files) writeLibrary(join(site, file), { needs: needs(file) })
  writeRecord(site, name, version, files)
}

export function writeRecord(site: string, name: string, version: string, files: string[]): void {
  const record = files.map((file) => `${file},sha256=x,1\n`).join('')
  writeText(join(site, `${name}-${version}.dist-info/RECORD`), record)
}

function writeTorch(site: string): void {
  const library = (name: string, needs: string[], symbols: string[] = []) =>
    writeLibrary(join(site, 'torch/lib', name), { needs, symbols, rpath: TORCH_RPATH })
  library('libc10.so', ['libc.so.6'], [TORCH_SYMBOL])
  library('libtorch_cpu.so', ['libc10.so'])
  library('libc10_cuda.so', ['libc10.so'])
  library('libtorch_cuda.so', ['libc10_cuda.so', 'libnccl.so.2', 'libcublas.so.13', 'libtorch_cpu.so'])
  library('libtorch.so', ['libtorch_cpu.so', 'libtorch_cuda.so'])
  writeRecord(site, 'torch', '2.9.1', ['torch/lib/libtorch.so'])
}

function writeSystem(root: string): void {
  const at = (name: string) => join(root, SYSTEM, name)
  writeLibrary(at('libc.so.6'), { symbols: ['GLIBC_2.17', 'GLIBC_2.39'] })
  writeLibrary(at('libstdc++.so.6'), { symbols: ['GLIBCXX_3.4.33'], needs: ['libc.so.6'] })
  writeLibrary(at('libcuda.so.1'))
  writeLibrary(at('libopen-pal.so.40'))
  writeLibrary(at('libopen-rte.so.40'), { needs: ['libopen-pal.so.40'] })
  writeOpenMpi(root, '40.30.6', ['libopen-rte.so.40', 'libopen-pal.so.40'])
  writeProgram(join(root, 'bin/orted'), ':')
}

export function writeOpenMpi(root: string, version: string, needs: string[], symbols = ['ompi_mpi_comm_world']): void {
  const folder = join(root, SYSTEM)
  writeLibrary(join(folder, `libmpi.so.${version}`), { soname: 'libmpi.so.40', needs, symbols })
  symlinkSync(`libmpi.so.${version}`, join(folder, 'libmpi.so.40'))
}

function writeHeaders(root: string, site: string): void {
  writeText(join(root, 'src/TensorRT-LLM/cpp/include/tensorrt_llm/executor/executor.h'), '')
  writeText(join(root, 'src/TensorRT-LLM/tensorrt_llm/version.py'), '__version__ = "1.2.1"\n')
  for (const header of ['cuda_fp16.h', 'cuda_runtime_api.h', 'crt/host_defines.h']) {
    writeText(join(site, 'nvidia/cu13/include', header), '')
  }
}

export function writeText(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

export function writeProgram(file: string, script: string): void {
  writeText(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

/** A line of shell that prints a text without any program. */
export const say = (text: string): string => `printf '%s' '${text}'`
