/** A stream of generated text: what `engine.stream` returns. */
import { ReadableStream } from 'node:stream/web'
import { TrtllmError, toTrtllmError } from './errors.js'
import type { Beam, FlightEvents } from './flight.js'
import { type Result, toResult } from './response.js'
import { createTextAssembler, type Tokenizer } from './tokenizer.js'

/**
 * What was generated since the chunk before; for a slow reader that can be many tokens. Beam search: what no later
 * chunk takes back, which may lag behind `best`. With several samples: of the first; the others are in the result.
 */
export interface StreamChunk {
  /** The chunks' texts concatenate to the result's text exactly; '' while a character is incomplete. */
  text: string
  outputTokenIds: number[]
  /** With `returnLogProbs`: one per token. */
  logProbs?: number[]
  /** Beam search only. */
  best?: BestSoFar
}

/** The best beam at this moment, whole. */
export interface BestSoFar {
  text: string
  outputTokenIds: number[]
  /** So many of its tokens are in all later ones. TensorRT-LLM does not tell: 0 until the end. */
  stable: number
}

/**
 * Can be read once. Leaving the loop early cancels the request. A slow reader gets merged chunks: no more than one
 * chunk waits. Reading fails with {@link AbortError} when the request's signal is aborted, with TrtllmError otherwise.
 */
export interface TextStream extends AsyncIterable<StreamChunk> {
  /**
   * The whole result, whether the stream is read or not; rejects as reading does. After `break` or `cancel` it has
   * finishReason 'cancelled' and what was generated until then.
   */
  readonly result: Promise<Result>
  /** Cancels the request; the reader sees the end. */
  cancel(): void
  /** The same as a web stream; takes the one reading. */
  toReadableStream(): ReadableStream<StreamChunk>
}

/** A stream and the events that feed it. `cancel` ends its request. */
export function createTextStream(
  tokenizer: Tokenizer | undefined,
  cancel: () => void,
): { stream: TextStream; events: FlightEvents } {
  const assembler = tokenizer && createTextAssembler(tokenizer)
  const decode = (ids: number[]) => tokenizer?.decode(ids) ?? ''
  const mailbox = createMailbox(decode)
  let text = ''
  let settle: { resolve(result: Result): void; reject(error: Error): void } | undefined
  const result = new Promise<Result>((resolve, reject) => {
    settle = { resolve, reject }
  })
  result.catch(() => {}) // nobody has to look at it

  const events: FlightEvents = {
    tokens(ids, logProbs, beam) {
      const piece = assembler?.push(ids) ?? ''
      text += piece
      mailbox.put(piece, ids, logProbs, beam)
    },
    landed(outcome) {
      const piece = assembler?.end() ?? ''
      text += piece
      if (piece !== '') mailbox.put(piece, [], [])
      const result = toResult(outcome, (ids, index) => (index === 0 ? text : decode(ids)))
      mailbox.close(undefined)
      settle?.resolve(result)
    },
    failed(error) {
      mailbox.close(error)
      settle?.reject(error)
    },
  }

  let taken = false
  function read(): AsyncIterableIterator<StreamChunk> {
    if (taken) throw new TrtllmError('ERR_CLOSED', 'this stream was read already: a stream can be read once')
    taken = true
    return {
      next: () => mailbox.take(),
      async return() {
        cancel()
        mailbox.drop()
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }
  const toReadableStream = () => ReadableStream.from(read())
  return { stream: { result, cancel, toReadableStream, [Symbol.asyncIterator]: read }, events }
}

interface Mailbox {
  /** `beam`: replaces the one before. */
  put(text: string, ids: ArrayLike<number>, logProbs: ArrayLike<number>, beam?: Beam): void
  /** No more chunks; what waits is still delivered, unless there was an error. */
  close(error: Error | undefined): void
  /** Forgets what waits. */
  drop(): void
  take(): Promise<IteratorResult<StreamChunk>>
}

interface Reader {
  resolve(result: IteratorResult<StreamChunk>): void
  reject(error: Error): void
}

/** Holds at most one chunk, which grows until it is taken. A beam's text is made only when it is. */
function createMailbox(decode: (ids: number[]) => string): Mailbox {
  const readers: Reader[] = []
  let waiting: StreamChunk | undefined
  let best: Beam | undefined
  let closed = false
  let failure: Error | undefined

  function take(chunk: StreamChunk, reader: Reader): void {
    const beam = best
    waiting = undefined
    best = undefined
    try {
      if (beam !== undefined) chunk.best = { text: decode(beam.outputTokenIds), ...beam }
      reader.resolve({ done: false, value: chunk })
    } catch (error) {
      reader.reject(toTrtllmError(error)) // a tokenizer that throws
    }
  }

  function serve(): void {
    while (waiting !== undefined || closed) {
      const reader = readers.shift()
      if (reader === undefined) return
      if (failure !== undefined) {
        reader.reject(failure)
        failure = undefined
        waiting = undefined
      } else if (waiting !== undefined) {
        take(waiting, reader)
      } else {
        reader.resolve({ done: true, value: undefined })
      }
    }
  }

  return {
    put(text, ids, logProbs, beam) {
      waiting ??= { text: '', outputTokenIds: [] }
      waiting.text += text
      append(waiting.outputTokenIds, ids)
      if (logProbs.length > 0) {
        waiting.logProbs ??= []
        append(waiting.logProbs, logProbs)
      }
      best = beam ?? best
      serve()
    },
    close(error) {
      closed = true
      failure = error
      serve()
    },
    drop() {
      waiting = undefined
      best = undefined
      failure = undefined
    },
    take: () =>
      new Promise((resolve, reject) => {
        readers.push({ resolve, reject })
        serve()
      }),
  }
}

function append(target: number[], values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) target.push(values[i] ?? 0)
}
