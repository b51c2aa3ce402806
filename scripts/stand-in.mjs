// A stand-in for an installed TensorRT-LLM, for tests of everything around it: the embedded runtime as libtensorrt_llm.so
// among empty libraries, laid out as a wheel, the release container or the Triton container are. It is not TensorRT-LLM
// and shows nothing about it.
//   node scripts/stand-in.mjs wheel|release|triton FOLDER
//   node scripts/stand-in.mjs engines CHECKPOINT FOLDER
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, runScript, StepFailed, step } from './steps.mjs'

/** Of the stand-in, as its version() says. */
export const STAND_IN_VERSION = '1.2.1'

const BUILD = 'build/tests'
const built = (name) => join(root, BUILD, 'standIn', name)

/** Builds the libraries, if a source is newer. */
export async function buildStandIn() {
  const configure = [
    'cmake',
    '-S',
    '.',
    '-B',
    BUILD,
    '-G',
    'Ninja',
    '-DTRTLLM_NODE_ADDON=OFF',
    '-DTRTLLM_NODE_TESTS=ON',
  ]
  await step('Configuring the stand-in', configure)
  await step('Building the stand-in', ['cmake', '--build', BUILD, '--target', 'stand_in'])
}

/** Where each layout keeps what; folders below its root. */
const LAYOUTS = {
  wheel: { site: 'venv/lib/python3.12/site-packages', tensorrt: 'venv/lib/python3.12/site-packages/tensorrt_libs' },
  release: { site: 'usr/local/lib/python3.12/dist-packages', tensorrt: 'usr/local/tensorrt/lib' },
  triton: { site: 'opt/venv-tritonserver/lib/python3.12/site-packages', tensorrt: 'usr/local/tensorrt/lib' },
}

const SIBLINGS = ['libdecoder_attention_0.so', 'libdecoder_attention_1.so', 'libpg_utils.so']
const MPI_FOLDER = 'usr/local/mpi/lib'

/**
 * @typedef {object} Variant what is wrong with an installation
 * @property {('library'|'plugins'|'headers'|'mpi'|'cublas')[]} [without]
 * @property {'hangingMpi'|'hangingMpiInit'} [mpi] an MPI that never returns, from loading or from its start
 * @property {'otherVersion'|'oldAbi'} [library] a library that says 1.2.0, or one of the old std::string
 * @property {string} [headerVersion] what version.h of the headers says
 */

/**
 * @param {'wheel'|'release'|'triton'} kind
 * @param {string} folder which becomes the root of the file system of a container
 * @param {Variant} [variant]
 * @returns the folders of the libraries and of the headers (null: the layout has none), and the environment in which
 * the installation is found
 */
export function layOutInstallation(kind, folder, variant = {}) {
  const without = variant.without ?? []
  const { site, tensorrt } = LAYOUTS[kind]
  const put = (file, target) => copyInto(built(file), join(folder, target))
  layOutPackage(folder, site, variant, put)
  put('libnvinfer.so.10', tensorrt)
  for (const name of ['libcublasLt.so.13', 'libcurand.so.10']) put(name, `${site}/nvidia/cu13/lib`)
  if (!without.includes('cublas')) put('libcublas.so.13', `${site}/nvidia/cu13/lib`)
  put('libnccl.so.2', `${site}/nvidia/nccl/lib`)
  for (const name of ['libtorch_cpu.so', 'libc10.so']) put(name, `${site}/torch/lib`)
  if (!without.includes('mpi')) put(join(variant.mpi ?? '', 'libmpi.so.40'), MPI_FOLDER)
  linkSystemLibraries(folder)
  return {
    libs: join(folder, site, 'tensorrt_llm/libs'),
    include: without.includes('headers') ? null : layOutHeaders(kind, folder, variant.headerVersion),
    env: environmentOf(kind, folder),
  }
}

/** The Python package. */
function layOutPackage(folder, site, { without = [], library = '' }, put) {
  const libs = `${site}/tensorrt_llm/libs`
  for (const name of SIBLINGS) put(name, libs)
  if (!without.includes('library')) put(join(library, 'libtensorrt_llm.so'), libs)
  if (!without.includes('plugins')) put('libnvinfer_plugin_tensorrt_llm.so', libs)
  write(join(folder, site, 'tensorrt_llm/version.py'), `__version__ = "${STAND_IN_VERSION}"\n`)
  const metadata = `Metadata-Version: 2.1\nName: tensorrt_llm\nVersion: ${STAND_IN_VERSION}\n`
  write(join(folder, site, `tensorrt_llm-${STAND_IN_VERSION}.dist-info/METADATA`), metadata)
}

/** The release container has the headers, a wheel's user takes the source tree, the Triton container has none. */
function layOutHeaders(kind, folder, version = STAND_IN_VERSION) {
  if (kind === 'triton') return null
  const include = join(folder, kind === 'release' ? 'app/tensorrt_llm/include' : 'source/cpp/include')
  cpSync(join(root, 'native/embedded/include'), include, { recursive: true })
  const generated = `static auto constexpr kTensorRtLlmVersion = "${version}";\n`
  write(join(include, 'tensorrt_llm/executor/version.h'), generated)
  if (kind !== 'release') return include
  const libs = join(folder, LAYOUTS.release.site, 'tensorrt_llm/libs')
  symlinkSync(libs, join(folder, 'app/tensorrt_llm/lib'))
  return include
}

/** What the containers set, and where their fixed places are if they are not at the root. */
function environmentOf(kind, folder) {
  const mpi = { OPAL_PREFIX: dirname(join(folder, MPI_FOLDER)) }
  if (kind === 'wheel') return { ...mpi, VIRTUAL_ENV: join(folder, 'venv') }
  const container = { ...mpi, LD_LIBRARY_PATH: join(folder, LAYOUTS[kind].tensorrt) }
  if (kind === 'triton') return { ...container, VIRTUAL_ENV: join(folder, 'opt/venv-tritonserver') }
  const app = join(folder, 'app/tensorrt_llm')
  return { ...container, TRTLLM_NODE_LIBS: join(app, 'lib'), TRTLLM_NODE_INCLUDE: join(app, 'include') }
}

/** What every system has: the folder may stand for the root of one. */
function linkSystemLibraries(folder) {
  const from = '/lib/x86_64-linux-gnu'
  for (const name of ['libc.so.6', 'libm.so.6', 'libstdc++.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2']) {
    const file = [join(from, name), join('/usr', from, name)].find(existsSync)
    if (file === undefined) continue
    mkdirSync(join(folder, from), { recursive: true })
    symlinkSync(realpathSync(file), join(folder, from, name))
  }
}

function copyInto(file, folder) {
  if (!existsSync(file)) throw new StepFailed(`${file} is missing: buildStandIn() was not called`)
  mkdirSync(folder, { recursive: true })
  copyFileSync(realpathSync(file), join(folder, file.slice(file.lastIndexOf('/') + 1)))
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** What the embedded runtime takes where nothing else is said; an engine has it built in. */
const DEFAULTS = { maxBatchSize: 64, maxNumTokens: 8192, maxBeamWidth: 64, maxSequenceLength: 4096, tokensPerBlock: 32 }

/**
 * A folder that passes for two engines: for the stand-in it is the checkpoint, for everybody else it looks like what
 * trtllm-build writes.
 * @param {string} checkpoint
 * @param {string} folder
 * @param {{ version?: string, build?: object, ranks?: number, options?: object }} [how] what the engines say of themselves, and
 * options of the embedded runtime (threads, weights, tokensPerBlock, encoderTokenBudget, reuseEncoder)
 */
export function layOutEngines(checkpoint, folder, how = {}) {
  const read = (side) => JSON.parse(readFileSync(join(checkpoint, side, 'config.json'), 'utf8'))
  const configs = { encoder: read('encoder'), decoder: read('decoder') }
  const limits = { ...DEFAULTS, ...definedOnly(how.options) }
  const common = {
    max_batch_size: limits.maxBatchSize,
    max_beam_width: limits.maxBeamWidth,
    max_num_tokens: limits.maxNumTokens,
  }
  const inputLength = withinPositions(configs.encoder, limits.maxNumTokens)
  const sequenceLength = withinPositions(configs.decoder, limits.maxSequenceLength)
  const build = {
    encoder: { ...common, max_input_len: inputLength, max_seq_len: inputLength, kv_cache_type: 'DISABLED' },
    decoder: {
      ...common,
      max_input_len: sequenceLength - 1,
      max_seq_len: sequenceLength,
      max_encoder_input_len: inputLength,
      kv_cache_type: 'PAGED',
    },
  }
  for (const side of ['encoder', 'decoder']) {
    const target = join(folder, side)
    copyFiles(join(checkpoint, side), target, (name) => /^rank\d+\.safetensors$/.test(name))
    const sizes = { tokensPerBlock: limits.tokensPerBlock, ranks: how.ranks ?? 1 }
    const config = engineConfig(configs[side], { ...build[side], ...how.build }, sizes)
    const own = { version: how.version ?? STAND_IN_VERSION, stand_in: how.options ?? {} }
    write(join(target, 'config.json'), JSON.stringify({ ...config, ...own }, null, 2))
    for (let rank = 0; rank < sizes.ranks; rank++) write(join(target, `rank${rank}.engine`), 'a stand-in, no engine\n')
  }
  copyFiles(checkpoint, folder, (name) => /\.(json|model)$/.test(name))
  return folder
}

const definedOnly = (object = {}) => JSON.parse(JSON.stringify(object))

const withinPositions = (config, length) =>
  config.has_position_embedding ? Math.min(config.max_position_embeddings, length) : length

/** The checkpoint's fields at the top are the stand-in's. Each rank of it runs the whole model. */
function engineConfig(checkpoint, build, { tokensPerBlock, ranks }) {
  const flags = { gpt_attention_plugin: 'auto', remove_input_padding: true, tokens_per_block: tokensPerBlock }
  return {
    ...checkpoint,
    pretrained_config: { ...checkpoint, mapping: { world_size: ranks, tp_size: ranks, pp_size: 1, cp_size: 1 } },
    build_config: { ...build, plugin_config: { ...flags, paged_kv_cache: build.kv_cache_type === 'PAGED' } },
  }
}

function copyFiles(from, to, wanted) {
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from).filter(wanted)) copyFileSync(join(from, name), join(to, name))
}

async function main([kind, ...paths]) {
  if (kind === 'engines' && paths.length === 2) {
    layOutEngines(paths[0], paths[1])
    return
  }
  if (!Object.hasOwn(LAYOUTS, kind ?? '') || paths.length !== 1) {
    throw new StepFailed('usage: stand-in.mjs wheel|release|triton FOLDER, or stand-in.mjs engines CHECKPOINT FOLDER')
  }
  await buildStandIn()
  const { libs, include, env } = layOutInstallation(kind, paths[0])
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  console.log([`libraries ${libs}`, `headers ${include ?? 'none'}`, ...variables].join('\n'))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await runScript(() => main(process.argv.slice(2)))
