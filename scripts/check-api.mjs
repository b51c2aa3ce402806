// Part of npm run lint: an option is a type in lib/raw-config.ts or lib/raw-request.ts and a line in a field table of
// native/addon. Says which of the two is missing, and which error code has no heading in docs/errors.md. What nobody can
// reach, api-coverage.mjs says.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './steps.mjs'

const read = (file) => readFileSync(join(root, file), 'utf8')
const matches = (text, pattern) => [...text.matchAll(pattern)].map((match) => match.slice(1).find(Boolean))

/** The text of `class Name { … }` up to the brace at the line's start. */
function bodyOf(text, head) {
  const start = text.indexOf(head)
  if (start < 0) throw new Error(`there is no ${head}`)
  return text.slice(start, text.indexOf('\n}', start))
}

const FIELDS = /(?:Field|AlreadyRead)\{"(\w+)"|required\("(\w+)"/g
const PARAMETERS = /Parameter\{"(\w+)"/g // of classes without setters

const boundIn = (file) => [...matches(read(file), FIELDS), ...matches(read(file), PARAMETERS)]

function typedIn(file, ...interfaces) {
  const types = read(file).replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
  return interfaces.flatMap((name) => matches(bodyOf(types, `export interface ${name} {`), /\b(\w+)\??:/g))
}

const problems = []
function requireAll(names, there, problem) {
  for (const name of names) if (!there.includes(name)) problems.push(`${name}: ${problem}`)
}

const config = boundIn('native/addon/config.cpp')
const request = [...boundIn('native/addon/request.cpp'), ...boundIn('native/addon/loraConfig.cpp')]
const configTypes = typedIn(
  'lib/raw-config.ts',
  'RawEngineOptions',
  'RawExecutorConfig',
  'RawKvCacheConfig',
  'RawPeftCacheConfig',
  'RawParallelConfig',
  'RawDecodingConfig',
  'RawExtendedRuntimePerfKnobConfig',
  'RawRuntimeOptions',
  'RawModelSource',
  'RawModelBuffer',
  'RawEngineLimits',
)
const requestTypes = [
  ...typedIn(
    'lib/raw-request.ts',
    'RawRequest',
    'RawLoraConfig',
    'RawSamplingConfig',
    'RawOutputConfig',
    'RawRequestExtras',
  ),
  ...typedIn('lib/lora/tensors.ts', 'LoraWeights', 'LoraConfigTensor'),
]
requireAll(config, configTypes, 'read in native/addon/config.cpp, but has no type in lib/raw-config.ts')
requireAll(configTypes, config, 'has a type in lib/raw-config.ts, but is not read in native/addon/config.cpp')
requireAll(request, requestTypes, 'read in native/addon/request.cpp, but has no type in lib/raw-request.ts')
requireAll(requestTypes, request, 'has a type in lib/raw-request.ts, but is not read in native/addon/request.cpp')

const codes = [...new Set(matches(read('lib/errors.ts'), /'(ERR_\w+)'/g))]
const headings = matches(read('docs/errors.md'), /^## (ERR_\w+)/gm)
requireAll(codes, headings, 'an error code without a heading in docs/errors.md')
requireAll(headings, codes, 'a heading in docs/errors.md without an error code')

for (const problem of problems) console.error(problem)
console.log(`options and error codes: ${problems.length === 0 ? 'in step' : `${problems.length} problems`}`)
process.exitCode = problems.length === 0 ? 0 : 1
