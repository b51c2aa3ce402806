/** The tokenizer of ByT5, which has no file: a token is a byte of UTF-8. */
import type { Tokenizer } from '../tokenizer.js'

/** Ids below are <pad>, </s> and <unk>; a byte b is id b + 3; the <extra_id_…> follow the bytes. */
const FIRST_BYTE = 3
const FIRST_EXTRA = FIRST_BYTE + 256
const SPECIAL: Record<string, number> = { '<pad>': 0, '</s>': 1, '<unk>': 2 }
const END = 1

/** Special tokens in a text; the first three take the spaces around them along, as in Hugging Face. */
const SPECIAL_TEXT = /\s*(<pad>|<\/s>|<unk>)\s*|<extra_id_(\d+)>/g

/** U+FFFD in UTF-8, one character per byte. */
const REPLACEMENT = '\u00ef\u00bf\u00bd'

/**
 * Same ids and texts as Hugging Face's ByT5Tokenizer: bytes that are no UTF-8 are left out, and so are special tokens.
 * @param extraIds how many <extra_id_…> there are
 */
export function createByT5Tokenizer(extraIds = 125): Tokenizer {
  return {
    encode(text) {
      const ids: number[] = []
      let at = 0
      for (const match of text.matchAll(SPECIAL_TEXT)) {
        const id = idOf(match, extraIds)
        if (id === undefined) continue
        pushBytes(ids, text.slice(at, match.index))
        ids.push(id)
        at = match.index + match[0].length
      }
      pushBytes(ids, text.slice(at))
      if (ids.at(-1) !== END) ids.push(END)
      return ids
    },
    decode(ids) {
      const bytes = ids.filter((id) => id >= FIRST_BYTE && id < FIRST_EXTRA).map((id) => id - FIRST_BYTE)
      return decodeValid(Uint8Array.from(bytes))
    },
  }
}

function idOf([, name, extra]: RegExpMatchArray, extraIds: number): number | undefined {
  if (name !== undefined) return SPECIAL[name]
  const number = Number(extra)
  return number < extraIds && String(number) === extra ? FIRST_EXTRA + number : undefined
}

function pushBytes(ids: number[], text: string): void {
  for (const byte of Buffer.from(text, 'utf8')) ids.push(byte + FIRST_BYTE)
}

/** Leaves out what is no UTF-8, but keeps the replacement characters that the bytes themselves spell. */
function decodeValid(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  const pieces = Buffer.from(bytes).toString('latin1').split(REPLACEMENT)
  return pieces.map((piece) => decoder.decode(Buffer.from(piece, 'latin1')).replaceAll('\ufffd', '')).join('\ufffd')
}
