/** Text to token ids and back, whole and piece by piece. */
import { readFileSync } from 'node:fs'
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { TrtllmError } from './errors.js'

/** What an engine needs of a tokenizer. */
export interface Tokenizer {
  /** Text to ids, special tokens included. */
  encode(text: string): ArrayLike<number>
  /**
   * Text to ids without special tokens. Needed for text that the decoder shall say, begin with or avoid: `stopWords`,
   * `badWords`, `allowedSequences`, `decoderInput`, the `target` of a score.
   */
  encodePlain?(text: string): ArrayLike<number>
  /** Ids to text, special tokens left out. */
  decode(ids: number[]): string
}

/**
 * Loads a Hugging Face tokenizer.json. Decoding leaves out special tokens and unknown ids, and does not clean up spaces.
 * @throws TrtllmError ERR_MODEL_INVALID
 */
export function loadTokenizer(file: string): Tokenizer {
  try {
    return wrap(
      new HuggingFaceTokenizer(JSON.parse(readFileSync(file, 'utf8')), { clean_up_tokenization_spaces: false }),
    )
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TrtllmError('ERR_MODEL_INVALID', `tokenizer ${file} cannot be used: ${reason}`, { cause })
  }
}

function wrap(tokenizer: HuggingFaceTokenizer): Tokenizer {
  const special = new Set<number>()
  for (const [id, token] of tokenizer.get_added_tokens_decoder()) if (token.special) special.add(id)
  const hasText = (id: number) => !special.has(id) && tokenizer.id_to_token(id) !== undefined
  return {
    encode: (text) => tokenizer.encode(text).ids,
    encodePlain: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    decode: (ids) => {
      const kept = ids.filter(hasText)
      return kept.length === 0 ? '' : tokenizer.decode(kept, { skip_special_tokens: true })
    },
  }
}

/** Turns tokens that arrive piece by piece into text pieces whose concatenation is the text of all tokens. */
export interface TextAssembler {
  /** New text that no later token can change; '' while there is none. */
  push(ids: ArrayLike<number>): string
  /** What was held back. Nothing may be pushed afterwards. */
  end(): string
}

/** As many tokens may be held back before their text is looked at less often, so that the cost stays linear. */
const OFTEN = 8

/**
 * Decodes a short window instead of all tokens: its text, less the text that it had before the new tokens, is new. The
 * window starts with tokens that have text on their own, so what a decoder does at the start of a text happens within
 * them, alike before and after. A text that ends with U+FFFD may be the beginning of a character and waits.
 */
export function createTextAssembler(tokenizer: Tokenizer): TextAssembler {
  let window: number[] = []
  /** Tokens of the window whose text was given out, and that text. */
  let given = 0
  let givenText = ''
  /** Where the next window may start. */
  let anchor = 0
  let nextTry = 0

  function take(text: string): string {
    const piece = text.slice(givenText.length)
    const next = window.slice(anchor)
    const nextText = tokenizer.decode(next)
    if (nextText === '') {
      givenText = text
    } else {
      window = next
      givenText = nextText
      anchor = next.length
    }
    given = window.length
    nextTry = 0
    return piece
  }

  function settled(): string | undefined {
    if (given === window.length) return undefined
    const held = window.length - given
    if (held > OFTEN && held < nextTry) return undefined
    nextTry = held * 1.5
    const text = tokenizer.decode(window)
    return text.length > givenText.length && !text.endsWith('\uFFFD') ? text : undefined
  }

  return {
    push(ids) {
      for (let i = 0; i < ids.length; i++) window.push(ids[i] ?? 0)
      const text = settled()
      return text === undefined ? '' : take(text)
    },
    end: () => (given === window.length ? '' : tokenizer.decode(window).slice(givenText.length)),
  }
}
