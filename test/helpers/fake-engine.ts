/** A runtime that does nothing but take notes, and a fleet over it: what reaches the border, and what comes of answers. */
import { createFleet, type Fleet } from '../../lib/fleet.js'
import { createLogitsDispatcher } from '../../lib/logits-processor.js'
import type { RawEngine } from '../../lib/native.js'
import type { RawRequest } from '../../lib/raw-request.js'
import { type RawResponseBatch, RawResponseFlag } from '../../lib/raw-response.js'
import { createDispatcher } from '../../lib/response.js'
import { requestContext } from './request-context.js'

export interface FakeEngine {
  raw: RawEngine
  fleet: Fleet
  /** One entry per call of `enqueue`. */
  sent: RawRequest[][]
  cancelled: number[]
  /** Task ids of adapters. */
  released: number[]
  pins: [id: number, pinned: boolean][]
  /** The runtime is done with a request. */
  end(id: number): void
  fail(id: number, message: string): void
}

/** Ids count from 1 in the order of sending. Requests that `refuse` names are answered with its message. */
export function createFakeEngine(
  mixedBeamWidths: boolean,
  refuse: (request: RawRequest) => string | undefined = () => undefined,
): FakeEngine {
  const sent: RawRequest[][] = []
  const cancelled: number[] = []
  const released: number[] = []
  const pins: [number, boolean][] = []
  let lastId = 0
  const raw: RawEngine = {
    limits: requestContext.limits,
    canEnqueueRequests: true,
    enqueue(requests) {
      sent.push(requests)
      return requests.map((request) => refuse(request) ?? ++lastId)
    },
    cancel: (ids) => cancelled.push(...ids),
    releaseAdapters: (ids) => released.push(...ids),
    pinAdapter: (id, pinned) => pins.push([id, pinned]),
    snapshot: () => ({
      numQueuedRequests: 0,
      numActiveRequests: 0,
      usedSelfBlocks: 0,
      usedCrossBlocks: 0,
      iteration: 0,
    }),
    takeStats: () => ({ iterations: [], requests: [] }),
    close: async () => {},
  }
  const dispatcher = createDispatcher()
  const fleet = createFleet(raw, { dispatcher, processors: createLogitsDispatcher(), mixedBeamWidths })
  return {
    raw,
    fleet,
    sent,
    cancelled,
    released,
    pins,
    end: (id) => dispatcher.onResponses(responses([{ id, tokens: [[7]], final: true }])),
    fail: (id, error) => dispatcher.onResponses(responses([{ id, tokens: [], error }])),
  }
}

export interface FakeResponse {
  id: number
  /** [rows][tokens] */
  tokens: number[][]
  final?: boolean
  sequenceIndex?: number
  stable?: number
  /** [rows][tokens so far] */
  logProbs?: number[][]
  error?: string
}

/** As the addon packs them. */
export function responses(all: FakeResponse[]): RawResponseBatch {
  const rows = all.flatMap(({ tokens }) => tokens)
  const logProbs = all.flatMap((response) => response.logProbs ?? response.tokens.map(() => []))
  const ends = all.flatMap(({ tokens, final }) => tokens.map(() => (final ? 1 : 0)))
  return {
    ids: Float64Array.from(all, ({ id }) => id),
    flags: Uint8Array.from(all, flagsOf),
    sequenceIndices: Uint32Array.from(all, ({ sequenceIndex = 0 }) => sequenceIndex),
    rowOffsets: offsets(all.map(({ tokens }) => tokens.length)),
    finishReasons: Uint8Array.from(ends),
    tokenOffsets: offsets(rows.map(({ length }) => length)),
    tokens: Int32Array.from(rows.flat()),
    logProbOffsets: offsets(logProbs.map(({ length }) => length)),
    logProbs: Float32Array.from(logProbs.flat()),
    cumLogProbs: Float32Array.from(rows, () => Number.NaN),
    timings: new Float64Array(7 * all.length).fill(Number.NaN),
    stable: Int32Array.from(all, ({ stable = -1 }) => stable),
    errors: all.flatMap(({ error }) => error ?? []),
    tensors: [],
  }
}

function flagsOf({ final, error }: FakeResponse): number {
  if (error !== undefined) return RawResponseFlag.error
  return final ? RawResponseFlag.final | RawResponseFlag.sequenceFinal : 0
}

function offsets(lengths: number[]): Uint32Array {
  let sum = 0
  return Uint32Array.from([0, ...lengths.map((length) => (sum += length))])
}
