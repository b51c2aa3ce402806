/**
 * Installations of the stand-in for TensorRT-LLM (scripts/stand-in.mjs), and the addon that was compiled for it. Both are
 * made by `npm test`, or `npm run test:tensorrt-llm`.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
// @ts-expect-error: plain JavaScript
import { layOutEngines as layOut, layOutInstallation } from '../../scripts/stand-in.mjs'
import { root, sampleCheckpoint } from './sample.js'
import { tempFolder } from './temp.js'

export type Layout = 'wheel' | 'release' | 'triton'

export interface Variant {
  without?: ('library' | 'plugins' | 'headers' | 'mpi' | 'cublas')[]
  mpi?: 'hangingMpi' | 'hangingMpiInit'
  library?: 'otherVersion' | 'oldAbi'
  headerVersion?: string
}

export interface StandIn {
  /** Root of its file system. */
  root: string
  libs: string
  include: string | null
  /** In which it is found, and nothing else. */
  env: NodeJS.ProcessEnv
}

/** An installation in a folder that goes away with the test. */
export function installStandIn(layout: Layout, variant: Variant = {}): StandIn {
  if (!existsSync(join(root, 'build/tests/standIn'))) {
    throw new Error('the stand-in is not built: npm test, or npm run test:tensorrt-llm')
  }
  const folder = tempFolder()
  return { root: folder, ...(layOutInstallation(layout, folder, variant) as Omit<StandIn, 'root'>) }
}

/** One that stays. */
export const preparedEnv = {
  VIRTUAL_ENV: join(root, 'build/stand-in/wheel/venv'),
  OPAL_PREFIX: join(root, 'build/stand-in/wheel/usr/local/mpi'),
}

/** Where the addon is that was compiled for it. */
export const preparedCache = join(root, 'build/stand-in/cache/trtllm-node')

/** Engines of the sample model, as far as the stand-in is concerned. */
export function layOutEngines(
  how: { version?: string; build?: object; ranks?: number; options?: object } = {},
  folder = tempFolder(),
): string {
  return layOut(sampleCheckpoint, join(folder, 'engines'), how) as string
}
