/** What the addon's file exports and asks for: two runtimes may live in one process, and old systems must load it. */
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { root } from './helpers/sample.js'

/** The one that node-gyp-build picks: with PREBUILDS_ONLY=1 the prebuilt one. */
const { resolve } = createRequire(import.meta.url)('node-gyp-build') as { resolve(folder: string): string }
const file = resolve(root)

const symbols = (...flags: string[]) =>
  execFileSync('nm', ['-D', ...flags, file], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')

test('it exports the two entry points of Node-API and nothing else', () => {
  const names = symbols('--defined-only').map((line) => line.split(' ').at(-1))
  expect(names.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1'])
})

/** Library and version of each symbol that comes from elsewhere. */
const needed = () => symbols('--undefined-only').flatMap((line) => [...line.matchAll(/@(\w+?)_([\d.]+)$/g)])

test('libstdc++ is inside', () => {
  expect(needed().map(([, library]) => library)).not.toContain('GLIBCXX')
})

// A build for one's own machine may need that machine's glibc.
test.runIf(process.env.PREBUILDS_ONLY)('the prebuilt addon needs no glibc newer than 2.34', () => {
  const versions = needed()
    .filter(([, library]) => library === 'GLIBC')
    .map(([, , version = '']) => version.split('.').map(Number))
    .map(([major = 0, minor = 0]) => major * 1000 + minor)
  expect(versions.length).toBeGreaterThan(0)
  expect(Math.max(...versions)).toBeLessThanOrEqual(2034)
})
