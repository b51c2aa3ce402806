// npm run lint: TypeScript and scripts with Biome, C++ with clang-format. `-- --fix` rewrites the files.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setupLint } from './setup.mjs'
import { root, runScript, show, step } from './steps.mjs'

const fix = process.argv.includes('--fix')

function cppFiles() {
  return readdirSync(join(root, 'native'), { recursive: true })
    .map((name) => join('native', String(name)))
    .filter((name) => /\.(cpp|h)$/.test(name))
}

await runScript(async () => {
  await setupLint()
  await show(['npx', 'biome', 'check', '--error-on-warnings', ...(fix ? ['--write'] : [])])
  await step('Checking options against their types', ['node', 'scripts/check-api.mjs'])
  await step('Coverage of the Executor API', ['node', 'scripts/api-coverage.mjs', ...(fix ? ['--fix'] : [])])
  await step('Checking types', ['npx', 'tsc', '-p', 'tsconfig.test.json'])
  await step('clang-format', [
    'clang-format',
    '--style=file',
    ...(fix ? ['-i'] : ['--dry-run', '-Werror']),
    ...cppFiles(),
  ])
})
