/** What must compile and what must not; checked by tsc, never run. */
import { expectTypeOf } from 'vitest'
import { AbortError, Engine, type EngineOptions, type Request, type Result, type TrtllmError } from '../lib/index.js'

declare const engine: Engine

expectTypeOf(Engine.load('folder')).resolves.toEqualTypeOf<Engine>()
expectTypeOf(engine.generate({ input: 'text' })).resolves.toEqualTypeOf<Result>()
expectTypeOf<Result['text']>().toEqualTypeOf<string>()
expectTypeOf<Result['logProbs']>().toEqualTypeOf<number[] | undefined>()
expectTypeOf<Result['finishReason']>().toEqualTypeOf<'end-id' | 'stop-words' | 'length' | 'timed-out' | 'cancelled'>()
expectTypeOf(engine.stream({ inputTokenIds: new Int32Array(3) }).result).resolves.toEqualTypeOf<Result>()
expectTypeOf<TrtllmError>().toExtend<Error>()
expectTypeOf(new AbortError(undefined).name).toEqualTypeOf<'AbortError'>()

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
}
void disposes

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
