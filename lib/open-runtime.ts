/** From a model to the addon that runs it. */
import type { EngineOptions } from './config.js'
import { placeOf, readEngineLimits } from './engine-limits.js'
import { TrtllmError } from './errors.js'
import { loadAddon, type NativeAddon } from './native.js'
import type { OpenModel } from './open-model.js'
import { checkRanks } from './parallel.js'
import type { RawEngineLimits } from './raw-config.js'
import { loadRuntimeAddon } from './runtime/load.js'

export interface OpenRuntime {
  addon: NativeAddon
  /** Of engines, which the runtime cannot tell; undefined for a checkpoint. */
  engineLimits: RawEngineLimits | undefined
  /** What the runtime said when it could not load the model, with what we know about the reason. */
  explain(error: TrtllmError): TrtllmError
}

/** @throws TrtllmError as `loadAddon`, `loadRuntimeAddon` and `readEngineLimits` */
export async function openRuntime(
  runtime: 'embedded' | 'tensorrt-llm',
  opened: OpenModel,
  options: EngineOptions,
): Promise<OpenRuntime> {
  if (runtime === 'embedded') return { addon: loadAddon(), engineLimits: undefined, explain: (error) => error }
  const { limits, version, worldSize } = await readEngineLimits(opened, options)
  const where = placeOf(opened.model.folder)
  checkRanks(where, worldSize, options.parallel)
  const addon = await loadOnce(options)
  const explain = (error: TrtllmError) => explainEngine(error, where, { built: version, loaded: addon.apiVersion })
  return { addon, engineLimits: limits, explain }
}

let loaded: Promise<NativeAddon> | undefined

/** An installation stays in the process for ever, and another cannot join it. */
function loadOnce({ cacheFolder }: EngineOptions): Promise<NativeAddon> {
  loaded ??= loadAndEndAtExit(cacheFolder).catch((error: unknown) => {
    loaded = undefined
    throw error
  })
  return loaded
}

/** Its threads must not run any more when its exit handlers do, and other ranks wait for this one. */
async function loadAndEndAtExit(cacheFolder: string | undefined): Promise<NativeAddon> {
  const addon = await loadRuntimeAddon({ cacheFolder })
  process.on('exit', () => addon.endEngines())
  return addon
}

/** TensorRT's own reason is not in the message of the runtime: it goes to the process's output. */
function explainEngine(
  error: TrtllmError,
  where: string,
  version: { built: string | null; loaded: string },
): TrtllmError {
  if (error.code !== 'ERR_RUNTIME') return error
  if (version.built !== version.loaded) {
    const built = version.built ?? 'a version that it does not name'
    const why = `${where} were built by TensorRT-LLM ${built}, and ${version.loaded} cannot load them`
    return new TrtllmError('ERR_RUNTIME_VERSION', `${why}: ${error.message}`, {
      cause: error.cause,
      hint: 'build them again with the TensorRT-LLM that loads them: trtllm-node build',
    })
  }
  return new TrtllmError(error.code, `${where} cannot be loaded: ${error.message}`, {
    cause: error.cause,
    hint: "TensorRT's reason is in the output above; an engine runs on the kind of GPU that it was built on only",
  })
}
