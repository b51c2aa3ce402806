/** Work under the same key runs one piece after the other, in the order of the calls. */
export interface Turns {
  /** Starts at once if nothing is under way under the key. Settles as `run` does; a failure stops nobody behind it. */
  take<T>(key: string, run: () => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>()

  return {
    take(key, run) {
      const before = last.get(key)
      const result = before === undefined ? run() : before.then(run)
      const done: Promise<void> = result
        .then(
          () => {},
          () => {}, // told to its own caller
        )
        .then(() => {
          if (last.get(key) === done) last.delete(key)
        })
      last.set(key, done)
      return result
    },
  }
}
