/** Random numbers that are the same in every run (mulberry32). */
export interface Random {
  /** From 0 to 1, 1 excluded. */
  next(): number
  /** An integer from 0 to n - 1. */
  below(n: number): number
  pick<T>(values: readonly T[]): T
  shuffled<T>(values: readonly T[]): T[]
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const random: Random = {
    next() {
      state = (state + 0x6d2b79f5) >>> 0
      let t = state
      t = Math.imul(t ^ (t >>> 15), t | 1)
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
    },
    below: (n) => Math.floor(random.next() * n),
    pick: <T>(values: readonly T[]) => values[random.below(values.length)] as T,
    shuffled<T>(values: readonly T[]) {
      const result = [...values]
      for (let i = result.length - 1; i > 0; i--) {
        const j = random.below(i + 1)
        const moved = result[i] as T
        result[i] = result[j] as T
        result[j] = moved
      }
      return result
    },
  }
  return random
}
