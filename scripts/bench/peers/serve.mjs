// The conversation with the orchestrator: one JSON object a line in, one out.
import { createInterface } from 'node:readline'

/** @param {(command: object) => Promise<object>} answer */
export async function serveLines(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line)).catch(({ message }) => ({ error: message }))
    process.stdout.write(`${JSON.stringify(reply)}\n`)
  }
}

/** Runs `run`, which gives the number of tokens. */
export async function timed(run) {
  const started = performance.now()
  const tokens = await run()
  return { seconds: (performance.now() - started) / 1000, tokens }
}
