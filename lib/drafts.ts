/** The sequences of one request as they grow, response by response. */
import type { RawRequest } from './raw-request.js'
import type { RawTensor } from './raw-response.js'
import type { FinishReason, Outcome, ResponseRow, ResponseView, Sequence } from './response.js'
import { concatenate, type Tensor } from './tensor.js'

/** One sequence so far. */
export interface Draft {
  readonly tokens: readonly number[]
  readonly logProbs: Float32Array
}

export interface Drafts {
  take(response: ResponseView): void
  /** The best beam or the first sample. */
  first(): Draft
  /** `reason`: of those that have not ended by themselves. */
  finish(reason: FinishReason): Outcome['sequences']
}

interface Growing extends Draft {
  tokens: number[]
  logProbs: Float32Array
  cumLogProb: number
  finishReason: FinishReason | undefined
  logits: Tensor[]
}

const begin = (): Growing => ({
  tokens: [],
  logProbs: new Float32Array(),
  cumLogProb: Number.NaN,
  finishReason: undefined,
  logits: [],
})

export function createDrafts({ samplingConfig = {}, outputConfig }: RawRequest): Drafts {
  const { beamWidth = 1, numReturnSequences = 1 } = samplingConfig
  const isBeamSearch = beamWidth > 1
  const first = begin()
  const others = isBeamSearch ? [] : Array.from({ length: numReturnSequences - 1 }, begin)

  function draftAt(index: number): Growing {
    if (index === 0) return first
    while (others.length < index) others.push(begin())
    return others[index - 1] ?? first
  }

  function add(draft: Growing, { tokens, logProbs, cumLogProb, finishReason }: ResponseRow): void {
    if (isBeamSearch) draft.tokens.length = 0 // a response brings all of a beam
    for (const id of tokens) draft.tokens.push(id)
    if (logProbs.length > 0) draft.logProbs = logProbs
    draft.cumLogProb = cumLogProb
    draft.finishReason = finishReason
  }

  function toSequence(draft: Growing, reason: FinishReason): Omit<Sequence, 'text'> {
    const generationLogits = concatenate(draft.logits)
    return {
      outputTokenIds: draft.tokens,
      finishReason: draft.finishReason ?? reason,
      ...(outputConfig.returnLogProbs ? { logProbs: Array.from(draft.logProbs), cumLogProb: draft.cumLogProb } : {}),
      ...(generationLogits === undefined ? {} : { generationLogits }),
    }
  }

  return {
    take({ rows, sequenceIndex, tensors }) {
      for (const [beam, row] of rows.entries()) add(draftAt(sequenceIndex + beam), row)
      for (const tensor of tensors) {
        if (tensor.name === 'generationLogits') draftAt(sequenceIndex + tensor.beam).logits.push(toTensor(tensor))
      }
    },
    first: () => first,
    finish: (reason) => [toSequence(first, reason), ...others.map((draft) => toSequence(draft, reason))],
  }
}

export function toTensor({ shape, data }: RawTensor): Tensor {
  return { shape, data }
}
