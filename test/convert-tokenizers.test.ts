/** Tokenizers and languages that come with models; expected ids and texts are those of Hugging Face's classes. */
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { builtinTokenizerFor } from '../lib/convert/builtin-tokenizer.js'
import { createByT5Tokenizer } from '../lib/convert/byt5-tokenizer.js'
import { readLanguages, targetLanguage, withSourceLanguage } from '../lib/convert/languages.js'
import { createTextAssembler } from '../lib/tokenizer.js'
import { createRandom } from './helpers/random.js'
import { familyGoldens } from './helpers/sample.js'
import { tempFolder } from './helpers/temp.js'

describe('ByT5', () => {
  const tokenizer = createByT5Tokenizer()

  test.each([
    ['héllo €😀', [107, 198, 172, 111, 111, 114, 35, 229, 133, 175, 243, 162, 155, 131, 1], 'héllo €😀'],
    ['a </s> b', [100, 1, 101, 1], 'ab'],
    ['x<extra_id_0> y <extra_id_1>', [123, 259, 35, 124, 35, 260, 1], 'x y '],
    ['a<pad>b', [100, 0, 101, 1], 'ab'],
    ['  two  spaces ', [35, 35, 119, 122, 114, 35, 35, 118, 115, 100, 102, 104, 118, 35, 1], '  two  spaces '],
    ['<unk>z', [2, 125, 1], 'z'],
    ['abc</s>', [100, 101, 102, 1], 'abc'],
    ['<extra_id_125>', [63, 104, 123, 119, 117, 100, 98, 108, 103, 98, 52, 53, 56, 65, 1], '<extra_id_125>'],
    ['</s>', [1], ''],
    [' <extra_id_3> ', [35, 262, 35, 1], '  '],
  ])('%j', (text, ids, decoded) => {
    expect(tokenizer.encode(text)).toEqual(ids)
    expect(tokenizer.decode(ids)).toBe(decoded)
  })

  test.each([
    ['an unfinished character', [0xe2 + 3, 0x82 + 3], ''],
    ['a byte that no character has', [0x41 + 3, 0xff + 3, 0x42 + 3], 'AB'],
    ['an interrupted character', [0x41 + 3, 0xe2 + 3, 0x82 + 3, 0x42 + 3], 'AB'],
    ['special tokens', [259, 0x41 + 3, 383, 1, 2, 0], 'A'],
    ['ids beyond the vocabulary', [400, 0x41 + 3], 'A'],
    ['the replacement character itself', [0xef + 3, 0xbf + 3, 0xbd + 3], '\ufffd'],
    ['a byte order mark', [0xef + 3, 0xbb + 3, 0xbf + 3, 0x41 + 3], '\ufeffA'],
  ])('decodes %s', (_, ids, text) => {
    expect(tokenizer.decode(ids)).toBe(text)
  })

  test('streamed text is the whole text, for any ids', () => {
    const random = createRandom(3)
    const bytes = [...Buffer.from('aé€😀\ufffd')].map((byte) => byte + 3)
    for (let run = 0; run < 500; run++) {
      const ids = Array.from({ length: random.below(30) }, () =>
        random.next() < 0.8 ? random.pick(bytes) : random.below(384),
      )
      const assembler = createTextAssembler(tokenizer)
      let text = ''
      for (let at = 0; at < ids.length; ) {
        const count = 1 + random.below(3)
        text += assembler.push(ids.slice(at, at + count))
        at += count
      }
      expect(text + assembler.end()).toBe(tokenizer.decode(ids))
    }
  })

  test('a text of many characters survives', () => {
    const text = 'Straße, naïve, 中文, Ελλάδα, 🎈🏳️‍🌈 '.repeat(20)
    expect(tokenizer.decode(Array.from(tokenizer.encode(text)))).toBe(text)
  })

  test('is chosen by tokenizer_config.json', async () => {
    const folder = tempFolder()
    expect(await builtinTokenizerFor(folder)).toBeUndefined()
    writeFileSync(join(folder, 'tokenizer_config.json'), '{"tokenizer_class": "T5Tokenizer"}')
    expect(await builtinTokenizerFor(folder)).toBeUndefined()
    const golden = familyGoldens().find(({ name }) => name === 'byt5')
    copyFileSync(join(golden?.folder ?? '', 'hf/tokenizer_config.json'), join(folder, 'tokenizer_config.json'))
    expect((await builtinTokenizerFor(folder))?.encode('a')).toEqual([100, 1])
  })
})

describe('languages of mBART', () => {
  const added = [
    { id: 2, content: '</s>', special: true },
    { id: 68, content: 'en_XX', special: true },
    { id: 69, content: 'ro_RO', special: true },
    { id: 70, content: 'azj_AZ', special: true },
    { id: 71, content: '<mask>', special: true },
  ]
  const template = (...tokens: string[]) => ({
    type: 'TemplateProcessing',
    single: tokens.map((id) => (id === 'A' ? { Sequence: { id, type_id: 0 } } : { SpecialToken: { id, type_id: 0 } })),
  })
  const mbart50 = { added_tokens: added, post_processor: template('en_XX', 'A', '</s>') }
  const mbart = { added_tokens: added, post_processor: template('A', '</s>', 'en_XX') }

  test('codes and ids', () => {
    expect(readLanguages(mbart)).toEqual({
      style: 'mbart',
      ids: new Map([
        ['en_XX', 68],
        ['ro_RO', 69],
        ['azj_AZ', 70],
      ]),
    })
    expect(readLanguages({ added_tokens: [added[0]] })).toBeUndefined()
    expect(readLanguages({})).toBeUndefined()
  })

  test('codes that are only in the vocabulary', () => {
    const model = {
      type: 'Unigram',
      vocab: [
        ['<s>', 0],
        ['▁a', -1],
        ['en_XX', 0],
        ['ro_RO', 0],
      ],
    }
    expect(readLanguages({ model, added_tokens: [] })?.ids).toEqual(
      new Map([
        ['en_XX', 2],
        ['ro_RO', 3],
      ]),
    )
  })

  test.each([
    ['the template', mbart50, {}, 'mbart-50'],
    ['the template', mbart, {}, 'mbart'],
    ['the class, whatever the template says', mbart, { tokenizer_class: 'MBart50TokenizerFast' }, 'mbart-50'],
    ['the class, whatever the template says', mbart50, { tokenizer_class: 'MBartTokenizer' }, 'mbart'],
    ['nothing at all', { added_tokens: added }, {}, 'mbart'],
  ])('the style by %s', (_, tokenizer, config, style) => {
    expect(readLanguages(tokenizer, config)?.style).toBe(style)
  })

  const languagesOf = (tokenizer: typeof mbart) => {
    const languages = readLanguages(tokenizer)
    if (languages === undefined) throw new Error('no languages')
    return languages
  }

  test.each([
    ['mbart-50', mbart50, [68, 10, 11, 2], [69, 10, 11, 2]],
    ['mbart', mbart, [10, 11, 2, 68], [10, 11, 2, 69]],
    ['mbart-50 without special tokens', mbart50, [10, 11], [69, 10, 11, 2]],
    ['mbart, empty text', mbart, [2, 68], [2, 69]],
  ])('source language: %s', (_, tokenizer, given, expected) => {
    expect(withSourceLanguage(languagesOf(tokenizer), Int32Array.from(given), 'ro_RO', 2)).toEqual(expected)
  })

  test('target language: forced first token, or start of the decoder', () => {
    expect(targetLanguage(languagesOf(mbart50), 'ro_RO')).toEqual({ decoderStartTokenId: null, forcedBosTokenId: 69 })
    expect(targetLanguage(languagesOf(mbart), 'ro_RO')).toEqual({ decoderStartTokenId: 69, forcedBosTokenId: null })
  })

  test('an unknown language is refused with those that there are', () => {
    const refusal = (field: string) =>
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: `${field} must be a language of the model, got 'ro'`,
        hint: 'there are: azj_AZ, en_XX, ro_RO',
      })
    expect(() => targetLanguage(languagesOf(mbart), 'ro')).toThrow(refusal('targetLang'))
    expect(() => withSourceLanguage(languagesOf(mbart), [10], 'ro', 2)).toThrow(refusal('sourceLang'))
  })
})
