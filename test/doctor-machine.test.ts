/** What is named when the driver, the GPU, MPI or the environment stand in the way. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Change, expectProblems, type Outcome, remove, systemLibrary, useDoctor } from './helpers/doctor.js'
import {
  type GpuMachine,
  SMI_GPUS,
  SMI_SUMMARY,
  writeOpenMpi,
  writeProgram,
  writeSmi,
  writeText,
} from './helpers/gpu-machine.js'
import { writeLibrary } from './helpers/tiny-libraries.js'

const doctor = useDoctor()

describe('the driver and the GPU', () => {
  const proc = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (builder@)  \n'

  test.each<[string, Change, ...Outcome[]]>([
    [
      'no driver',
      (machine) => {
        remove(join(machine.root, 'bin/nvidia-smi'))
        remove(systemLibrary(machine, 'libcuda.so.1'))
      },
      ['driver', 'error', /there is no NVIDIA driver/, /--gpus all/],
    ],
    [
      'the kernel module alone, in a container without the rest',
      (machine) => {
        remove(join(machine.root, 'bin/nvidia-smi'))
        remove(systemLibrary(machine, 'libcuda.so.1'))
        writeText(join(machine.root, 'proc/driver/nvidia/version'), proc)
      },
      ['driver', 'error', /libcuda\.so\.1 is not/, /NVIDIA_DRIVER_CAPABILITIES/],
      ['gpu', 'error', /reports no GPU/, /--gpus all/],
    ],
    [
      'a driver that is too old',
      ({ root }) => writeSmi(root, SMI_SUMMARY.replaceAll('580.159.04', '570.86.15').replace('13.0', '12.8'), SMI_GPUS),
      ['driver', 'error', /linked with CUDA 13, the driver 570\.86\.15 runs CUDA 12\.8 at most/, /580 or newer/],
    ],
    [
      'a stub in place of the driver',
      (machine) => {
        const stubs = join(machine.root, 'usr/local/cuda/lib64/stubs')
        writeLibrary(join(stubs, 'libcuda.so.1'))
        machine.env.LD_LIBRARY_PATH = stubs
      },
      ['driver', 'error', /is a stub for linking/, /LD_LIBRARY_PATH/],
      ['environment', 'error', /^LD_LIBRARY_PATH has .*stubs/, /take/],
    ],
    [
      'a GPU that is too old',
      ({ root }) => writeSmi(root, SMI_SUMMARY, '0, Tesla T4, 7.5, 15360\n'),
      [
        'gpu',
        'error',
        /GPU 0, Tesla T4: .* no code for compute capability 7\.5, only for 8\.0, 8\.6/,
        /embedded runtime/,
      ],
    ],
    [
      'an old one beside a good one',
      ({ root }) => writeSmi(root, SMI_SUMMARY, `0, Tesla V100, 7.0, 16384\n1, NVIDIA L4, 8.9, 23034\n`),
      ['gpu', 'warning', /GPU 0, Tesla V100: .* 7\.0/, /CUDA_VISIBLE_DEVICES/],
    ],
    [
      'none that the driver can use',
      ({ root }) =>
        writeProgram(
          join(root, 'bin/nvidia-smi'),
          'case "$1" in --query*) exit 6;; *) echo "Driver Version: 580.1 CUDA Version: 13.0";; esac',
        ),
      ['gpu', 'error', /reports no GPU/],
    ],
  ])('%s', async (_, change, ...expected) => expectProblems(await doctor(change), expected))

  test('a capability that is not said is no problem', async () => {
    const findings = await doctor(({ root }) => writeSmi(root, SMI_SUMMARY, '0, Some GPU, [N/A], [N/A]\n'))
    expectProblems(findings, [])
    expect(findings).toContainEqual({
      check: 'gpu',
      status: 'note',
      message: 'GPU 0, Some GPU: the driver does not say its compute capability',
    })
  })
})

function replaceMpi(machine: GpuMachine): void {
  remove(systemLibrary(machine, 'libmpi.so.40'))
  remove(systemLibrary(machine, 'libmpi.so.40.30.6'))
}

describe('MPI', () => {
  test.each<[string, Change, ...Outcome[]]>([
    ['none', replaceMpi, ['mpi', 'error', /^libmpi\.so\.40 was not found: there is no MPI$/, /libopenmpi-dev/]],
    [
      'MPICH',
      (machine) => {
        replaceMpi(machine)
        writeLibrary(systemLibrary(machine, 'libmpi.so.12'))
      },
      ['mpi', 'error', /libmpi\.so\.12 is MPICH, TensorRT-LLM needs OpenMPI/, /OPAL_PREFIX/],
    ],
    [
      'another MPI of the same name',
      (machine) => {
        replaceMpi(machine)
        writeOpenMpi(machine.root, '40.0.0', [], ['MPIR_Process'])
      },
      ['mpi', 'error', /is no OpenMPI/, /OPAL_PREFIX/],
    ],
    [
      'OpenMPI 5',
      (machine) => {
        replaceMpi(machine)
        writeLibrary(systemLibrary(machine, 'libopen-pal.so.80'))
        writeOpenMpi(machine.root, '40.40.7', ['libopen-pal.so.80'])
      },
      ['mpi', 'warning', /40\.40\.7\).* is not version 4/, /OpenMPI 4\.1/],
    ],
    [
      'no orted',
      ({ root }) => remove(join(root, 'bin/orted')),
      ['mpi', 'warning', /orted is not on the PATH/, /openmpi-bin/],
    ],
    [
      'a Slurm job without ranks',
      ({ env }) => {
        env.SLURM_JOB_ID = '7'
      },
      ['mpi', 'warning', /Slurm job/, /mpirun -n 1/],
    ],
  ])('%s', async (_, change, ...expected) => expectProblems(await doctor(change), expected))

  test.each<[string, Change]>([
    [
      'orted is not needed',
      ({ root, env }) => {
        remove(join(root, 'bin/orted'))
        env.OMPI_MCA_ess_singleton_isolated = '1'
      },
    ],
    [
      'a Slurm job with ranks',
      ({ env }) => {
        env.SLURM_JOB_ID = '7'
        env.PMIX_RANK = '0'
      },
    ],
  ])('%s', async (_, change) => expectProblems(await doctor(change), []))
})

describe('environment variables', () => {
  test.each<[string, string, ...Outcome[]]>([
    [
      'TLLM_LOG_LEVEL',
      'verbose',
      ['environment', 'error', /'verbose': the first message/, /TRACE, DEBUG, INFO, WARNING, ERROR/],
    ],
    ['TLLM_LOG_FIRST_RANK_ONLY', 'ON', ['environment', 'warning', /mute/]],
    ['TLLM_DISABLE_MPI', '1', ['environment', 'error', /MPI/]],
    ['CUDA_VISIBLE_DEVICES', '', ['environment', 'error', /hides every GPU/]],
    ['CUDA_VISIBLE_DEVICES', '-1', ['environment', 'error', /hides every GPU/]],
    ['OPAL_PREFIX', '/no/such', ['environment', 'error', /\/no\/such, which does not exist/]],
    ['TRTLLM_MMHA_KERNEL_BLOCK_SIZE', 'auto', ['environment', 'error', /'auto', not a number/]],
    ['TLLM_LOG_LEVEL', 'INFO'],
    ['TLLM_DISABLE_MPI', '0'],
    ['CUDA_VISIBLE_DEVICES', '0,1'],
    ['CUDA_VISIBLE_DEVICES', 'GPU-8f6d3c1e'],
    ['TRTLLM_MMHA_KERNEL_BLOCK_SIZE', '256'],
  ])('%s=%s', async (name, value, ...expected) => {
    const findings = await doctor(({ env }) => {
      env[name] = value
    })
    expectProblems(findings, expected)
  })
})
