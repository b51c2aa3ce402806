/** What a model's own generation settings and languages add to a request that does not say otherwise. */
import { join } from 'node:path'
import { readJsonFileIfThere } from './convert/files.js'
import {
  type GenerationDefaults,
  readGenerationDefaults,
  type SearchDefaults,
  tokenLimitsOf,
} from './convert/generation.js'
import { generationFileFor } from './convert/generation-file.js'
import { type Languages, readLanguages, targetLanguage, withSourceLanguage } from './convert/languages.js'
import { TrtllmError } from './errors.js'
import type { Request } from './request.js'
import { notEmptyText } from './token-ids.js'
import type { Tokenizer } from './tokenizer.js'
import { defined, type FieldValidators } from './validate.js'

/** Of multilingual models (mBART). *Ours.* */
export interface LanguageOptions {
  /** *Ours.* Language of `input`, such as 'en_XX'. @default the one that tokenizer.json was saved with */
  sourceLang?: string | undefined
  /** *Ours.* Language of the output. @default the model's, if it has one */
  targetLang?: string | undefined
}

export const LANGUAGE_FIELDS: FieldValidators<LanguageOptions> = { sourceLang: notEmptyText, targetLang: notEmptyText }

export interface ModelDefaults {
  /** generation_config.json of the model folder; undefined: the executor's defaults. */
  generation: GenerationDefaults | undefined
  languages: Languages | undefined
}

/** @throws TrtllmError ERR_MODEL_INVALID */
export async function readModelDefaults(folder: string | null): Promise<ModelDefaults> {
  if (folder === null) return { generation: undefined, languages: undefined }
  const generation = await generationFileFor(folder)
  const tokenizer = await readJsonFileIfThere(join(folder, 'tokenizer.json'))
  const tokenizerConfig = await readJsonFileIfThere(join(folder, 'tokenizer_config.json'))
  return {
    generation: generation && readGenerationDefaults(generation, join(folder, 'generation_config.json')),
    languages: tokenizer && readLanguages(tokenizer, tokenizerConfig),
  }
}

/** Settings of the model that no request can have: 'name: value'. */
export function unsupportedDefaults({ generation }: ModelDefaults): string[] {
  if (generation === undefined) return []
  const { forcedEosTokenIds, unsupported } = generation
  return [...unsupported, ...(forcedEosTokenIds.length > 1 ? [`forced_eos_token_id: ${forcedEosTokenIds}`] : [])]
}

/** What requests are completed from. */
export interface DefaultsContext extends ModelDefaults {
  tokenizer: Tokenizer | undefined
  endId: number | null
}

/**
 * The request with what the model says where the caller says nothing, as Hugging Face's generate() would.
 * @throws TrtllmError ERR_INVALID_ARGUMENT, ERR_NO_TOKENIZER
 */
export function withModelDefaults(request: Request, context: DefaultsContext): Request {
  const spoken = withLanguages(request, context)
  const { generation } = context
  if (generation === undefined) return spoken
  const limited = withLimits(spoken, generation)
  const searched = searchDefaults(limited, generation)
  return searched.allowedSequences === undefined
    ? { ...searched, ...constraintDefaults(searched, generation) }
    : searched
}

function withLanguages(request: Request, { languages, tokenizer, endId }: DefaultsContext): Request {
  const { sourceLang, targetLang, ...rest } = request
  if (sourceLang === undefined && targetLang === undefined) return rest
  if (languages === undefined) {
    const field = sourceLang === undefined ? 'targetLang' : 'sourceLang'
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `${field} must not be given: the model's tokenizer has no languages`)
  }
  const source = sourceLang === undefined ? {} : inputIn(languages, sourceLang, request, tokenizer, endId)
  return { ...rest, ...source, ...(targetLang === undefined ? {} : outputIn(languages, targetLang, request)) }
}

function inputIn(
  languages: Languages,
  language: string,
  { input }: Request,
  tokenizer: Tokenizer | undefined,
  endId: number | null,
): Request {
  if (input === undefined || tokenizer === undefined || endId === null) {
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `sourceLang '${language}' needs input as text and a tokenizer`)
  }
  return { input: undefined, inputTokenIds: withSourceLanguage(languages, tokenizer.encode(input), language, endId) }
}

function outputIn(languages: Languages, language: string, request: Request): Request {
  const { decoderStartTokenId, forcedBosTokenId } = targetLanguage(languages, language)
  const field = decoderStartTokenId === null ? 'forcedFirstTokenId' : 'decoderInputTokenIds'
  if (request[field] !== undefined || request.decoderInput !== undefined) {
    throw new TrtllmError(
      'ERR_INVALID_ARGUMENT',
      `targetLang '${language}' cannot be combined with a decoder prompt or ${field}`,
    )
  }
  return decoderStartTokenId === null
    ? defined({ forcedFirstTokenId: forcedBosTokenId ?? undefined })
    : { decoderInputTokenIds: [decoderStartTokenId] }
}

/** Lengths of the file count the decoder's prompt; the text of `decoderInput` is not counted with it. */
function withLimits(request: Request, { lengths }: GenerationDefaults): Request {
  const limits = tokenLimitsOf(lengths, request.decoderInputTokenIds?.length ?? 1)
  const maxTokens = request.maxTokens ?? (request.allowedSequences ? undefined : limits.maxTokens)
  if (request.minTokens !== undefined || request.allowedSequences !== undefined) return { ...request, maxTokens }
  const minTokens = limits.minTokens && Math.min(limits.minTokens, maxTokens ?? limits.minTokens)
  return { ...request, maxTokens, minTokens }
}

/** A request that asks for draws and not for beams gets no beams from the model. */
function searchDefaults(request: Request, { search }: GenerationDefaults): Request {
  const draws = [request.topK, request.topP, request.minP, request.temperature].some((value) => value !== undefined)
  const beamWidth = request.beamWidth ?? (draws ? 1 : search.beamWidth)
  return {
    numReturnSequences: request.beamWidth === undefined && !draws ? search.numReturnSequences : undefined,
    noRepeatNgramSize: request.allowedSequences === undefined ? search.noRepeatNgramSize : undefined,
    repetitionPenalty: search.repetitionPenalty,
    ...(beamWidth > 1 ? beamDefaults(search) : draws ? {} : drawDefaults(search)),
    ...defined({ ...request }),
    beamWidth,
  }
}

function beamDefaults({ lengthPenalty, earlyStopping }: SearchDefaults): Request {
  return { lengthPenalty, earlyStopping }
}

function drawDefaults({ temperature, topK, topP, minP }: SearchDefaults): Request {
  return { temperature, topK, topP, minP }
}

function constraintDefaults(request: Request, generation: GenerationDefaults): Request {
  const { beginSuppressTokens, badWords, endIds } = generation
  const moreEnds = request.endId === undefined ? endIds.slice(1).map((id) => [id]) : []
  const stopWords = [...(request.stopWords ?? []), ...moreEnds]
  return defined({
    ...forcedDefaults(request, generation),
    suppressedFirstTokenIds: request.suppressedFirstTokenIds ?? someOf(beginSuppressTokens),
    badWords: request.badWords ?? someOf(badWords),
    stopWords: someOf(stopWords),
  })
}

function forcedDefaults(request: Request, { forcedBosTokenId, forcedEosTokenIds }: GenerationDefaults): Request {
  const isWholeOutput = request.decoderInput === undefined && (request.decoderInputTokenIds?.length ?? 1) === 1
  const forcedFirstTokenId = request.forcedFirstTokenId ?? (isWholeOutput ? (forcedBosTokenId ?? undefined) : undefined)
  const isOneToken = request.maxTokens === 1 && forcedFirstTokenId !== undefined
  const onlyEnd = forcedEosTokenIds.length === 1 && !isOneToken ? forcedEosTokenIds[0] : undefined
  return { forcedFirstTokenId, forcedLastTokenId: request.forcedLastTokenId ?? onlyEnd }
}

function someOf<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined
}
