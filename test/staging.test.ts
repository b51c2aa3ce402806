import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeStaged } from '../lib/convert/staging.js'
import { tempFolder } from './helpers/temp.js'

const writeOf = (text: string) => async (folder: string) => {
  for (const name of ['a', 'b']) await writeFile(join(folder, name), text)
}

test('a folder is replaced whole', async () => {
  const target = join(tempFolder(), 'target')
  await writeStaged(target, { ifThere: 'replace' }, writeOf('first'))
  await mkdir(join(target, 'more'))
  await writeStaged(target, { ifThere: 'replace' }, writeOf('second'))
  expect((await readdir(target)).sort()).toEqual(['a', 'b'])
  expect(await readFile(join(target, 'a'), 'utf8')).toBe('second')
})

test('of many that replace it at once one stays, whole, and nothing beside it', async () => {
  const parent = tempFolder()
  const target = join(parent, 'target')
  const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
  await Promise.all(texts.map((text) => writeStaged(target, { ifThere: 'replace' }, writeOf(text))))
  const [a, b] = await Promise.all(['a', 'b'].map((name) => readFile(join(target, name), 'utf8')))
  expect(texts).toContain(a)
  expect(b).toBe(a)
  expect(await readdir(parent)).toEqual(['target'])
})

test('what fails leaves the old one', async () => {
  const target = join(tempFolder(), 'target')
  await writeStaged(target, { ifThere: 'replace' }, writeOf('first'))
  const failing = writeStaged(target, { ifThere: 'replace' }, () => Promise.reject(new Error('no')))
  await expect(failing).rejects.toThrow('no')
  expect(existsSync(join(target, 'a'))).toBe(true)
})
