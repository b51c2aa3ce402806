/** What must compile and what must not; checked by tsc, never run. */
import { expectTypeOf } from 'vitest'
import {
  AbortError,
  type BestSoFar,
  Engine,
  type EngineOptions,
  type LogitsContext,
  type LoraInfo,
  type Request,
  type Result,
  type Score,
  type Sequence,
  type Tensor,
  type TokenIds,
  type TrtllmError,
} from '../lib/index.js'

declare const engine: Engine

expectTypeOf(Engine.load('folder')).resolves.toEqualTypeOf<Engine>()
expectTypeOf(engine.generate({ input: 'text' })).resolves.toEqualTypeOf<Result>()
expectTypeOf<Result['text']>().toEqualTypeOf<string>()
expectTypeOf<Result['logProbs']>().toEqualTypeOf<number[] | undefined>()
expectTypeOf<Result['finishReason']>().toEqualTypeOf<'end-id' | 'stop-words' | 'length' | 'timed-out' | 'cancelled'>()
expectTypeOf(engine.stream({ inputTokenIds: new Int32Array(3) }).result).resolves.toEqualTypeOf<Result>()
expectTypeOf<TrtllmError>().toExtend<Error>()
expectTypeOf(new AbortError(undefined).name).toEqualTypeOf<'AbortError'>()

expectTypeOf<Result['sequences']>().toEqualTypeOf<Sequence[]>()
expectTypeOf<Result>().toExtend<Sequence>()
expectTypeOf<Result['contextLogits']>().toEqualTypeOf<Tensor | undefined>()
expectTypeOf(engine.score({ input: 'text', targetTokenIds: [1] })).resolves.toEqualTypeOf<Score>()
expectTypeOf(engine.embed({ input: 'text', pooling: 'mean' })).resolves.toEqualTypeOf<Tensor>()

expectTypeOf(engine.loras.load('name', 'folder')).resolves.toEqualTypeOf<LoraInfo>()
expectTypeOf(engine.loras.list()).toEqualTypeOf<LoraInfo[]>()
expectTypeOf({ input: 'text', lora: 'name' }).toExtend<Request>()

// options that may be undefined can be passed through
const signal = undefined as AbortSignal | undefined
expectTypeOf({ input: 'text', signal, timeoutMs: undefined }).toExtend<Request>()
expectTypeOf({ maxBatchSize: undefined, kvCache: { maxTokens: undefined } }).toExtend<EngineOptions>()

async function disposes() {
  await using loaded = await Engine.load('folder')
  for await (const { text, outputTokenIds } of loaded.stream({ input: 'text' })) {
    expectTypeOf(text).toEqualTypeOf<string>()
    expectTypeOf(outputTokenIds).toEqualTypeOf<number[]>()
  }
  for await (const { best } of loaded.stream({ input: 'text', beamWidth: 4 })) {
    expectTypeOf(best).toEqualTypeOf<BestSoFar | undefined>()
  }
}
void disposes

const words: readonly (string | TokenIds)[] = ['text', [1, 2], new Int32Array(2)]
const everything: Request = {
  input: 'text',
  beamWidth: 4,
  seed: 5n,
  stopWords: words,
  embeddingBias: new Map([[5, -1]]),
  allowedSequences: words,
  logitsProcessor: ({ outputTokenIds, logits }) => {
    expectTypeOf(outputTokenIds).toEqualTypeOf<LogitsContext['outputTokenIds']>()
    logits[0]?.fill(0)
  },
}
void everything

// @ts-expect-error: a misspelt option
const misspelt: EngineOptions = { maxBatchsize: 4 }
// @ts-expect-error: refused by the runtime
const refused: EngineOptions = { scheduler: { capacitySchedulerPolicy: 'max-utilization' } }
// @ts-expect-error: an unknown field
const unknownField: Request = { input: 'text', beams: 4 }
void [misspelt, refused, unknownField]

declare const error: TrtllmError
// @ts-expect-error: codes are a closed set
void (error.code === 'ERR_OF_NO_KIND')
