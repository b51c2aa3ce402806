/** Folders of TensorRT engines as trtllm-build leaves them, with nothing inside the engines. */
import { join } from 'node:path'
import { writeText } from './gpu-machine.js'

type Json = Record<string, unknown>

/** One half's config.json. */
export interface EngineFile {
  version: string | undefined
  pretrained_config: Json
  build_config: Json & { plugin_config: Json }
}

export interface EngineFiles {
  encoder: EngineFile
  decoder: EngineFile
  /** Engines of each half. */
  ranks: number
}

function half(model: Json, build: Json): EngineFile {
  const sizes = { hidden_size: 64, num_attention_heads: 4, head_size: 16 }
  return {
    version: '1.2.1',
    pretrained_config: {
      ...sizes,
      dtype: 'bfloat16',
      model_type: 't5',
      mapping: { tp_size: 1, pp_size: 1 },
      quantization: { quant_algo: null },
      ...model,
    },
    build_config: {
      max_batch_size: 8,
      max_beam_width: 4,
      max_num_tokens: 8192,
      plugin_config: { remove_input_padding: true, gpt_attention_plugin: 'bfloat16' },
      ...build,
    },
  }
}

/** @param change what is wrong with them */
export function writeEngines(folder: string, change: (files: EngineFiles) => void = () => {}): string {
  const encoderSizes = { encoder_hidden_size: 64, encoder_num_heads: 4, encoder_head_size: 16 }
  const files: EngineFiles = {
    encoder: half(
      { architecture: 'EncoderModel' },
      { kv_cache_type: 'disabled', max_input_len: 1024, max_seq_len: 1024 },
    ),
    decoder: half(
      { architecture: 'DecoderModel', ...encoderSizes },
      { kv_cache_type: 'paged', max_input_len: 4, max_seq_len: 256, max_encoder_input_len: 1024 },
    ),
    ranks: 1,
  }
  change(files)
  for (const side of ['encoder', 'decoder'] as const) {
    writeText(join(folder, side, 'config.json'), JSON.stringify(files[side]))
    for (let rank = 0; rank < files.ranks; rank++) writeText(join(folder, side, `rank${rank}.engine`), '')
  }
  return folder
}
