// What every contender runs: random weights of named shapes, fixed lengths, no end token.

/** Sizes of the vocabularies of make_models.py's shapes. */
export const MODELS = { 'g2p-bench': 112, 't5-small': 32128, 't5-base': 32128, 'bart-base': 50265 }

export const WORKLOADS = {
  A: { title: 'one request, 64 tokens in, 64 out', unit: 'ms per token' },
  B: { title: 'batch of 16, 64 tokens in, 64 out', unit: 'tokens/s' },
  C: { title: 'serving: 64 requests at once, 16 to 256 tokens in, 8 to 128 out', unit: 'useful tokens/s' },
  D: { title: 'beam search, 4 beams, batch of 8, 64 tokens in, 64 out', unit: 'tokens/s of the best beams' },
}

/** `quick`: a quarter of the outputs, and of C's requests. */
export function makeWorkload(name, vocab, quick) {
  const request = (seed, length, maxTokens) => ({
    input: Array.from({ length }, (_, j) => 3 + ((seed * 997 + j * 31) % (vocab - 3))),
    maxTokens: quick ? Math.ceil(maxTokens / 4) : maxTokens,
  })
  const same = (count) => Array.from({ length: count }, (_, i) => request(i, 64, 64))
  const spread = (i, factor, from, range) => from + Math.floor((((i * factor) % 64) * range) / 63)
  const mixed = () =>
    Array.from({ length: quick ? 16 : 64 }, (_, i) => request(i, spread(i, 37, 16, 240), spread(i, 23, 8, 120)))
  const requests = { A: () => same(1), B: () => same(16), C: mixed, D: () => same(8) }[name]()
  return { name, requests, beamWidth: name === 'D' ? 4 : 1 }
}

/** Tokens that a contender must have generated. */
export function expectedTokens({ requests }) {
  return requests.reduce((sum, { maxTokens }) => sum + maxTokens, 0)
}
