/** Names of adapters over a runtime that only takes notes: replaced, unloaded, pinned, closed, and bad calls. */
import { rmSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EMBEDDED_LORA, prepareAdapter } from '../lib/lora/index.js'
import { adapter, isSettled, LOST, setup, tick } from './helpers/fake-adapters.js'
import { randomPairs, tempAdapter } from './helpers/lora-adapters.js'
import { T5 } from './helpers/lora-models.js'
import { thrownBy } from './helpers/request-context.js'

describe('replacing and unloading', () => {
  test('requests keep the version that they began with; the old one goes with the last of them', async () => {
    const { loras, start, sent, end, fail, released } = setup()
    expect(await loras.load('a', adapter(1))).toMatchObject({ name: 'a', taskId: 1, requestsInFlight: 0 })
    const old = [start({ lora: 'a' }), start({ lora: 'a' })]
    await tick()
    expect(loras.list()).toMatchObject([{ taskId: 1, requestsInFlight: 2 }])
    await loras.load('a', adapter(2))
    expect(loras.list()).toMatchObject([{ taskId: 2, requestsInFlight: 0 }])
    void start({ lora: 'a' })
    await tick()
    fail(2, LOST)
    end(1)
    await tick()
    expect(sent()).toEqual([['1+', '1'], ['2+'], ['1+']])
    expect(released).toEqual([])
    end(4)
    await Promise.all(old)
    expect(released).toEqual([1])
  })

  test('a version that nobody uses goes at once', async () => {
    const { loras, released } = setup()
    for (let i = 0; i < 3; i++) await loras.load('a', adapter(i))
    expect(released).toEqual([1, 2])
    await loras.unload('a')
    expect(released).toEqual([1, 2, 3])
    expect(loras.list()).toEqual([])
  })

  test('unload frees the name at once and waits for requests; a failed or aborted one counts as ended', async () => {
    const { loras, start, end, fail, released } = setup()
    await loras.load('a', adapter())
    const controller = new AbortController()
    void start({ lora: 'a' })
    void start({ lora: 'a', signal: controller.signal })
    void start({ lora: 'a' })
    await tick()
    const unloaded = loras.unload('a')
    expect(() => start({ lora: 'a' })).toThrow(expect.objectContaining({ code: 'ERR_LORA_NOT_FOUND' }))
    end(1)
    controller.abort()
    expect(await isSettled(unloaded)).toBe(false)
    expect(released).toEqual([])
    fail(3, '[ERR_RUNTIME] broken')
    await unloaded
    expect(released).toEqual([1])
  })

  test('a failed load leaves the old adapter in place', async () => {
    const { loras, released, model } = setup()
    const folder = adapter()
    const loaded = await loras.load('a', folder)
    const tensors = await prepareAdapter(folder, model, { capabilities: EMBEDDED_LORA })
    new Float32Array(tensors.weights.data.buffer)[3] = Number.NaN
    for (const [source, code] of [
      ['/nowhere', 'ERR_LORA_NOT_FOUND'],
      [tensors, 'ERR_LORA_INVALID'],
      [7, 'ERR_INVALID_ARGUMENT'],
    ] as const) {
      await expect(loras.load('a', source as string)).rejects.toMatchObject({ code })
    }
    expect(loras.list()).toEqual([loaded])
    expect(released).toEqual([])
    expect(await loras.load('b', folder)).toMatchObject({ taskId: 2 })
  })

  test('an adapter whose folder is gone is still sent', async () => {
    const { loras, start, fail, sent } = setup()
    const folder = adapter()
    await loras.load('a', folder)
    rmSync(folder, { recursive: true })
    void start({ lora: 'a' })
    await tick()
    void start({ lora: 'a' })
    await tick()
    fail(1, '[ERR_RUNTIME] broken')
    fail(2, LOST)
    await tick()
    expect(sent()).toEqual([['1+'], ['1'], ['1+']])
  })

  test('calls for one name take effect in their order', async () => {
    const { loras, released } = setup()
    const calls = [
      loras.load('a', adapter(1)),
      loras.load('a', '/nowhere'),
      loras.load('a', adapter(2)),
      loras.unload('a'),
      loras.unload('a'),
      loras.pin('a'),
      loras.load('a', adapter(3)),
    ]
    const settled = await Promise.allSettled(calls)
    expect(settled.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code))).toEqual([
      expect.objectContaining({ taskId: 1 }),
      'ERR_LORA_NOT_FOUND',
      expect.objectContaining({ taskId: 2 }),
      undefined,
      'ERR_LORA_NOT_FOUND',
      'ERR_LORA_NOT_FOUND',
      expect.objectContaining({ taskId: 3 }),
    ])
    expect(released).toEqual([1, 2])
    expect(loras.list()).toMatchObject([{ name: 'a', taskId: 3 }])
  })

  test('a load does not wait for the requests that an unload before it waits for', async () => {
    const { loras, start, end, released } = setup()
    await loras.load('a', adapter(1))
    void start({ lora: 'a' })
    await tick()
    const unloaded = loras.unload('a')
    expect(await loras.load('a', adapter(2))).toMatchObject({ taskId: 2 })
    expect(await isSettled(unloaded)).toBe(false)
    end(1)
    await unloaded
    expect(released).toEqual([1])
  })
})

describe('pins', () => {
  test('belong to the name: they move to a new version and end with unload', async () => {
    const { loras, pins, released } = setup()
    await loras.load('a', adapter(1))
    await loras.pin('a')
    expect(loras.list()).toMatchObject([{ pinned: true }])
    expect(await loras.load('a', adapter(2))).toMatchObject({ pinned: true })
    await loras.unload('a')
    await loras.load('a', adapter(3))
    expect(loras.list()).toMatchObject([{ pinned: false }])
    await loras.pin('a')
    await loras.unpin('a')
    expect(pins).toEqual([
      [1, true],
      [2, true],
      [1, false],
      [2, false],
      [3, true],
      [3, false],
    ])
    expect(released).toEqual([1, 2])
  })

  test('are refused by name where the runtime has none, and for names that stand for nothing', async () => {
    const { loras, pins } = setup({ capabilities: [] })
    await loras.load('a', adapter())
    for (const call of [loras.pin('a'), loras.unpin('a')]) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('pin') })
    }
    await expect(loras.pin('b')).rejects.toMatchObject({ code: 'ERR_LORA_NOT_FOUND' })
    expect(pins).toEqual([])
  })
})

describe('bad calls', () => {
  test.each<[unknown, string]>([
    [7, 'the adapter must be the path of a folder, or { weights, config }, got 7'],
    ['', 'the adapter must be the path of a folder'],
    [{ weights: {} }, 'the adapter.weights.dtype is missing'],
    [{}, 'the adapter.weights is missing'],
    [{ weights: { dtype: 'int8' } }, "the adapter.weights.dtype must be one of 'float32', "],
    [{ config: { columns: 5 } }, 'the adapter.config.columns must be 3 or 4, got 5'],
    [{ config: { data: [1, 2, 3] } }, 'the adapter.config.data must be an Int32Array, got an array of 3'],
    [{ weights: { data: new Float32Array(2) } }, 'the adapter.weights.data must be a Uint8Array'],
    [{ weight: {} }, 'unknown field of an adapter the adapter.weight'],
  ])('load of %j', async (source, message) => {
    const { loras } = setup()
    const error = await loras.load('a', source as string).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'TrtllmError', message: expect.stringContaining(message) })
    expect(['ERR_INVALID_ARGUMENT', 'ERR_UNKNOWN_OPTION']).toContain((error as { code: string }).code)
  })

  test('names must be text', async () => {
    const { loras } = setup()
    for (const name of ['', 7, undefined] as string[]) {
      for (const call of [loras.load(name, adapter()), loras.unload(name), loras.pin(name), loras.unpin(name)]) {
        await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      }
    }
  })

  test('an engine without adapters, and ranks above the limit', async () => {
    const none = setup({ maxAdapterRank: 0 })
    await expect(none.loras.load('a', adapter())).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      hint: expect.stringContaining('lora merge'),
    })
    const small = setup({ maxAdapterRank: 1 })
    await expect(small.loras.load('a', adapter())).rejects.toMatchObject({
      code: 'ERR_LORA_INVALID',
      message: expect.stringContaining('rank 2 is above the limit 1'),
    })
  })
})

describe("on runtime 'tensorrt-llm'", () => {
  const ofPart = (part: string) => tempAdapter(T5, randomPairs(T5, { take: (name) => name.endsWith(part) }))

  test('a warning says once that adapters may not work there, and the tensors have the type of the model', async () => {
    const { loras, start, enqueued } = setup({ runtime: 'tensorrt-llm', capabilities: [] })
    const warnings: { code?: string; message: string }[] = []
    const listen = (warning: Error) => warnings.push(warning)
    process.on('warning', listen)
    onTestFinished(() => {
      process.off('warning', listen)
    })
    for (const name of ['a', 'b']) await loras.load(name, ofPart('EncDecAttention.q'))
    await tick()
    expect(warnings).toMatchObject([
      { code: 'TRTLLM_LORA_ENCODER_DECODER', message: expect.stringContaining('trtllm-node lora merge') },
    ])
    void start({ lora: 'a' })
    await tick()
    expect(enqueued[0]?.[0]?.loraConfig?.weights?.dtype).toBe(T5.dtype)
  })

  test('what it cannot apply is refused by module', async () => {
    const { loras } = setup({ runtime: 'tensorrt-llm' })
    const error = {
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('encoder.block.0.layer.0.SelfAttention.q'),
    }
    await expect(loras.load('a', ofPart('SelfAttention.q'))).rejects.toMatchObject(error)
    expect(loras.list()).toEqual([])
  })
})

describe('closing', () => {
  test('fails what is under way and all later calls; who waits for requests is told that they have ended', async () => {
    const { loras, start, close, released } = setup()
    await loras.load('a', adapter(1))
    await loras.load('b', adapter(2))
    const running = start({ lora: 'a' })
    await tick()
    const unloaded = loras.unload('a')
    const loading = [loras.load('c', adapter(3)), loras.load('c', adapter(4))]
    close()
    await expect(running).rejects.toThrow('closed')
    await unloaded
    for (const call of loading) await expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(released).toEqual([1])
    for (const call of [loras.load('d', adapter()), loras.unload('b'), loras.pin('b'), loras.unpin('b')]) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    }
    expect(thrownBy(() => loras.list())).toMatchObject({ code: 'ERR_CLOSED' })
  })
})
