// Brings a checkout to the state in which it runs: system packages, npm packages, native build, TypeScript build.
// Whatever is there already is skipped, in a few milliseconds. Node.js built-ins only: this runs before `npm ci`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, StepFailed, step } from './steps.mjs'

/** Debian and Ubuntu packages, and the file that tells that one is there, whoever installed it. */
const BUILD_PACKAGES = {
  'g++': 'bin/g++',
  make: 'bin/make',
  cmake: 'bin/cmake',
  'ninja-build': 'bin/ninja',
  'libhwy-dev': 'include/hwy/highway.h',
  'nlohmann-json3-dev': 'include/nlohmann/json.hpp',
}
const TEST_PACKAGES = {
  'libgtest-dev': 'include/gtest/gtest.h',
  binutils: 'bin/nm',
  'openmpi-bin': 'bin/mpirun',
}
const LINT_PACKAGES = { 'clang-format': 'bin/clang-format' }

/**
 * Everything that the examples and the tests need.
 * @param {{ tests?: boolean }} [options] tests: also what the C++ tests need
 */
export async function setup({ tests = false } = {}) {
  checkNode()
  await installSystemPackages({ ...BUILD_PACKAGES, ...(tests ? TEST_PACKAGES : {}) })
  await installNpmPackages()
  await buildIfOlder(
    'native',
    'Building the native addon',
    ['native', 'CMakeLists.txt'],
    ['npm', 'run', 'build:native'],
  )
  await buildIfOlder('typescript', 'Building TypeScript', ['lib', 'tsconfig.json'], ['npm', 'run', 'build:ts'])
}

/** What the C++ tests need; builds nothing. */
export async function setupCpp() {
  await installSystemPackages({ ...BUILD_PACKAGES, ...TEST_PACKAGES })
}

/** What the linters need; builds nothing. */
export async function setupLint() {
  checkNode()
  await installSystemPackages(LINT_PACKAGES)
  await installNpmPackages()
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 17))
    throw new StepFailed(`Node.js 20.17 or newer is needed, not ${process.version}`)
}

/** @param {Record<string, string>} packages */
async function installSystemPackages(packages) {
  const missing = Object.keys(packages).filter((name) => !isThere(packages[name]))
  if (missing.length === 0) return
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing]
  const admin = adminPrefix()
  if (!isThere('bin/apt-get') || admin === undefined) {
    const command = isThere('bin/apt-get') ? `sudo ${install.join(' ')}` : `what Debian calls ${missing.join(' ')}`
    throw new StepFailed(
      `System packages are missing, and there is no root access to install them. Run or install:\n  ${command}`,
    )
  }
  console.error(`Missing system packages, to be installed with apt-get: ${missing.join(' ')}`)
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
  await step('apt-get update', [...admin, 'apt-get', 'update'], quiet)
  await step('apt-get install', [...admin, ...install], quiet)
}

function isThere(file) {
  return ['/usr', '/usr/local', ''].some((prefix) => existsSync(join(prefix, '/', file)))
}

/** What to put before a command that needs root; undefined if there is no way. */
function adminPrefix() {
  if (process.getuid?.() === 0) return []
  const prompt = process.stdin.isTTY ? [] : ['-n'] // sudo may ask a person for the password
  return spawnSync('sudo', [...prompt, 'true'], { stdio: 'inherit' }).status === 0 ? ['sudo', ...prompt] : undefined
}

async function installNpmPackages() {
  if (npmPackagesAreThere()) return
  // scripts off: the addon is built below, with progress
  await step('Installing npm packages', ['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'])
}

/** npm writes what it installed into node_modules; compares that with what the lock file asks for. */
function npmPackagesAreThere() {
  const wanted = readJson('package-lock.json')?.packages ?? {}
  const found = readJson('node_modules/.package-lock.json')?.packages ?? {}
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || found[path]?.version === version,
  )
}

function readJson(file) {
  return existsSync(join(root, file)) ? JSON.parse(readFileSync(join(root, file), 'utf8')) : undefined
}

/**
 * Builds unless the stamp of the last build is newer than all sources.
 * @param {string} name of the stamp
 * @param {string} title for people
 * @param {string[]} sources files and folders
 * @param {string[]} command
 */
async function buildIfOlder(name, title, sources, command) {
  const stamp = join(root, 'build', `.${name}-built`)
  const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (outputIsThere(name) && built > Math.max(...sources.map((source) => newest(join(root, source))))) return
  const started = new Date()
  await step(title, command)
  mkdirSync(join(root, 'build'), { recursive: true })
  writeFileSync(stamp, '')
  utimesSync(stamp, started, started) // what was edited while it was building is newer
}

function outputIsThere(name) {
  if (name === 'typescript') return existsSync(join(root, 'dist/index.js'))
  const release = join(root, 'build/Release')
  return name !== 'native' || (existsSync(release) && readdirSync(release).some((file) => file.endsWith('.node')))
}

/** Time of the newest file, folders included (a deleted file touches its folder). */
export function newest(path) {
  const found = statSync(path)
  if (!found.isDirectory()) return found.mtimeMs
  return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), found.mtimeMs)
}
