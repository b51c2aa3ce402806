/** trtllm-node runtime */
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { TrtllmError } from '../errors.js'
import { type BuiltAddon, listAddons, removeAddon } from '../runtime/addon-cache.js'
import { buildRuntime } from '../runtime/build.js'
import { findInstallation, type InstallationChoice } from '../runtime/installation.js'
import { planLoading } from '../runtime/preloader.js'
import { probeRuntime } from '../runtime/probe.js'
import { printError, UsageError, write } from './output.js'

export const RUNTIME_USAGE = `Usage: trtllm-node runtime build [options]
       trtllm-node runtime list [--json]
       trtllm-node runtime remove NAME|--all

The addon for an installed TensorRT-LLM 1.2: it is compiled once, against the headers of exactly
that version, and kept in the user's cache ($XDG_CACHE_HOME/trtllm-node, or ~/.cache/trtllm-node).

build: for the installation that is found, or
  --libs DIR           folder of libtensorrt_llm.so, or a wheel's folder or environment
  --include DIR        folder of tensorrt_llm/executor/executor.h, or a source tree; no wheel has it
  --cuda-include DIR   folder of cuda_fp16.h
  --version V          of the library, where none of its files says it
  --cxx11-abi 0|1      of the library, where the names of its symbols mislead
  --verbose            print what the compiler prints
list: what is in the cache
remove: one of them, or all
`

const ACTIONS: Record<string, (args: string[]) => Promise<number>> = { build, list, remove }

export async function runtime([action, ...args]: string[]): Promise<number> {
  const run = action !== undefined && Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (run === undefined) throw new UsageError(`runtime takes one of ${Object.keys(ACTIONS).join(', ')}`)
  return run(args)
}

async function build(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      libs: { type: 'string' },
      include: { type: 'string' },
      'cuda-include': { type: 'string' },
      version: { type: 'string' },
      'cxx11-abi': { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  })
  const { libs, include, version } = values
  const onOutput = values.verbose ? (text: string) => process.stderr.write(text) : undefined
  const built = await buildRuntime({
    libs,
    include,
    version,
    cudaInclude: values['cuda-include'],
    cxx11Abi: abiOf(values['cxx11-abi']),
    onOutput,
  })
  await write(`${built.addon}: built for TensorRT-LLM ${built.version}\n`)
  return tryIt(built, { libs, include })
}

function abiOf(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined
  if (value === '0' || value === '1') return value === '1'
  throw new UsageError(`--cxx11-abi takes 0 or 1, got '${value}'`)
}

/** An image is often built where there is no GPU: then it cannot be loaded, and yet the addon is good. */
async function tryIt(built: BuiltAddon, choice: InstallationChoice): Promise<number> {
  try {
    await probeRuntime(await planLoading(await findInstallation(choice), built))
    await write('it loads\n')
  } catch (error) {
    if (!(error instanceof TrtllmError)) throw error
    printError(error, 'it is built, but cannot be loaded here: ')
  }
  return 0
}

async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } })
  const addons = await listAddons()
  if (values.json) await write(`${JSON.stringify(addons)}\n`)
  else for (const addon of addons) await write(`${nameOf(addon)}  ${addon.library}\n`)
  return 0
}

async function remove(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { all: { type: 'boolean', default: false } },
  })
  const [name, ...more] = positionals
  if (more.length > 0 || (name === undefined) !== values.all) throw new UsageError('remove takes one NAME, or --all')
  const addons = (await listAddons()).filter((addon) => values.all || nameOf(addon) === name)
  if (name !== undefined && addons.length === 0) {
    throw new TrtllmError('ERR_INVALID_ARGUMENT', `there is no addon ${name}`, { hint: 'trtllm-node runtime list' })
  }
  for (const addon of addons) await removeAddon(addon)
  return 0
}

/** Its folder's. */
const nameOf = ({ folder }: BuiltAddon): string => basename(folder)
