/** Runs Node.js scripts of test/children and the command-line tool as processes of their own. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './sample.js'

export interface ChildResult {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface ChildOptions {
  /** Standard input; none if undefined. */
  input?: string | undefined
  env?: NodeJS.ProcessEnv
  cwd?: string
}

export function runNode(args: string[], { input, env, cwd = root }: ChildOptions = {}): Promise<ChildResult> {
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...env } })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  }
  child.stdin.on('error', () => {}) // it may end before it has read everything
  child.stdin.end(input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, ...output }))
  })
}

export const childScript = (name: string): string => join(root, 'test/children', name)

export const cliScript = join(root, 'dist/cli/main.js')
