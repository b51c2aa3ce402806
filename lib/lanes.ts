/**
 * Which requests may enter a runtime that holds one beam width at a time: those of another width wait until it has
 * drained, first come, first served. Once one waits, later ones of any width queue behind it.
 */
export interface Lanes<T> {
  /** Puts new ones behind those that wait. */
  add(items: readonly T[]): void
  /** Those that may enter now, in order; they count as inside from here on. */
  admit(): T[]
  /** One that was inside has left. */
  leave(): void
}

export interface LaneRules<T> {
  widthOf(item: T): number
  /** It does not want to enter any more. */
  isGone(item: T): boolean
  /** The runtime holds several widths side by side, so nobody waits. */
  mixed: boolean
}

export function createLanes<T>({ widthOf, isGone, mixed }: LaneRules<T>): Lanes<T> {
  let waiting: T[] = []
  let inside = 0
  let width = 0

  const mayEnter = (item: T) => mixed || inside === 0 || widthOf(item) === width

  return {
    add(items) {
      waiting = waiting.concat(items)
    },
    admit() {
      waiting = waiting.filter((item) => !isGone(item))
      let count = 0
      for (const item of waiting) {
        if (!mayEnter(item)) break
        width = widthOf(item)
        inside++
        count++
      }
      return waiting.splice(0, count)
    },
    leave() {
      inside--
    },
  }
}
