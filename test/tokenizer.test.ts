import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { createTextAssembler, loadTokenizer, type Tokenizer } from '../lib/tokenizer.js'
import { createRandom, type Random } from './helpers/random.js'

const folder = mkdtempSync(join(tmpdir(), 'trtllm-node-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A tokenizer.json over a list of tokens; the first is special. */
function makeTokenizer(name: string, tokens: string[], decoder: object | null): { tokenizer: Tokenizer; size: number } {
  const file = join(folder, `${name}.json`)
  const json = {
    version: '1.0',
    added_tokens: [{ id: 0, content: tokens[0], special: true, normalized: false }],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder,
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
      unk_token: null,
    },
  }
  writeFileSync(file, JSON.stringify(json))
  return { tokenizer: loadTokenizer(file), size: tokens.length }
}

/** How byte-level tokenizers write bytes as characters. */
function byteCharacters(): string[] {
  const plain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(plain(byte) ? byte : next++))
}

const BYTES = byteCharacters()
const words = ['▁', '▁a', 'b', '▁▁', '▁word', 's', '.', '▁.', '\uFFFD', 'ü', '😀', "▁'s", '▁n', "'t"]
const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
const LLAMA = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ],
}
const longer = ['€', '😀', 'né', ' a'].map((text) => [...Buffer.from(text)].map((byte) => BYTES[byte]).join(''))

const tokenizers = [
  makeTokenizer('metaspace', ['</s>', ...words], { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }),
  makeTokenizer('byte-level', ['</s>', ...BYTES, ...longer], { type: 'ByteLevel' }),
  makeTokenizer('byte-fallback', ['</s>', ...words, ...byteTokens], LLAMA),
  makeTokenizer(
    'few bytes',
    ['</s>', '▁x', ...[0xef, 0xbb, 0xbf, 0x41, 0xe2, 0x82, 0xac].map((b) => byteTokens[b] ?? '')],
    LLAMA,
  ),
  makeTokenizer('word-piece', ['[SEP]', 'a', '##b', '.', "'s", 'do', 'not', '##.'], {
    type: 'WordPiece',
    prefix: '##',
    cleanup: true,
  }),
  makeTokenizer('end-of-word', ['</s>', 'a', 'b</w>', 'c', '</w>'], { type: 'BPEDecoder', suffix: '</w>' }),
  makeTokenizer('no-decoder', ['</s>', 'K', 'ER1', 'N'], null),
]
const names = ['metaspace', 'byte-level', 'byte-fallback', 'few bytes', 'word-piece', 'end-of-word', 'no-decoder']

/** Random ids; some runs repeat one kind of token, as a model does that is stuck. */
function randomIds(random: Random, size: number): number[] {
  const from = random.below(size)
  const to = random.next() < 0.3 ? Math.min(size, from + 3) : size
  const start = to === size ? 0 : from
  return Array.from({ length: random.below(40) }, () => start + random.below(to - start))
}

function streamed(tokenizer: Tokenizer, ids: number[], random: Random): string {
  const assembler = createTextAssembler(tokenizer)
  let text = ''
  for (let i = 0; i < ids.length; ) {
    const length = random.next() < 0.7 ? 1 : random.below(5)
    text += assembler.push(ids.slice(i, i + length))
    i += length
  }
  return text + assembler.end()
}

describe('streamed pieces concatenate to the text of all tokens', () => {
  test.each(tokenizers.map((made, i) => ({ name: names[i], ...made })))('$name', ({ tokenizer, size }) => {
    const random = createRandom(7)
    for (let run = 0; run < 3000; run++) {
      const ids = randomIds(random, size)
      expect(streamed(tokenizer, ids, random), `ids ${ids.join()}`).toBe(tokenizer.decode(ids))
    }
  })
})

test('a character is given out when its last byte is there, not before', () => {
  const { tokenizer } = makeTokenizer('euro', ['</s>', ...BYTES], { type: 'ByteLevel' })
  const assembler = createTextAssembler(tokenizer)
  const pieces = [...Buffer.from('a€b')].map((byte) => assembler.push([byte + 1]))
  expect(pieces).toEqual(['a', '', '', '€', 'b'])
})

test('the cost is linear in the number of tokens, even where text is held back for long', () => {
  const { tokenizer } = makeTokenizer('stuck', ['</s>', ...BYTES], { type: 'ByteLevel' })
  let decoded = 0
  const counting: Tokenizer = {
    encode: tokenizer.encode,
    decode(ids) {
      decoded += ids.length
      return tokenizer.decode(ids)
    },
  }
  const assembler = createTextAssembler(counting)
  const tokens = 4000
  for (let i = 0; i < tokens; i++) assembler.push([0x80 + 1]) // never a valid character
  assembler.end()
  expect(decoded).toBeLessThan(10 * tokens)
})

test('decoding leaves out special and unknown ids', () => {
  const { tokenizer } = makeTokenizer('plain', ['</s>', 'K', 'ER1'], null)
  expect(tokenizer.decode([1, 0, 2, 99, 0])).toBe('K ER1')
  expect(tokenizer.decode([0])).toBe('')
  expect(tokenizer.decode([])).toBe('')
})

test.each([
  ['missing.json', undefined],
  ['broken.json', '{'],
  ['empty.json', '{}'],
])('%s is refused with its name', (name, content) => {
  const file = join(folder, name)
  if (content !== undefined) writeFileSync(file, content)
  expect(() => loadTokenizer(file)).toThrow(
    expect.objectContaining({ code: 'ERR_MODEL_INVALID', message: expect.stringContaining(file) }),
  )
})
