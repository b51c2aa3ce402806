/** Reading shared libraries, against what the tools that made them say. */
import { execFileSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { usesCxx11Abi } from '../lib/runtime/abi.js'
import { readDynamicNames, readElf } from '../lib/runtime/elf.js'
import { createRandom } from './helpers/random.js'
import { tempFolder } from './helpers/temp.js'
import { writeLibrary } from './helpers/tiny-libraries.js'

function tiny(): string {
  const file = join(tempFolder(), 'libtiny.so.3')
  writeLibrary(file, { needs: ['libb.so.1', 'liba.so'], runpath: '$ORIGIN:/opt/x', symbols: ['some_name'] })
  return file
}

describe('a library', () => {
  test('what it is called, needs and looks for', async () => {
    expect(await readElf(tiny())).toEqual({
      soname: 'libtiny.so.3',
      needed: ['libb.so.1', 'liba.so'],
      runpath: ['$ORIGIN', '/opt/x'],
      rpath: [],
    })
  })

  test('the older form of its path', async () => {
    const file = join(tempFolder(), 'libold.so')
    writeLibrary(file, { rpath: '/opt/y' })
    expect(await readElf(file)).toMatchObject({ runpath: [], rpath: ['/opt/y'], needed: [] })
  })

  test('names of its symbols', async () => {
    expect((await readDynamicNames(tiny())).includes('some_name\0')).toBe(true)
  })

  test('programs of this system, against readelf', async () => {
    const said = execFileSync('readelf', ['-d', process.execPath], { encoding: 'utf8' })
    const needed = Array.from(said.matchAll(/\(NEEDED\).*\[(.*)\]/g), ([, name]) => name)
    expect((await readElf(process.execPath)).needed).toEqual(needed)
  })
})

describe('a damaged library', () => {
  const refused = { name: 'TrtllmError', code: 'ERR_LIBRARY_INVALID' }

  test.each<[string, (bytes: Buffer) => void, string]>([
    ['text', (bytes) => bytes.write('#!/bin/sh'), 'it is no ELF file'],
    ['of 32 bits', (bytes) => bytes.writeUInt8(1, 4), 'another machine than x86-64'],
    ['of another machine', (bytes) => bytes.writeUInt16LE(183, 18), 'another machine than x86-64'],
    ['with too many headers', (bytes) => bytes.writeUInt16LE(0xffff, 56), 'its program headers are damaged'],
    ['with its headers far away', (bytes) => bytes.writeBigUInt64LE(1n << 62n, 32), 'its program headers are damaged'],
    ['with its headers behind its end', (bytes) => bytes.writeBigUInt64LE(1n << 40n, 32), 'it is truncated'],
    ['without headers', (bytes) => bytes.writeUInt16LE(0, 56), 'it is no shared library'],
  ])('%s', async (_, damage, message) => {
    const file = tiny()
    const bytes = readFileSync(file)
    damage(bytes)
    writeFileSync(file, bytes)
    await expect(readElf(file)).rejects.toMatchObject({ ...refused, message: expect.stringContaining(message) })
    await expect(readElf(file)).rejects.toThrow(file)
  })

  test('one that does not exist', async () => {
    await expect(readElf('/no/such.so')).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('ENOENT'),
    })
  })

  test('cut off anywhere, it is read or refused', async () => {
    const file = tiny()
    const outcomes = new Set<unknown>()
    for (let size = readFileSync(file).length; size >= 0; size = size === 0 ? -1 : Math.max(0, size - 97)) {
      truncateSync(file, size)
      outcomes.add(
        await readDynamicNames(file).then(
          () => 'read',
          ({ code }) => code,
        ),
      )
    }
    expect([...outcomes]).toEqual(['read', 'ERR_LIBRARY_INVALID'])
  })

  test('with any bytes changed, it is read or refused', async () => {
    const file = tiny()
    const bytes = readFileSync(file)
    const random = createRandom(8)
    const used = [...bytes.keys()].filter((at) => at >= 8 && bytes[at] !== 0)
    const outcomes = new Set<unknown>()
    for (let round = 0; round < 500; round++) {
      const damaged = Buffer.from(bytes)
      for (let i = 0; i < 4; i++) damaged[random.pick(used)] = random.below(256)
      writeFileSync(file, damaged)
      const outcome = readElf(file).then(
        () => 'read',
        ({ code }) => code,
      )
      outcomes.add(await outcome)
    }
    expect([...outcomes].sort()).toEqual(['ERR_LIBRARY_INVALID', 'read'])
  })
})

describe('the ABI of std::string', () => {
  const source = `
#include <filesystem>
#include <list>
namespace tensorrt_llm::executor {
struct Request { void setBadWords(std::list<int> const&); void setPath(std::filesystem::path const&); };
void Request::setBadWords(std::list<int> const&) {}
void Request::setPath(std::filesystem::path const&) {}
}`
  test.each([
    ['1', true],
    ['0', false],
  ])('_GLIBCXX_USE_CXX11_ABI=%s', async (abi, isNew) => {
    const file = join(tempFolder(), 'lib.so')
    const flags = ['-std=c++17', '-shared', '-fPIC', `-D_GLIBCXX_USE_CXX11_ABI=${abi}`, '-o', file, '-x', 'c++', '-']
    execFileSync('c++', flags, { input: source })
    expect(await usesCxx11Abi(file)).toBe(isNew)
  })
})
