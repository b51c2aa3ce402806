/** What the runtime's finder and the doctor may see of a machine; tests make machines of their own. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CommandResult {
  /** Exit code; null if it was killed, by a signal or by the time limit. */
  code: number | null
  /** Standard output and standard error. */
  output: string
}

export interface System {
  env: NodeJS.ProcessEnv
  /** Folder in which absolute paths that are not the user's choice are looked for; '/' but for tests. */
  root: string
  /** Runs a program of PATH, at most ten seconds long; null if there is none. Never throws. */
  run(program: string, args: readonly string[]): Promise<CommandResult | null>
}

const LIMIT_MS = 10_000

/** This machine, or a part of it. */
export function createSystem({
  env = process.env,
  root = '/',
}: {
  env?: NodeJS.ProcessEnv | undefined
  root?: string | undefined
}): System {
  return { env, root, run: (program, args) => runProgram(program, args, env) }
}

/** An absolute path of the machine as one that can be opened. */
export const pathIn = ({ root }: System, path: string): string => join(root, path)

/** The text of a small file; null if it cannot be read. */
export function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function runProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<CommandResult | null> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  // not spawn's own time limit, which keeps the process alive if there is no such program
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  return new Promise((resolve) => {
    const end = (result: CommandResult | null) => {
      clearTimeout(timer)
      resolve(result)
    }
    child.on('error', () => end(null))
    child.on('close', (code) => end({ code, output }))
  })
}
