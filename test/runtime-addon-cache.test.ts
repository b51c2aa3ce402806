/** What counts as a compiled addon in the cache folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADDON_FILE, listAddons, RECORD_FILE, runtimesFolder } from '../lib/runtime/addon-cache.js'

const RECORD = {
  packageVersion: '0.1.0',
  version: '1.2.1',
  cxx11Abi: true,
  arch: 'x64',
  library: '/opt/libtensorrt_llm.so',
  includeDir: '/opt/include',
}

let cacheFolder: string

beforeAll(() => {
  cacheFolder = mkdtempSync(join(tmpdir(), 'trtllm-node-addons-'))
})
afterAll(() => rmSync(cacheFolder, { recursive: true }))

function layOut(name: string, files: Record<string, string>): void {
  const folder = join(runtimesFolder(cacheFolder), name)
  mkdirSync(folder, { recursive: true })
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content)
}

test('an addon and a record make one; each alone does not', async () => {
  const record = JSON.stringify(RECORD)
  layOut('whole', { [RECORD_FILE]: record, [ADDON_FILE]: '' })
  layOut('no addon', { [RECORD_FILE]: record })
  layOut('no record', { [ADDON_FILE]: '' })
  layOut('half a record', { [RECORD_FILE]: record.slice(0, 40), [ADDON_FILE]: '' })
  layOut('other fields', { [RECORD_FILE]: '{"version":1}', [ADDON_FILE]: '' })
  const found = await listAddons(cacheFolder)
  expect(found).toEqual([
    { ...RECORD, folder: join(runtimesFolder(cacheFolder), 'whole'), addon: expect.stringContaining(ADDON_FILE) },
  ])
})
