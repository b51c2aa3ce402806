// How much processor time went to somebody else while something was measured.
import { readFileSync } from 'node:fs'

/** More than so many cores for others, and a round is marked. */
const DISTURBED_CORES = 0.1
const TICKS_PER_SECOND = 100

/** Seconds of user, nice, system, interrupts and stolen time of the whole machine. */
function busySeconds() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

/** Seconds of a process, and of those of its children that have ended. */
function secondsOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

/**
 * Starts to watch.
 * @param {number[]} pids processes that are ours beside this one
 * @returns {() => { foreignCores: number, disturbed: boolean }} to be called while they still live
 */
export function watchOthers(pids = []) {
  const foreign = () => busySeconds() - ['self', ...pids].reduce((sum, pid) => sum + secondsOf(pid), 0)
  const before = foreign()
  const started = performance.now()
  return () => {
    const foreignCores = Math.max(0, (1000 * (foreign() - before)) / (performance.now() - started))
    return { foreignCores, disturbed: foreignCores > DISTURBED_CORES }
  }
}

/** "2 of 5 rounds disturbed", or ''. */
export function describeDisturbed(rounds) {
  const count = rounds.filter(({ disturbed }) => disturbed).length
  return count === 0 ? '' : `${count} of ${rounds.length} disturbed`
}
