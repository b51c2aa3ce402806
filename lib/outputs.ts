/** What comes back beside tokens: the executor's OutputConfig. */
import { TrtllmError } from './errors.js'
import type { RawOutputConfig } from './raw-request.js'
import { boolean, type FieldValidators } from './validate.js'

export interface OutputOptions {
  /** Return the log-probability of each generated token, and their sum. @default false */
  returnLogProbs?: boolean | undefined
  /** Return the logits of the decoder prompt's tokens, before anything is done with them. @default false */
  returnContextLogits?: boolean | undefined
  /**
   * Return the logits that each generated token was chosen from, before anything is done with them. Needs the engine
   * option `gatherGenerationLogits`; not for beams that are streamed. @default false
   */
  returnGenerationLogits?: boolean | undefined
  /** Return the encoder's output. @default false */
  returnEncoderOutput?: boolean | undefined
}

export const OUTPUT_FIELDS: FieldValidators<OutputOptions> = {
  returnLogProbs: boolean,
  returnContextLogits: boolean,
  returnGenerationLogits: boolean,
  returnEncoderOutput: boolean,
}

/** @throws TrtllmError ERR_INVALID_ARGUMENT */
export function toOutputConfig(
  options: OutputOptions,
  { gatherGenerationLogits, streamsBeams }: { gatherGenerationLogits: boolean; streamsBeams: boolean },
): RawOutputConfig {
  const { returnLogProbs = false, returnContextLogits, returnGenerationLogits, returnEncoderOutput } = options
  if (returnGenerationLogits && !gatherGenerationLogits) {
    const message = 'returnGenerationLogits needs the engine option gatherGenerationLogits: true'
    throw new TrtllmError('ERR_INVALID_ARGUMENT', message)
  }
  if (returnGenerationLogits && streamsBeams) {
    const message = 'returnGenerationLogits with beamWidth > 1 cannot be streamed, nor combined with timeoutMs'
    throw new TrtllmError('ERR_INVALID_ARGUMENT', message)
  }
  return {
    excludeInputFromOutput: true,
    returnPerfMetrics: true,
    returnLogProbs,
    ...(returnContextLogits ? { returnContextLogits } : {}),
    ...(returnGenerationLogits ? { returnGenerationLogits } : {}),
    ...(returnEncoderOutput ? { returnEncoderOutput } : {}),
  }
}
