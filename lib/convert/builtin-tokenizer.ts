/** Tokenizers that need no tokenizer.json. */
import { join } from 'node:path'
import type { Tokenizer } from '../tokenizer.js'
import { createByT5Tokenizer } from './byt5-tokenizer.js'
import { readJsonFileIfThere } from './files.js'

/**
 * ByT5's, if tokenizer_config.json of the folder asks for it; else undefined.
 * @throws TrtllmError ERR_MODEL_INVALID
 */
export async function builtinTokenizerFor(folder: string): Promise<Tokenizer | undefined> {
  const config = await readJsonFileIfThere(join(folder, 'tokenizer_config.json'))
  if (config?.tokenizer_class !== 'ByT5Tokenizer') return undefined
  const extraIds = config.extra_ids
  return createByT5Tokenizer(typeof extraIds === 'number' && extraIds > 0 ? extraIds : undefined)
}
