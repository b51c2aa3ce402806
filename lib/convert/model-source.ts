/** Opens what users have: a Hugging Face folder, or a checkpoint of fairseq. Reads headers, no weights. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { TrtllmError } from '../errors.js'
import { bart } from './families/bart.js'
import type { Family } from './families/family.js'
import { nmt } from './families/nmt.js'
import { t5 } from './families/t5.js'
import { type JsonObject, readJsonFile, readJsonFileIfThere } from './files.js'
import { joinShards, readSafetensors, readShardedSafetensors, shardsOf } from './safetensors.js'
import { createSettingsReader, type SettingsReader } from './settings.js'
import type { TensorIndex } from './tensor-index.js'
import { member, plainSettings, readTorchFile, tensorsOf } from './torch-file.js'

/** A model that can be converted. */
export interface ModelSource {
  family: Family
  settings: SettingsReader
  tensors: TensorIndex
  /** The files of weights. */
  weightFiles: readonly string[]
  /** Where tokenizer.json and generation_config.json may lie. */
  folder: string
}

/** model_type of config.json -> its family. */
const FAMILIES: Record<string, Family> = { t5, mt5: t5, bart, mbart: bart }

/** Files of weights in the order of preference. */
const WEIGHTS: readonly { file: string; read(folder: string, file: string): Promise<TensorIndex>; sharded: boolean }[] =
  [
    { file: 'model.safetensors', read: (folder, file) => readSafetensors(join(folder, file)), sharded: false },
    { file: 'model.safetensors.index.json', read: readShardedSafetensors, sharded: true },
    { file: 'pytorch_model.bin', read: (folder, file) => readTorchWeights(join(folder, file)), sharded: false },
    { file: 'pytorch_model.bin.index.json', read: readShardedTorchWeights, sharded: true },
  ]

/** Weights of other frameworks, for a message that helps. */
const FOREIGN = ['tf_model.h5', 'flax_model.msgpack', 'model.ckpt.index']

/**
 * @param path a Hugging Face folder, a folder with one fairseq checkpoint, or such a .pt file
 * @throws TrtllmError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED, ERR_UNSAFE_MODEL
 */
export async function openModelSource(path: string): Promise<ModelSource> {
  const full = resolve(path)
  const found = await stat(full).catch(() => undefined)
  if (found === undefined) throw new TrtllmError('ERR_MODEL_NOT_FOUND', `there is no model ${full}`)
  if (!found.isDirectory()) return openFairseq(full)
  const names = await readdir(full)
  if (names.includes('config.json')) return openHuggingFace(full)
  return openFairseq(join(full, chooseCheckpoint(full, names)))
}

/** Whether a folder looks like one of Hugging Face; cheap. */
export function isHuggingFaceFolder(names: readonly string[]): boolean {
  return names.includes('config.json') && WEIGHTS.some(({ file }) => names.includes(file))
}

async function openHuggingFace(folder: string): Promise<ModelSource> {
  const configFile = join(folder, 'config.json')
  const config = await readJsonFile(configFile)
  const family = familyOf(config, configFile)
  const weights = await findWeights(folder)
  const generation = (await readJsonFileIfThere(join(folder, 'generation_config.json'))) ?? {}
  return {
    family,
    settings: createSettingsReader(configFile, withSpecialTokens(config, generation)),
    tensors: await weights.read(folder, weights.file),
    weightFiles: weights.sharded ? await shardFiles(folder, weights.file) : [join(folder, weights.file)],
    folder,
  }
}

/** The ids that generation uses come first from generation_config.json, as in Hugging Face. */
function withSpecialTokens(config: JsonObject, generation: JsonObject): JsonObject {
  const ids = ['decoder_start_token_id', 'bos_token_id', 'eos_token_id', 'pad_token_id']
  const named = ids.filter((id) => (generation[id] ?? null) !== null).map((id) => [id, generation[id]])
  return { ...config, ...Object.fromEntries(named) }
}

function familyOf({ model_type: type }: JsonObject, configFile: string): Family {
  const family = typeof type === 'string' && Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : undefined
  if (family !== undefined) return family
  throw new TrtllmError('ERR_UNSUPPORTED', `${configFile}: model_type ${JSON.stringify(type)} cannot be converted`, {
    hint: `there are: ${Object.keys(FAMILIES).join(', ')}, and checkpoints of fairseq`,
  })
}

async function findWeights(folder: string): Promise<(typeof WEIGHTS)[number]> {
  const names = await readdir(folder)
  const weights = WEIGHTS.find(({ file }) => names.includes(file))
  if (weights !== undefined) return weights
  const foreign = FOREIGN.find((file) => names.includes(file))
  if (foreign !== undefined) {
    throw new TrtllmError('ERR_UNSUPPORTED', `${join(folder, foreign)} holds weights of another framework`, {
      hint: 'load the folder with transformers (from_tf or from_flax) and call save_pretrained',
    })
  }
  throw new TrtllmError('ERR_MODEL_INVALID', `${folder} has no weights`, {
    hint: `expected one of ${WEIGHTS.map(({ file }) => file).join(', ')}`,
  })
}

async function shardFiles(folder: string, indexFile: string): Promise<string[]> {
  return (await shardsOf(folder, indexFile)).map((file) => join(folder, file))
}

async function readTorchWeights(file: string): Promise<TensorIndex> {
  const torch = await readTorchFile(file)
  return tensorsOf(torch, torch.root)
}

async function readShardedTorchWeights(folder: string, indexFile: string): Promise<TensorIndex> {
  const read = new Map<string, TensorIndex>()
  for (const file of await shardsOf(folder, indexFile)) read.set(file, await readTorchWeights(join(folder, file)))
  return joinShards(join(folder, indexFile), read)
}

/** The only .pt file, or else the one that fairseq calls best. */
function chooseCheckpoint(folder: string, names: readonly string[]): string {
  const files = names.filter((name) => name.endsWith('.pt'))
  const chosen = files.length === 1 ? files[0] : ['checkpoint_best.pt', 'model.pt'].find((name) => files.includes(name))
  if (chosen !== undefined) return chosen
  throw new TrtllmError('ERR_MODEL_INVALID', `${folder} has no config.json and ${files.length} .pt files`, {
    hint: 'expected a Hugging Face folder, or one checkpoint of fairseq; name the .pt file itself',
  })
}

async function openFairseq(file: string): Promise<ModelSource> {
  const torch = await readTorchFile(file)
  const tensors = tensorsOf(torch, member(torch.root, 'model'))
  const args = plainSettings(member(torch.root, 'args'))
  const config = plainSettings(member(member(torch.root, 'cfg'), 'model'))
  const values = { ...args, ...config, ...vocabularySizes(tensors) }
  const source = basename(file)
  return {
    family: nmt,
    settings: createSettingsReader(join(dirname(file), source), values),
    tensors,
    weightFiles: [file],
    folder: dirname(file),
  }
}

/** fairseq's settings do not say them; its dictionaries lie elsewhere. */
function vocabularySizes(tensors: TensorIndex): JsonObject {
  const sizes: JsonObject = {}
  for (const side of ['encoder', 'decoder']) {
    const embedding = tensors.get(`${side}.embed_tokens.weight`) ?? tensors.get(`models.0.${side}.embed_tokens.weight`)
    if (embedding !== undefined) sizes[`${side}_vocab_size`] = embedding.shape[0]
  }
  return sizes
}
