/** A stream of generated text: what `engine.stream` returns. */
import { ReadableStream } from 'node:stream/web'
import { TrtllmError } from './errors.js'
import type { FlightEvents } from './flight.js'
import type { Result } from './response.js'
import { createTextAssembler, type Tokenizer } from './tokenizer.js'

/** What was generated since the chunk before; for a slow reader that can be many tokens. */
export interface StreamChunk {
  /** The chunks' texts concatenate to the result's text exactly; '' while a character is incomplete. */
  text: string
  outputTokenIds: number[]
  /** With `returnLogProbs`: one per token. */
  logProbs?: number[]
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
  const mailbox = createMailbox()
  let text = ''
  let settle: { resolve(result: Result): void; reject(error: Error): void } | undefined
  const result = new Promise<Result>((resolve, reject) => {
    settle = { resolve, reject }
  })
  result.catch(() => {}) // nobody has to look at it

  const events: FlightEvents = {
    tokens(ids, logProbs) {
      const piece = assembler?.push(ids) ?? ''
      text += piece
      mailbox.put(piece, ids, logProbs)
    },
    landed(rest) {
      const piece = assembler?.end() ?? ''
      text += piece
      if (piece !== '') mailbox.put(piece, [], [])
      mailbox.close(undefined)
      settle?.resolve({ text, ...rest })
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
  put(text: string, ids: ArrayLike<number>, logProbs: ArrayLike<number>): void
  /** No more chunks; what waits is still delivered, unless there was an error. */
  close(error: Error | undefined): void
  /** Forgets what waits. */
  drop(): void
  take(): Promise<IteratorResult<StreamChunk>>
}

/** Holds at most one chunk, which grows until it is taken. */
function createMailbox(): Mailbox {
  const readers: { resolve(result: IteratorResult<StreamChunk>): void; reject(error: Error): void }[] = []
  let waiting: StreamChunk | undefined
  let closed = false
  let failure: Error | undefined

  function serve(): void {
    while (readers.length > 0 && (waiting !== undefined || closed)) {
      const reader = readers.shift()
      if (failure !== undefined) {
        reader?.reject(failure)
        failure = undefined
        waiting = undefined
      } else if (waiting !== undefined) {
        reader?.resolve({ done: false, value: waiting })
        waiting = undefined
      } else {
        reader?.resolve({ done: true, value: undefined })
      }
    }
  }

  return {
    put(text, ids, logProbs) {
      waiting ??= { text: '', outputTokenIds: [] }
      waiting.text += text
      append(waiting.outputTokenIds, ids)
      if (logProbs.length > 0) {
        waiting.logProbs ??= []
        append(waiting.logProbs, logProbs)
      }
      serve()
    },
    close(error) {
      closed = true
      failure = error
      serve()
    },
    drop() {
      waiting = undefined
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
