/** A machine without TensorRT-LLM, and the table of all checks. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Change, expectProblems, remove, useDoctor } from './helpers/doctor.js'
import { writeEngines } from './helpers/engine-pairs.js'
import { SMI_SUMMARY, writeSmi, writeText } from './helpers/gpu-machine.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'

const doctor = useDoctor()

describe('a machine for the embedded runtime alone', () => {
  const alone: Change = ({ root, env }) => {
    for (const name of ['opt', 'bin', 'src', 'usr']) remove(join(root, name))
    delete env.TRTLLM_NODE_INCLUDE
  }

  test('lacks nothing', async () => {
    const findings = await doctor(alone)
    expect(findings.map(({ check, status }) => [check, status])).toEqual([
      ['addon', 'ok'],
      ['cpu', 'ok'],
      ['memory', 'ok'],
      ['driver', 'note'],
      ['installation', 'note'],
    ])
  })

  test('a GPU that TensorRT-LLM could not use is a note', async () => {
    const findings = await doctor((machine) => {
      alone(machine)
      mkdirSync(join(machine.root, 'bin'))
      writeSmi(machine.root, SMI_SUMMARY, '0, Tesla T4, 7.5, 15360\n')
    })
    expectProblems(findings, [])
    expect(findings).toContainEqual(expect.objectContaining({ check: 'gpu', status: 'note' }))
  })

  test('an old processor is slow', async () => {
    const findings = await doctor((machine) => {
      alone(machine)
      writeText(join(machine.root, 'proc/cpuinfo'), 'model name\t: Old\nflags\t\t: fpu sse4_2\n')
    })
    expect(findings).toContainEqual({
      check: 'cpu',
      status: 'note',
      message: expect.stringContaining('Old has no AVX2'),
    })
  })

  test.each([
    ['memory.max', 'memory.current'],
    ['memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes'],
  ])('a model larger than the control group allows: %s', async (limit, usage) => {
    const model = join(import.meta.dirname, '../models/g2p-en')
    const findings = await doctor(
      (machine) => {
        alone(machine)
        writeText(join(machine.root, 'sys/fs/cgroup', limit), '2000000\n')
        writeText(join(machine.root, 'sys/fs/cgroup', usage), '1900000\n')
      },
      { model },
    )
    expectProblems(findings, [['memory', 'warning', /^0\.0 GB available, the model's weights take/, /bfloat16/]])
  })

  test('a broken TensorRT-LLM is no problem of a checkpoint', async () => {
    const change: Change = ({ root, site, env }) => {
      remove(join(root, 'bin/nvidia-smi'))
      remove(join(site, 'nvidia/nccl'))
      delete env.TRTLLM_NODE_INCLUDE
    }
    const findings = await doctor(change, { model: join(import.meta.dirname, '../models/g2p-en') })
    expectProblems(findings, [])
    expect(findings).toContainEqual({
      check: 'dependencies',
      status: 'note',
      message: 'libnccl.so.2 was not found; libtensorrt_llm.so needs it',
      remedy: expect.stringContaining('nvidia-nccl-cu13'),
    })
  })

  test('a Hugging Face folder', async () => {
    const model = join(familyGoldens()[0]?.folder ?? '', 'hf')
    expect(await doctor(alone, { model })).toContainEqual({
      check: 'model',
      status: 'note',
      message: expect.stringMatching(/Hugging Face folder.*converts it by itself/),
    })
  })

  test('a model that does not exist', async () => {
    expectProblems(await doctor(alone, { model: '/no/such' }), [['model', 'error', /there is no model folder/]])
  })
})

test('each check has a row in docs/doctor.md', async () => {
  const table = readFileSync(join(import.meta.dirname, '../docs/doctor.md'), 'utf8')
  const rows = Array.from(table.matchAll(/^\| `([a-z]+)` \|/gm), ([, check]) => check)
  const engines = writeEngines(tempFolder())
  const checks = (await doctor(() => {}, { model: engines })).map(({ check }) => check)
  // these two speak only in other circumstances
  expect([...rows].sort()).toEqual([...new Set([...checks, 'loading', 'ranks'])].sort())
})
