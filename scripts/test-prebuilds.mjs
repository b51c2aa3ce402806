// npm run test:prebuilds: packs the package with its prebuilt addon, installs it elsewhere with install scripts off and
// no compiler on PATH, uses it there, and runs the test suite on the prebuilt addon. Options:
//   -- --built   take prebuilds/ as it is
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setup } from './setup.mjs'
import { root, runScript, StepFailed, show, step } from './steps.mjs'
import { prepareTensorrtLlm } from './test-tensorrt-llm.mjs'

/** The package may be this large, packed: the sample model is most of it. */
const MAX_PACKED_MEGABYTES = 20

const USE = `
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Engine } from 'trtllm-node'
const folder = dirname(createRequire(import.meta.url).resolve('trtllm-node/package.json'))
const engine = await Engine.load(join(folder, 'models/g2p-en'))
const { text, finishReason } = await engine.generate({ input: 'colonel' })
console.log('colonel', text, finishReason)
await engine.close()
`

function pack(folder) {
  const report = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
  })
  const file = join(folder, JSON.parse(report)[0].filename)
  const megabytes = statSync(file).size / 1e6
  console.log(`packed: ${megabytes.toFixed(1)} MB`)
  if (megabytes > MAX_PACKED_MEGABYTES) throw new StepFailed(`the package may have ${MAX_PACKED_MEGABYTES} MB at most`)
  return file
}

/** A PATH on which there is nothing but node. */
function barePath(folder) {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  return bin
}

async function useElsewhere(folder) {
  const file = pack(folder)
  const npm = process.env.npm_execpath
  if (npm === undefined) throw new StepFailed('run this as `npm run test:prebuilds`')
  const env = { PATH: barePath(folder) }
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  writeFileSync(join(folder, 'use.mjs'), USE)
  const install = [
    'install',
    '--prefix',
    folder,
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    file,
  ]
  await step('Installing the package elsewhere, scripts off', [process.execPath, npm, ...install], env)
  await show([process.execPath, join(folder, 'use.mjs')], env)
}

await runScript(async () => {
  await setup({ tests: true })
  if (!process.argv.includes('--built')) await step('Building the prebuilt addon', ['npm', 'run', 'prebuilds'])
  const folder = mkdtempSync(join(tmpdir(), 'trtllm-node-'))
  try {
    await useElsewhere(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
  await prepareTensorrtLlm()
  await show(['npx', 'vitest', 'run'], { PREBUILDS_ONLY: '1' })
})
