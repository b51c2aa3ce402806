/** What the doctor finds on a machine on which everything is right, after a change. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { diagnose } from '../../lib/doctor/doctor.js'
import type { Finding } from '../../lib/doctor/finding.js'
import { examine } from '../../lib/doctor/patient.js'
import { type GpuMachine, gpuMachineAt, writeGpuMachine, writeText } from './gpu-machine.js'
import { tempFolder } from './temp.js'

export type Change = (machine: GpuMachine) => void
export type Outcome = [check: string, status: Finding['status'], message: RegExp, remedy?: RegExp]

export type Doctor = (change: Change, options?: { model?: string; libs?: string }) => Promise<Finding[]>

/** For a file of tests: writes the machine once, and copies it for each call. */
export function useDoctor(): Doctor {
  const healthy = mkdtempSync(join(tmpdir(), 'trtllm-node-machine-'))
  beforeAll(() => {
    writeGpuMachine(healthy)
    writeText(join(healthy, 'proc/cpuinfo'), 'model name\t: Test CPU\nflags\t\t: fpu avx2 avx512f\n')
    writeText(join(healthy, 'proc/meminfo'), 'MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n')
  })
  afterAll(() => rmSync(healthy, { recursive: true }))
  return async (change, options = {}) => {
    const root = tempFolder()
    cpSync(healthy, root, { recursive: true, verbatimSymlinks: true })
    const machine = gpuMachineAt(root)
    change(machine)
    return diagnose(await examine({ root, env: machine.env, cacheFolder: join(root, 'cache'), ...options }))
  }
}

/** Everything that is wrong is expected, and all that is expected is there. No addon is compiled for these empty libraries. */
export function expectProblems(findings: Finding[], expected: Outcome[]): void {
  const problems = findings.filter(
    ({ check, status }) => check !== 'compiled' && (status === 'warning' || status === 'error'),
  )
  const matching = expected.map(([check, status, message, remedy]) => ({
    check,
    status,
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(remedy ?? /./),
  }))
  expect(problems).toEqual(matching)
}

export const remove = (file: string): void => rmSync(file, { recursive: true })

export const systemLibrary = ({ root }: GpuMachine, name: string): string =>
  join(root, 'usr/lib/x86_64-linux-gnu', name)
