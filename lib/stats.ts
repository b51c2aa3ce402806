/** Statistics: one reader drains the runtime and feeds everybody who subscribes. */
import type { IterationStats, RawEngine, RequestStats } from './native.js'

/** One iteration of the runtime. */
export interface EngineStats extends IterationStats {
  /** Of every request known in this iteration; present with `requestStatsMaxIterations` above 0. */
  requestStats?: RequestStats[]
}

/** Drains the runtime while there are subscribers. */
export interface StatsReader {
  /** Iterations from now on, oldest first, until the engine closes. A slow reader loses the oldest. */
  subscribe(): AsyncIterableIterator<EngineStats>
  /** Hands over what is left and ends all subscriptions. To be called before the runtime shuts down. */
  close(): void
}

const POLL_MS = 50
/** Most iterations that wait for a slow subscriber. */
const MAX_WAITING = 10_000

export function createStatsReader(raw: Pick<RawEngine, 'takeStats'>): StatsReader {
  const subscriptions = new Set<Subscription>()
  const takeAll = createTaker(raw)
  let timer: NodeJS.Timeout | undefined

  function read(): void {
    const stats = takeAll()
    for (const subscription of subscriptions) subscription.put(stats)
  }

  function end(subscription: Subscription): void {
    subscription.end()
    subscriptions.delete(subscription)
    if (subscriptions.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }

  return {
    subscribe() {
      if (subscriptions.size === 0) takeAll() // what was before is nobody's
      const subscription = createSubscription()
      subscriptions.add(subscription)
      timer ??= setInterval(read, POLL_MS).unref()
      return {
        next: () => subscription.take(),
        async return() {
          end(subscription)
          return { done: true, value: undefined }
        },
        [Symbol.asyncIterator]() {
          return this
        },
      }
    },
    close() {
      if (subscriptions.size > 0) read()
      for (const subscription of [...subscriptions]) end(subscription)
    },
  }
}

/** Joins the two lists of the runtime by iteration. They are read one after the other: the second may be ahead. */
function createTaker(raw: Pick<RawEngine, 'takeStats'>): () => EngineStats[] {
  let ahead = new Map<number, RequestStats[]>()
  return () => {
    const { iterations, requests } = raw.takeStats()
    for (const { iter, requestStats } of requests) ahead.set(iter, requestStats)
    const joined = iterations.map((stats) => {
      const requestStats = ahead.get(stats.iter)
      return requestStats === undefined ? stats : { ...stats, requestStats }
    })
    const last = iterations.at(-1)?.iter ?? Number.NEGATIVE_INFINITY
    ahead = new Map([...ahead].filter(([iter]) => iter > last))
    return joined
  }
}

interface Subscription {
  put(stats: EngineStats[]): void
  take(): Promise<IteratorResult<EngineStats>>
  end(): void
}

function createSubscription(): Subscription {
  let waiting: EngineStats[] = []
  let readers: ((result: IteratorResult<EngineStats>) => void)[] = []
  let ended = false

  function serve(): void {
    while (readers.length > 0 && waiting.length > 0) {
      const value = waiting.shift()
      if (value !== undefined) readers.shift()?.({ done: false, value })
    }
    if (!ended) return
    for (const reader of readers) reader({ done: true, value: undefined })
    readers = []
  }

  return {
    put(stats) {
      waiting = waiting.concat(stats).slice(-MAX_WAITING)
      serve()
    },
    take: () =>
      new Promise((resolve) => {
        readers.push(resolve)
        serve()
      }),
    end() {
      ended = true
      serve()
    },
  }
}
