/** What travels of adapters, and what is sent again, over a runtime that only takes notes. */
import { describe, expect, test } from 'vitest'
import { EMBEDDED_LORA, prepareAdapter } from '../lib/lora/index.js'
import { checkRequest } from '../lib/request.js'
import { checkEmbedRequest, checkScoreRequest } from '../lib/score.js'
import { adapter, LOST, setup, tick } from './helpers/fake-adapters.js'
import { thrownBy } from './helpers/request-context.js'

describe('what travels', () => {
  test('the tensors come with the first request of a version, of one tick or several', async () => {
    const { loras, start, sent, end, cancelled } = setup()
    await loras.load('a', adapter())
    const all = [start({ lora: 'a' }), start({ lora: 'a' }), start()]
    await tick()
    all.push(start({ lora: 'a' }))
    await tick()
    expect(sent()).toEqual([['1+', '1', undefined], ['1']])
    for (const id of [1, 2, 3, 4]) end(id)
    for (const outcome of await Promise.all(all)) expect(outcome.sequences[0].outputTokenIds).toEqual([7])
    expect(cancelled).toEqual([])
  })

  test('they are those that prepareAdapter makes, in float32 for the embedded runtime', async () => {
    const { loras, start, model, enqueued } = setup()
    const [one, two] = [adapter(1), adapter(2)]
    await loras.load('a', one)
    await loras.load('b', await prepareAdapter(two, model, { capabilities: EMBEDDED_LORA }))
    void start({ lora: 'b' })
    void start({ lora: 'a' })
    await tick()
    const prepare = (folder: string) => prepareAdapter(folder, model, { capabilities: EMBEDDED_LORA, dtype: 'float32' })
    expect(enqueued[0]?.map(({ loraConfig }) => loraConfig)).toEqual([
      { taskId: 2, ...(await prepare(two)) },
      { taskId: 1, ...(await prepare(one)) },
    ])
  })

  test('score and embed name adapters too', async () => {
    const { loras, context } = setup()
    await loras.load('a', adapter())
    expect(checkScoreRequest({ inputTokenIds: [3], targetTokenIds: [4], lora: 'a' }, context).adapter?.taskId).toBe(1)
    expect(checkEmbedRequest({ inputTokenIds: [3], lora: 'a' }, context).adapter?.taskId).toBe(1)
    for (const check of [checkScoreRequest, checkEmbedRequest]) {
      const error = thrownBy(() => check({ inputTokenIds: [3], targetTokenIds: [4], lora: 'b' }, context))
      expect(['ERR_LORA_NOT_FOUND', 'ERR_UNKNOWN_OPTION']).toContain(error.code)
    }
  })

  test('a name that stands for nothing is refused with those that do', async () => {
    const { loras, context } = setup()
    const refused = (lora: unknown) => thrownBy(() => checkRequest({ inputTokenIds: [3], lora }, context, false))
    expect(refused('a')).toMatchObject({
      code: 'ERR_LORA_NOT_FOUND',
      message: "no adapter of the name 'a': none is loaded",
    })
    for (const name of ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) await loras.load(name, adapter())
    expect(refused('a').message).toBe("no adapter of the name 'a': loaded are b, c, d, e, f, g and 2 more")
    expect(refused(7)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('lora must be') })
  })
})

describe('an adapter that the runtime has evicted', () => {
  test('its request is sent again with the tensors, and the caller sees the result alone', async () => {
    const { loras, start, sent, fail, end } = setup()
    await loras.load('a', adapter())
    void start({ lora: 'a' })
    await tick()
    end(1)
    const evicted = start({ lora: 'a' })
    await tick()
    fail(2, LOST)
    await tick()
    expect(sent()).toEqual([['1+'], ['1'], ['1+']])
    end(3)
    expect((await evicted).sequences[0].outputTokenIds).toEqual([7])
  })

  test('of several requests that find it missing, one brings the tensors for all', async () => {
    const { loras, start, sent, fail } = setup()
    await loras.load('a', adapter())
    const first = start({ lora: 'a' })
    await tick()
    for (let i = 0; i < 3; i++) void start({ lora: 'a' })
    await tick()
    fail(1, '[ERR_RUNTIME] another matter')
    await expect(first).rejects.toMatchObject({ code: 'ERR_RUNTIME' })
    for (const id of [2, 3]) fail(id, LOST)
    await tick()
    fail(4, LOST)
    await tick()
    expect(sent().slice(2)).toEqual([['1+', '1'], ['1']])
  })

  test('the request that was to bring the tensors was aborted in the queue: the next one does', async () => {
    const { loras, start, sent, fail, end } = setup()
    await loras.load('a', adapter())
    const controller = new AbortController()
    void start({ lora: 'a', signal: controller.signal })
    const next = start({ lora: 'a' })
    await tick()
    controller.abort()
    end(1)
    fail(2, LOST)
    await tick()
    expect(sent()).toEqual([['1+', '1'], ['1+']])
    end(3)
    await next
  })

  test('one that overtakes again and again the request with the tensors brings them itself', async () => {
    const { loras, start, sent, fail, end } = setup()
    await loras.load('a', adapter())
    void start({ lora: 'a', priority: 0 })
    const urgent = start({ lora: 'a', priority: 1 })
    await tick()
    for (const id of [2, 3]) {
      fail(id, LOST)
      await tick()
    }
    expect(sent()).toEqual([['1+', '1'], ['1'], ['1+']])
    end(4)
    await urgent
  })

  test('a request that brought the tensors and still finds nothing fails, and so do other errors', async () => {
    const { loras, start, fail, sent } = setup()
    await loras.load('a', adapter())
    const strange = start({ lora: 'a' })
    const full = start({ lora: 'a' })
    const none = start()
    await tick()
    fail(1, LOST)
    fail(2, '[ERR_LORA_CACHE_FULL] full')
    fail(3, LOST)
    await expect(strange).rejects.toMatchObject({ code: 'ERR_LORA_NOT_FOUND' })
    await expect(full).rejects.toMatchObject({
      code: 'ERR_LORA_CACHE_FULL',
      hint: expect.stringContaining('peftCache'),
    })
    await expect(none).rejects.toMatchObject({ code: 'ERR_LORA_NOT_FOUND' })
    await tick()
    expect(sent()).toHaveLength(1)
  })

  test('aborted before it is sent again: it is not; aborted afterwards: its new id is cancelled', async () => {
    const { loras, start, fail, sent, cancelled } = setup()
    await loras.load('a', adapter())
    const controllers = [new AbortController(), new AbortController()]
    void start({ lora: 'a' })
    const aborted = controllers.map(({ signal }) => start({ lora: 'a', signal }))
    await tick()
    fail(2, LOST)
    controllers[0]?.abort()
    await tick()
    fail(3, LOST)
    await tick()
    controllers[1]?.abort()
    await tick()
    for (const promise of aborted) await expect(promise).rejects.toMatchObject({ name: 'AbortError' })
    expect(sent()).toEqual([['1+', '1', '1'], ['1']])
    expect(cancelled).toEqual([4])
  })

  test('the deadline counts from the call', async () => {
    const { loras, start, fail, cancelled } = setup()
    await loras.load('a', adapter())
    void start({ lora: 'a' })
    const late = start({ lora: 'a', timeoutMs: 20 })
    await tick()
    fail(2, LOST)
    expect(await late).toMatchObject({ sequences: [{ finishReason: 'timed-out', outputTokenIds: [] }] })
    await tick()
    expect(cancelled).toEqual([3])
  })

  test('a runtime of one beam width at a time: it queues anew', async () => {
    const { loras, start, sent, fail, end } = setup({ mixedBeamWidths: false })
    await loras.load('a', adapter())
    void start({ lora: 'a' })
    const lost = start({ lora: 'a' })
    const wide = start({ beamWidth: 4 })
    await tick()
    fail(2, LOST)
    await tick()
    expect(sent()).toEqual([['1+', '1']])
    end(1)
    await tick()
    expect(sent()).toEqual([['1+', '1'], [undefined]])
    end(3)
    await wide
    await tick()
    expect(sent()[2]).toEqual(['1+'])
    end(4)
    await lost
  })
})
