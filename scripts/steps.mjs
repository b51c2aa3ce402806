// Runs commands as named steps: says what starts, shows progress while it runs, and how long it took.
// All of that goes to standard error. Node.js built-ins only: this runs before `npm ci`.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository's root. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** Ends the script with a message for people instead of a stack. */
export class StepFailed extends Error {}

/**
 * Runs a command in the root, quietly but for its progress; its whole output is shown if it fails.
 * @param {string} title what it does, for people
 * @param {string[]} command program and arguments
 * @param {NodeJS.ProcessEnv} [env] additions to the environment
 */
export async function step(title, [program, ...args], env = {}) {
  const started = Date.now()
  const progress = startProgress(title)
  const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.setEncoding('utf8').on('data', (text) => {
      output += text
      progress.see(text)
    })
  }
  const code = await exitCode(child)
  progress.stop()
  if (code !== 0) throw new StepFailed(`${output}\n${title}: failed (${shortened([program, ...args])})`)
  console.error(`${title}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/**
 * Runs a command in the root with its output shown as it comes.
 * @param {string[]} command program and arguments
 * @param {NodeJS.ProcessEnv} [env] additions to the environment
 */
export async function show([program, ...args], env = {}) {
  const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
  if ((await exitCode(child)) !== 0) throw new StepFailed(`failed: ${shortened([program, ...args])}`)
}

/**
 * Runs a script's main function; a failed step ends it with exit code 1.
 * @param {() => Promise<void>} main
 */
export async function runScript(main) {
  try {
    await main()
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

function shortened(command) {
  const line = command.join(' ')
  return line.length > 200 ? `${line.slice(0, 200)} …` : line
}

/** @param {import('node:child_process').ChildProcess} child */
function exitCode(child) {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new StepFailed(error.message)))
    child.on('close', (code) => resolve(code))
  })
}

/** A line that is rewritten on a terminal, and one line per 10 seconds elsewhere. */
function startProgress(title) {
  const terminal = process.stderr.isTTY
  const started = Date.now()
  let count = ''
  const show = () => {
    const line = `${title} … ${count}${Math.round((Date.now() - started) / 1000)} s`
    process.stderr.write(terminal ? `\r\x1b[K${line}` : `${line}\n`)
  }
  if (terminal) show()
  else console.error(`${title} …`)
  const timer = setInterval(show, terminal ? 500 : 10_000)
  return {
    /** Ninja counts its work: [12/40]. */
    see(text) {
      const match = [...text.matchAll(/\[(\d+)\/(\d+)\]/g)].at(-1)
      if (match) count = `${match[1]} of ${match[2]}, `
    },
    stop() {
      clearInterval(timer)
      if (terminal) process.stderr.write('\r\x1b[K')
    },
  }
}
