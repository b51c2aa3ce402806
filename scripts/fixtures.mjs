// Reads the sample model's fixtures: gzipped rows of a word and what belongs to it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { root } from './steps.mjs'

/** @returns {string[][]} */
export function readRows(name) {
  const text = gunzipSync(readFileSync(join(root, 'test/fixtures', name))).toString('utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
}
