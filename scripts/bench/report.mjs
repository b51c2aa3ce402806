// What the benchmarks share: their options, figures over several rounds, and the machine they ran on.
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'

/** How often each side of a comparison takes its turn. */
export const ROUNDS = { rounds: { type: 'string', default: '3' } }

/** `--json` and what else is given, as parseArgs describes it. */
export function benchOptions(more = {}) {
  return parseArgs({ options: { json: { type: 'boolean', default: false }, ...more } }).values
}

export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

/** @param {number[]} values */
export function spread(values) {
  return { min: Math.min(...values), median: percentile(values, 0.5), max: Math.max(...values) }
}

export function machine() {
  return { cpu: cpus()[0]?.model.trim(), cores: availableParallelism(), node: process.version }
}
