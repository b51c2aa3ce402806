// What the benchmarks share: their options, figures over several rounds, and the machine they ran on.
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'

/** `--json`, `--rounds N` and what else is given, as parseArgs describes it. */
export function benchOptions(more = {}) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '3' }, ...more },
  })
  return { ...values, rounds: Number(values.rounds) }
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
