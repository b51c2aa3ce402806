/** Shared libraries of a few hundred bytes, made by the compiler that has made the addon. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

export interface TinyLibrary {
  /** @default the file's name */
  soname?: string
  /** Sonames; none of them has to exist. */
  needs?: string[]
  /** Folders of DT_RUNPATH. */
  runpath?: string
  /** Folders of DT_RPATH. */
  rpath?: string
  /** Names that it defines, as the linker sees them. */
  symbols?: string[]
}

export function writeLibrary(file: string, library: TinyLibrary = {}): void {
  const { soname = basename(file), needs = [], runpath, rpath, symbols = [] } = library
  mkdirSync(dirname(file), { recursive: true })
  const stubs = mkdtempSync(join(tmpdir(), 'trtllm-node-stubs-'))
  try {
    for (const need of needs) link(join(stubs, need), need, [], [])
    link(file, soname, symbols, [
      '-Wl,--no-as-needed',
      ...needs.map((need) => join(stubs, need)),
      ...(runpath === undefined ? [] : ['-Wl,--enable-new-dtags', `-Wl,-rpath,${runpath}`]),
      ...(rpath === undefined ? [] : ['-Wl,--disable-new-dtags', `-Wl,-rpath,${rpath}`]),
    ])
  } finally {
    rmSync(stubs, { recursive: true })
  }
}

function link(file: string, soname: string, symbols: string[], flags: string[]): void {
  const data = symbols.map((name) => `.globl "${name}"\n"${name}": .byte 0\n`).join('')
  const input = `.data\n${data}.section .note.GNU-stack,"",@progbits\n`
  const args = [
    '-shared',
    '-nostdlib',
    `-Wl,-soname,${soname}`,
    '-o',
    file,
    '-x',
    'assembler',
    '-',
    '-x',
    'none',
    ...flags,
  ]
  execFileSync('cc', args, { input })
}
