/** The languages of a multilingual mBART: which tokens they are, and where they go. */
import { TrtllmError } from '../errors.js'
import { isRecord } from '../validate.js'
import type { JsonObject } from './files.js'

/**
 * mbart-50: the input is [language, text, end] and the target language is the first token after the decoder's start.
 * mbart (cc25): the input is [text, end, language] and the target language is the decoder's start.
 */
export type LanguageStyle = 'mbart' | 'mbart-50'

export interface Languages {
  style: LanguageStyle
  /** Codes such as 'en_XX'. */
  ids: ReadonlyMap<string, number>
}

/** What a target language means to the decoder; null where the model's own setting stays. */
export interface TargetLanguage {
  decoderStartTokenId: number | null
  forcedBosTokenId: number | null
}

const CODE = /^[a-z]{2,3}_[A-Z]{2}$/

/**
 * @param tokenizer content of tokenizer.json
 * @param tokenizerConfig content of tokenizer_config.json, if there is one
 * @returns undefined if the tokenizer has no languages
 */
export function readLanguages(tokenizer: JsonObject, tokenizerConfig: JsonObject = {}): Languages | undefined {
  const ids = new Map([...vocabulary(tokenizer), ...addedTokens(tokenizer)].filter(([token]) => CODE.test(token)))
  if (ids.size === 0) return undefined
  return { style: styleOf(tokenizer, tokenizerConfig, ids), ids }
}

/**
 * Token ids of an input in a language, from those that the tokenizer gave with whatever language it was saved with.
 * @throws TrtllmError ERR_INVALID_ARGUMENT naming the languages that there are
 */
export function withSourceLanguage(
  { style, ids }: Languages,
  tokenIds: ArrayLike<number>,
  language: string,
  endId: number,
): number[] {
  const id = languageId(ids, language, 'sourceLang')
  const marks = new Set([...ids.values(), endId])
  const text = Array.from(tokenIds)
  while (text.length > 0 && marks.has(text[0] as number)) text.shift()
  while (text.length > 0 && marks.has(text.at(-1) as number)) text.pop()
  return style === 'mbart-50' ? [id, ...text, endId] : [...text, endId, id]
}

/** @throws TrtllmError ERR_INVALID_ARGUMENT naming the languages that there are */
export function targetLanguage({ style, ids }: Languages, language: string): TargetLanguage {
  const id = languageId(ids, language, 'targetLang')
  return style === 'mbart-50'
    ? { decoderStartTokenId: null, forcedBosTokenId: id }
    : { decoderStartTokenId: id, forcedBosTokenId: null }
}

function languageId(ids: Languages['ids'], language: string, field: string): number {
  const id = ids.get(language)
  if (id !== undefined) return id
  throw new TrtllmError('ERR_INVALID_ARGUMENT', `${field} must be a language of the model, got '${language}'`, {
    hint: `there are: ${[...ids.keys()].sort().join(', ')}`,
  })
}

/** The class of the tokenizer says it; else whether a language is the first token of an encoded text. */
function styleOf(tokenizer: JsonObject, config: JsonObject, ids: Languages['ids']): LanguageStyle {
  const name = typeof config.tokenizer_class === 'string' ? config.tokenizer_class : ''
  if (name.startsWith('MBart50')) return 'mbart-50'
  if (name.startsWith('MBart')) return 'mbart'
  const first = firstOf(tokenizer.post_processor)
  return first !== undefined && ids.has(first) ? 'mbart-50' : 'mbart'
}

/** The special token at the beginning of a template, if there is one. */
function firstOf(postProcessor: unknown): string | undefined {
  const template = isRecord(postProcessor) && Array.isArray(postProcessor.single) ? postProcessor.single : []
  const special = isRecord(template[0]) ? template[0].SpecialToken : undefined
  return isRecord(special) && typeof special.id === 'string' ? special.id : undefined
}

function addedTokens({ added_tokens: added }: JsonObject): [string, number][] {
  return (Array.isArray(added) ? added : []).flatMap((token): [string, number][] => {
    if (!isRecord(token) || typeof token.content !== 'string' || typeof token.id !== 'number') return []
    return [[token.content, token.id]]
  })
}

/** Newer files have the languages in the vocabulary only: a list of [token, score], or an object of ids. */
function vocabulary({ model }: JsonObject): [string, number][] {
  const vocab = isRecord(model) ? model.vocab : undefined
  if (Array.isArray(vocab)) return vocab.map((entry, id) => [String(Array.isArray(entry) ? entry[0] : entry), id])
  return isRecord(vocab) ? (Object.entries(vocab) as [string, number][]) : []
}
