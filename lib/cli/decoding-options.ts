/** The options of `trtllm-node generate` that are fields of a request: one table for parsing and for the help text. */
import type { Request, TokenIds } from '../index.js'
import { UsageError } from './output.js'

/** Reads what was given for a flag, once for each time that it was given. */
type Reader = (values: string[], flag: string) => unknown

interface DecodingOption {
  flag: string
  /** How the help names the value; none: the flag has no value. */
  value?: string
  help: string
  field: keyof Request
  read: Reader
}

const last =
  (read: (value: string, flag: string) => unknown): Reader =>
  (values, flag) =>
    read(values.at(-1) ?? '', flag)

const count = last((value, flag) => {
  if (/^\d+$/.test(value)) return Number(value)
  throw new UsageError(`${flag} takes whole numbers, got '${value}'`)
})

const number = last((value, flag) => {
  if (value.trim() !== '' && Number.isFinite(Number(value))) return Number(value)
  throw new UsageError(`${flag} takes a number, got '${value}'`)
})

const seed = last((value, flag) => {
  if (/^\d+$/.test(value)) return BigInt(value)
  throw new UsageError(`${flag} takes whole numbers, got '${value}'`)
})

const text = last((value) => value)
const texts: Reader = (values) => values
const lists: Reader = (values, flag) => values.map((value) => parseIds(value, flag))
const yes: Reader = () => true

const OPTIONS: DecodingOption[] = [
  { flag: 'max-tokens', value: 'N', help: 'most tokens to generate per input', field: 'maxTokens', read: count },
  { flag: 'min-tokens', value: 'N', help: 'no end before so many tokens', field: 'minTokens', read: count },
  { flag: 'beam-width', value: 'N', help: 'beam search; 1 is greedy or sampling', field: 'beamWidth', read: count },
  {
    flag: 'num-return-sequences',
    value: 'N',
    help: 'so many beams or samples',
    field: 'numReturnSequences',
    read: count,
  },
  {
    flag: 'length-penalty',
    value: 'X',
    help: 'beams: log-probability / length ^ X',
    field: 'lengthPenalty',
    read: number,
  },
  { flag: 'early-stopping', value: 'N', help: 'beams: 0, 1 or other', field: 'earlyStopping', read: count },
  { flag: 'diversity-rate', value: 'X', help: 'bonus of later beams', field: 'beamSearchDiversityRate', read: number },
  { flag: 'temperature', value: 'X', help: 'divides the logits', field: 'temperature', read: number },
  { flag: 'top-k', value: 'N', help: 'draw from the N most probable tokens', field: 'topK', read: count },
  { flag: 'top-p', value: 'X', help: 'draw from the tokens that hold this probability', field: 'topP', read: number },
  { flag: 'min-p', value: 'X', help: 'draw from tokens of this part of the best one', field: 'minP', read: number },
  { flag: 'seed', value: 'N', help: 'of the draws', field: 'seed', read: seed },
  { flag: 'repetition-penalty', value: 'X', help: '1 is none', field: 'repetitionPenalty', read: number },
  { flag: 'presence-penalty', value: 'X', help: '0 is none', field: 'presencePenalty', read: number },
  { flag: 'frequency-penalty', value: 'X', help: '0 is none', field: 'frequencyPenalty', read: number },
  { flag: 'no-repeat-ngram-size', value: 'N', help: 'no N tokens twice', field: 'noRepeatNgramSize', read: count },
  { flag: 'stop', value: 'TEXT', help: 'ends the output; many', field: 'stopWords', read: texts },
  { flag: 'stop-ids', value: 'IDS', help: 'the same as token ids', field: 'stopWords', read: lists },
  { flag: 'bad', value: 'TEXT', help: 'never in the output; many', field: 'badWords', read: texts },
  { flag: 'bad-ids', value: 'IDS', help: 'the same as token ids', field: 'badWords', read: lists },
  { flag: 'allow', value: 'TEXT', help: 'the output is one of these; many', field: 'allowedSequences', read: texts },
  { flag: 'allow-ids', value: 'IDS', help: 'the same as token ids', field: 'allowedSequences', read: lists },
  { flag: 'decoder-input', value: 'TEXT', help: 'what the output continues', field: 'decoderInput', read: text },
  { flag: 'source-lang', value: 'CODE', help: 'of the input, such as en_XX', field: 'sourceLang', read: text },
  { flag: 'target-lang', value: 'CODE', help: 'of the output', field: 'targetLang', read: text },
  { flag: 'log-probs', help: 'log-probabilities in the JSON output', field: 'returnLogProbs', read: yes },
]

/** For parseArgs. */
export const DECODING_FLAGS = Object.fromEntries(
  OPTIONS.map(({ flag, value }) => [
    flag,
    { type: value === undefined ? 'boolean' : 'string', multiple: true } as const,
  ]),
)

export const DECODING_USAGE = OPTIONS.map(
  ({ flag, value, help }) => `  ${`--${flag}${value === undefined ? '' : ` ${value}`}`.padEnd(25)}${help}\n`,
).join('')

/**
 * The fields that the command line sets; several flags may add to one field.
 * @throws UsageError
 */
export function toDecodingFields(values: Record<string, unknown>): Partial<Request> {
  const fields: Record<string, unknown> = {}
  for (const { flag, field, read } of OPTIONS) {
    const given = values[flag]
    if (!Array.isArray(given)) continue
    const value = read(given as string[], `--${flag}`)
    const before = fields[field]
    fields[field] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value
  }
  return fields
}

/** "5,17,3" */
export function parseIds(list: string, flag: string): TokenIds {
  return list.split(',').map((id) => {
    if (/^\d+$/.test(id.trim())) return Number(id)
    throw new UsageError(`${flag} takes whole numbers, got '${id.trim()}'`)
  })
}
