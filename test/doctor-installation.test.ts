/** A machine on which TensorRT-LLM runs, and what is named when its files are broken. */
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Change, expectProblems, type Outcome, remove, systemLibrary, useDoctor } from './helpers/doctor.js'
import { writePackage, writeRecord, writeText, writeTrtllm } from './helpers/gpu-machine.js'
import { writeLibrary } from './helpers/tiny-libraries.js'

const doctor = useDoctor()

test('a machine on which everything is right', async () => {
  const findings = await doctor(() => {})
  expectProblems(findings, [])
  const messages = findings.map(({ check, message }) => `${check}: ${message}`)
  expect(messages).toEqual(
    expect.arrayContaining([
      'cpu: Test CPU: AVX2, AVX-512',
      'memory: 8.2 GB available',
      'driver: NVIDIA driver 580.159.04, up to CUDA 13.0',
      'gpu: GPU 0, NVIDIA H100 80GB HBM3: compute capability 9.0, 80 GiB',
      'version: 1.2.1 is supported',
      'cuda: everything is linked with CUDA 13',
      'tensorrt: TensorRT 10.14.1.48',
      'environment: no variable stands in the way',
      expect.stringMatching(/^libraries: libcublas\.so\.13 \(nvidia-cublas 13\.1\.0\.3\): \/.*libcublas\.so\.13$/),
      expect.stringMatching(/^mpi: OpenMPI \(libmpi\.so\.40 40\.30\.6\): /),
    ]),
  )
})

describe('the installation', () => {
  test.each<[string, Change, ...Outcome[]]>([
    [
      'plugins are missing',
      ({ libs }) => remove(join(libs, 'libnvinfer_plugin_tensorrt_llm.so')),
      ['installation', 'error', /libnvinfer_plugin_tensorrt_llm\.so is not beside/, /uninstall/],
    ],
    [
      'another version',
      ({ site, root }) => {
        remove(join(site, 'tensorrt_llm-1.2.1.dist-info'))
        writePackage(site, 'tensorrt_llm', '1.1.0', [])
        writeText(join(root, 'src/TensorRT-LLM/tensorrt_llm/version.py'), '__version__ = "1.1.0"\n')
      },
      ['version', 'error', /^TensorRT-LLM 1\.1\.0 is not supported, only 1\.2$/, /pip install/],
    ],
    [
      'two versions, one over the other',
      ({ site }) => writePackage(site, 'tensorrt_llm', '1.2.9', []),
      ['version', 'error', /mixture of the versions 1\.2\.1 and 1\.2\.9/, /uninstall/],
    ],
    [
      'no version',
      ({ site }) => remove(join(site, 'tensorrt_llm-1.2.1.dist-info')),
      ['version', 'warning', /says its version/],
      ['headers', 'warning', /nothing says the version of the libraries/],
    ],
    [
      'no headers',
      ({ env }) => delete env.TRTLLM_NODE_INCLUDE,
      ['headers', 'error', /no C\+\+ headers/, /git clone .* --branch v1\.2\.1 .*--include/],
    ],
    [
      'headers of another version',
      ({ root }) => writeText(join(root, 'src/TensorRT-LLM/tensorrt_llm/version.py'), '__version__ = "1.2.0"\n'),
      ['headers', 'error', /are those of 1\.2\.0, the libraries those of 1\.2\.1/, /--branch v1\.2\.1/],
    ],
    [
      'headers of unknown version',
      ({ root }) => remove(join(root, 'src/TensorRT-LLM/tensorrt_llm')),
      ['headers', 'warning', /nothing says the version of the headers/],
    ],
    [
      'no CUDA headers',
      ({ site }) => remove(join(site, 'nvidia/cu13/include/crt')),
      ['headers', 'error', /CUDA headers .* are missing/, /nvidia-cuda-crt/],
    ],
    [
      'truncated',
      ({ libs }) => truncateSync(join(libs, 'libtensorrt_llm.so'), 1000),
      ['installation', 'error', /libtensorrt_llm\.so is damaged .* truncated: 1000 bytes/, /install/],
    ],
  ])('%s', async (_, change, ...expected) => expectProblems(await doctor(change), expected))

  test('that was chosen is not there', async () => {
    expectProblems(await doctor(() => {}, { libs: '/no/such' }), [
      ['installation', 'error', /looked at \/no\/such/, /--libs/],
    ])
  })
})

describe('libraries', () => {
  test.each<[string, Change, ...Outcome[]]>([
    [
      'one of pip is missing',
      ({ site }) => remove(join(site, 'nvidia/nccl')),
      ['dependencies', 'error', /^libnccl\.so\.2 was not found; libtensorrt_llm\.so needs it$/, /nvidia-nccl-cu13/],
    ],
    [
      'a sibling is missing',
      ({ libs }) => remove(join(libs, 'libdecoder_attention_1.so')),
      ['dependencies', 'error', /^libdecoder_attention_1\.so was not found/, /install it again/],
    ],
    [
      'one is truncated',
      ({ site }) => truncateSync(join(site, 'torch/lib/libtorch_cpu.so'), 40),
      ['libraries', 'error', /libtorch_cpu\.so is damaged/, /install/],
    ],
    [
      'two packages over each other',
      ({ site }) => writeRecord(site, 'nvidia_nccl_cu12', '2.27.5', ['nvidia/nccl/lib/libnccl.so.2']),
      [
        'libraries',
        'warning',
        /libnccl\.so\.2 was installed by nvidia-nccl-cu12 2\.27\.5 and nvidia-nccl-cu13/,
        /uninstall/,
      ],
    ],
    [
      'PyTorch for another CUDA',
      ({ site }) => {
        writeLibrary(join(site, 'torch/lib/libtorch_cuda.so'), { needs: ['libcublas.so.12', 'libtorch_cpu.so'] })
        writePackage(site, 'nvidia_cublas_cu12', '12.8.4.1', ['nvidia/cublas/lib/libcublas.so.12'])
      },
      ['cuda', 'error', /linked with CUDA 13, but libtorch_cuda\.so with CUDA 12/, /cu130/],
    ],
    [
      'PyTorch of another ABI',
      ({ site }) => {
        const symbols = ['_ZN3c105ErrorC1ENS_14SourceLocationESs']
        writeLibrary(join(site, 'torch/lib/libc10.so'), { symbols })
      },
      ['abi', 'error', /^libtensorrt_llm\.so .* the new std::string .*libc10\.so with the old one$/, /PyTorch/],
    ],
    [
      'TensorRT-LLM of another ABI',
      ({ libs }) => writeTrtllm(libs, ['_ZN12tensorrt_llm8executor7Request11setBadWordsERKSt4listIiSaIiEE']),
      ['abi', 'error', /^libtensorrt_llm\.so .* the old std::string .*libc10\.so with the new one$/, /PyTorch/],
    ],
    [
      'glibc is too old',
      (machine) => writeLibrary(systemLibrary(machine, 'libc.so.6'), { symbols: ['GLIBC_2.36'] }),
      ['symbols', 'error', /needs GLIBC_2\.39, .*libc\.so\.6 has GLIBC_2\.36/, /Ubuntu 24\.04/],
    ],
    [
      'libstdc++ is too old',
      (machine) => writeLibrary(systemLibrary(machine, 'libstdc++.so.6'), { symbols: ['GLIBCXX_3.4.30'] }),
      ['symbols', 'error', /needs GLIBCXX_3\.4\.32, .*libstdc\+\+\.so\.6 has GLIBCXX_3\.4\.30/, /libstdc\+\+6/],
    ],
    [
      'another TensorRT',
      ({ site }) => {
        remove(join(site, 'tensorrt_cu13_libs-10.14.1.48.dist-info'))
        writeRecord(site, 'tensorrt_cu13_libs', '10.11.0.33', ['tensorrt_libs/libnvinfer.so.10'])
      },
      [
        'tensorrt',
        'warning',
        /^TensorRT 10\.11\.0\.33 was found, TensorRT-LLM 1\.2 was built with 10\.14$/,
        /tensorrt==10\.14/,
      ],
    ],
  ])('%s', async (_, change, ...expected) => expectProblems(await doctor(change), expected))
})
