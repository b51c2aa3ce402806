/** A table of child processes: every prefix of an engine's life with every kind of end. */
import { describe, expect, test } from 'vitest'
// @ts-expect-error: plain JavaScript, it runs without a build
import { STAGES } from './children/stages.mjs'
import { childScript, runNode } from './helpers/child.js'

const ENDINGS: Record<string, number[]> = {
  natural: [0], // an idle engine lets the process end
  exit: [0, 8],
  'terminate worker': [10, 40, 80, 120, 160, 200, 300],
  'terminate worker at its stage': [0, 3, 20],
  'exit with worker': [0, 8],
}

const table = Object.keys(STAGES as object).flatMap((stage) =>
  Object.entries(ENDINGS).flatMap(([ending, delays]) => delays.map((delay) => ({ stage, ending, delay }))),
)

describe.concurrent('a process ends cleanly', () => {
  test.each(table)('$stage, $ending after $delay ms', async ({ stage, ending, delay }) => {
    const life = await runNode([childScript('life.mjs'), stage, ending, String(delay)])
    expect(life).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
  })
})

test('50 Workers, terminated at 50 moments, one after the other in one process', async () => {
  const life = await runNode([childScript('many-workers.mjs')])
  expect(life).toEqual({ code: 0, signal: null, stdout: 'still alive\n', stderr: '' })
})

test('50 load/close cycles leave memory flat', async () => {
  // a small young generation, collected on one thread: V8's own growth would hide ours
  const flags = ['--expose-gc', '--max-semi-space-size=1', '--single-threaded']
  const life = await runNode([...flags, childScript('load-cycles.mjs')])
  expect(life).toMatchObject({ code: 0, stderr: '' })
  const { bytesPerCycle } = JSON.parse(life.stdout) as { bytesPerCycle: number }
  expect(bytesPerCycle).toBeLessThan(20_000)
})
