/** What the fields of an adapter_config.json mean: scales and targets. */
import { describe, expect, test } from 'vitest'
import { describeAdapter } from '../lib/lora/index.js'
import { prepareFor, randomPairs, type TestPair, tempAdapter } from './helpers/lora-adapters.js'
import { T5 } from './helpers/lora-models.js'

const Q0 = 'decoder.block.0.layer.0.SelfAttention.q'
const Q1 = 'decoder.block.1.layer.0.SelfAttention.q'
const K0 = 'decoder.block.0.layer.1.EncDecAttention.k'

async function scalesOf(adapter: string): Promise<Record<string, number | null>> {
  const { modules } = await describeAdapter(adapter)
  return Object.fromEntries(modules.map(({ name, scale }) => [name, scale]))
}

describe('scale', () => {
  const some = (rank: (name: string) => number = () => 2) => {
    return randomPairs(T5, { rank, take: (name) => [Q0, Q1, K0].includes(name) })
  }

  test('alpha / r', async () => {
    expect(await scalesOf(tempAdapter(T5, some()))).toEqual({ [Q0]: 3, [Q1]: 3, [K0]: 3 })
  })

  test('alpha / √r with rank-stabilised adapters, of the rank that the module has', async () => {
    const pairs = some((name) => (name === Q1 ? 4 : 2))
    const config = { use_rslora: true, rank_pattern: { [Q1]: 4 } }
    expect(await scalesOf(tempAdapter(T5, pairs, { config }))).toEqual({
      [Q0]: 6 / Math.SQRT2,
      [Q1]: 3,
      [K0]: 6 / Math.SQRT2,
    })
  })

  test.each<[string, Record<string, number>, Record<string, number>, [q0: number, q1: number, k0: number]]>([
    ['the end of a name', {}, { q: 10 }, [5, 5, 3]],
    ['whole parts only', {}, { 'Attention.q': 10 }, [3, 3, 3]],
    ['a pattern', {}, { 'block\\.\\d+\\..*\\.q': 10 }, [5, 5, 3]],
    ['from the start', {}, { '^decoder.block.0.layer.0.SelfAttention.q': 10 }, [5, 3, 3]],
    ['the first that matches', {}, { 'SelfAttention.q': 4, '.*block.0.*': 10 }, [2, 2, 5]],
    ['rank and alpha, each by its own pattern', { '.*block.1.*': 4 }, { q: 8 }, [4, 2, 3]],
  ])('patterns: %s', async (_, rankPattern, alphaPattern, [q0, q1, k0]) => {
    const pairs = some((name) => (name === Q1 && '.*block.1.*' in rankPattern ? 4 : 2))
    const config = { rank_pattern: rankPattern, alpha_pattern: alphaPattern }
    expect(await scalesOf(tempAdapter(T5, pairs, { config }))).toEqual({ [Q0]: q0, [Q1]: q1, [K0]: k0 })
  })
})

describe('targets', () => {
  const selfQ = randomPairs(T5, { take: (name) => name.endsWith('SelfAttention.q') })
  const allQ = randomPairs(T5, { take: (name) => name.endsWith('.q') })
  test.each<[string, readonly TestPair[], Record<string, unknown>]>([
    ['the last part of names', allQ, { target_modules: ['q'] }],
    ['the last parts of names', selfQ, { target_modules: ['SelfAttention.q'] }],
    ['a pattern', selfQ, { target_modules: '.*\\.SelfAttention\\.(q|x)' }],
    ["Python's own syntax", selfQ, { target_modules: '(?i)\\A.*\\.(?P<kind>selfattention)\\.q\\Z' }],
    ['exclusion by name', selfQ, { target_modules: ['q'], exclude_modules: ['EncDecAttention.q'] }],
    ['exclusion by pattern', selfQ, { target_modules: ['q'], exclude_modules: '.*EncDec.*' }],
    ['every linear layer', randomPairs(T5), { target_modules: 'all-linear' }],
    ['layers by number: the weights decide', selfQ.slice(0, 1), { target_modules: ['q'], layers_to_transform: [0] }],
    ['no rule', selfQ, { target_modules: null }],
  ])('%s', async (_, pairs, config) => {
    expect((await prepareFor(T5, tempAdapter(T5, pairs, { config }))).config.rows).toBe(pairs.length)
  })

  test('one that has no weights', async () => {
    const adapter = tempAdapter(T5, selfQ, { config: { target_modules: ['q'] } })
    const error = { code: 'ERR_LORA_INVALID', message: expect.stringContaining('EncDecAttention.q') }
    await expect(prepareFor(T5, adapter)).rejects.toMatchObject(error)
  })

  test('weights that are none', async () => {
    const adapter = tempAdapter(T5, allQ, { config: { target_modules: ['SelfAttention.q'] } })
    const error = { code: 'ERR_UNSUPPORTED', message: expect.stringContaining('EncDecAttention.q') }
    await expect(prepareFor(T5, adapter)).rejects.toMatchObject(error)
  })

  test('a pattern that would run for ever ends with an error', async () => {
    const adapter = tempAdapter(T5, selfQ, { config: { target_modules: '(.*.*.*)*x' } })
    const error = { code: 'ERR_UNSUPPORTED', message: expect.stringContaining('target_modules') }
    await expect(prepareFor(T5, adapter)).rejects.toMatchObject(error)
  })

  test('a pattern that is none', async () => {
    const adapter = tempAdapter(T5, selfQ, { config: { target_modules: '*.q' } })
    const error = { code: 'ERR_UNSUPPORTED', message: expect.stringContaining("'*.q'") }
    await expect(prepareFor(T5, adapter)).rejects.toMatchObject(error)
  })
})
