// The peers and their models, in the cache folder beside the package's own: made on first use, kept afterwards.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, step } from '../../steps.mjs'

const TRANSFORMERS_JS = '@huggingface/transformers@4.3.1'
const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** Does the work of `run` unless it was done with the same `text` before. */
async function once(stamp, text, run) {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === text) return
  await run()
  writeFileSync(stamp, text)
}

/** @returns {Promise<{ python: string, packages: string, exporter: string, models: string }>} */
export async function installPeers() {
  const { defaultCacheFolder } = await import('../../../dist/convert/cache.js')
  const folder = join(defaultCacheFolder(), 'peers')
  const at = (name) => join(folder, name)
  const pip = [at('venv/bin/pip'), 'install', '--quiet']
  mkdirSync(at('npm'), { recursive: true })
  const wanted = readFileSync(here('requirements.txt'), 'utf8')
  await once(at('venv.installed'), wanted, async () => {
    if (!existsSync(at('venv'))) await step('Making a Python environment', ['python3', '-m', 'venv', at('venv')])
    await step('Installing the Python peers', [...pip, '-r', here('requirements.txt')])
  })
  const forExport = readFileSync(here('onnx-requirements.txt'), 'utf8')
  await once(at('onnx-export.installed'), forExport, async () => {
    const target = ['--target', at('onnx-export'), '--upgrade', '--no-deps']
    await step('Installing the ONNX exporter', [...pip, ...target, '-r', here('onnx-requirements.txt')])
  })
  await once(at('npm.installed'), TRANSFORMERS_JS, async () => {
    writeFileSync(at('npm/package.json'), JSON.stringify({ private: true }))
    const flags = ['--prefix', at('npm'), '--ignore-scripts', '--no-audit', '--no-fund']
    await step('Installing Transformers.js', ['npm', 'install', ...flags, TRANSFORMERS_JS])
  })
  return { python: at('venv/bin/python'), packages: at('npm'), exporter: at('onnx-export'), models: at('models') }
}

/** The folder of one model in every form that a contender reads. */
export async function makeModel(name, { python, exporter, models }) {
  const model = join(models, name)
  if (existsSync(model)) return model
  const unfinished = `${models}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  await step(`Making ${name} with random weights`, [python, here('make_models.py'), unfinished, name])
  await step(`Exporting ${name} to ONNX`, [python, here('export_onnx.py'), unfinished, name], { PYTHONPATH: exporter })
  const [from, to] = ['hf', 'checkpoint'].map((part) => join(unfinished, name, part))
  const convert = [process.execPath, join(root, 'dist/cli/main.js'), 'convert', from, to, '--dtype', 'float32']
  await step(`Converting ${name} for this package`, convert)
  mkdirSync(models, { recursive: true })
  renameSync(join(unfinished, name), model)
  return model
}
