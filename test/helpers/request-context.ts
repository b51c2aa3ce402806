/** What requests are checked against in tests that need no model. */
import { TrtllmError } from '../../lib/errors.js'
import type { RequestContext } from '../../lib/request.js'

export const requestContext: RequestContext = {
  limits: {
    maxBatchSize: 8,
    maxNumTokens: 20,
    maxBeamWidth: 4,
    maxInputLength: 20,
    maxSequenceLength: 50,
    encoderVocabSize: 30,
    decoderVocabSize: 40,
    encoderTokenBudget: 256,
    tokensPerBlock: 32,
    numSelfBlocks: 8,
    numCrossBlocks: 8,
    threads: 1,
    weights: 'float32',
    maxAdapterRank: 64,
  },
  specialTokenIds: { decoderStart: 0, end: 1, begin: null, pad: 0 },
  tokenizer: {
    encode: (text) => Array.from(text, () => 3),
    encodePlain: (text) => Array.from(text, () => 3),
    decode: () => '',
  },
  decoderOnly: false,
  defaults: { generation: undefined, languages: undefined },
  gatherGenerationLogits: false,
  featureSize: 4,
  encoderTakesFeatures: false,
  findAdapter: (name) => {
    throw new TrtllmError('ERR_LORA_NOT_FOUND', name)
  },
}

export function thrownBy(run: () => unknown): TrtllmError {
  try {
    run()
  } catch (error) {
    if (error instanceof TrtllmError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
