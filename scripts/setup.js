// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes a clone ready to run: dependencies, the native part, TypeScript. What is up to date is left alone, and finding
 * that out takes a moment only, so every command of package.json can begin with it. It needs nothing but Node and npm.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const oldestNode = [20, 19]
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What stands in the way of setting up, in a sentence that says what to do about it. */
export class SetupError extends Error {}

/** @param purpose what is to be run: the program, its tests, or tools that read the sources only @throws SetupError */
export function setUp(purpose = 'program') {
  checkNode()
  installDependencies()
  if (purpose === 'tools') return
  buildNative()
  buildTypeScript()
  if (purpose === 'tests') buildTestRunner()
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  throw new SetupError(`Node ${process.versions.node} is too old: install ${oldestNode.join('.')} or newer`)
}

function installDependencies() {
  // npm writes this file last, so an installation that was cut short does not count.
  if (modifiedAt('node_modules/.package-lock.json') >= modifiedAt('package-lock.json')) return
  // The installation builds the native part as well.
  checkCompiler()
  say('installing dependencies (npm ci)')
  npm('ci', '--no-audit', '--no-fund', '--loglevel=error')
}

function buildNative() {
  const sources = filesBelow('src/native', /\.[ch]$/)
  if (isNewer('build/Release/pmfs2.node', ['binding.gyp', ...sources])) return
  checkCompiler()
  say('building the native part (node-gyp)')
  npm('run', '--silent', 'build:native', '--', '--loglevel=error')
}

function buildTypeScript() {
  const record = 'dist/.tsbuildinfo'
  const { include } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
  const sources = include.flatMap((folder) => filesBelow(folder, /(?<!\.d)\.ts$/))
  const wanted = new Set(sources.map((source) => join('dist', source.replace(/\.ts$/, ''))))
  const outputs = filesBelow('dist', /\.js$/).map((file) => file.replace(/\.js$/, ''))
  // What a deleted source left behind would still be found by a glob, or imported.
  for (const output of outputs.filter((output) => !wanted.has(output))) removeOutputs(output)
  // The compiler takes its own record for it that a file is there.
  const present = new Set(outputs)
  if ([...wanted].some((output) => !present.has(output))) rmSync(join(root, record), { force: true })
  if (isNewer(record, ['tsconfig.json', ...sources])) return

  say('compiling TypeScript (tsc)')
  const start = Date.now() / 1000
  const compiled = run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'])
  // The record counts from when the compiler began to read; and a failure is tried again next time.
  if (existsSync(join(root, record))) utimesSync(join(root, record), start, compiled ? start : 0)
  if (!compiled) throw new SetupError('TypeScript found errors (above)')
}

/** Freshly installed, tap has the plugins that package.json leaves out, and would run once with them, slowly. */
function buildTestRunner() {
  const { tap } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const leftOut = tap.plugin.filter((name) => name.startsWith('!')).map((name) => name.slice(1))
  const text = readFileSync(join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js'), 'utf8')
  const plugins = /^export const signature = `([^`]*)`/m.exec(text)?.[1].split('\n') ?? []
  if (!leftOut.some((name) => plugins.includes(name))) return
  say('building the test runner (tap)')
  if (!run(join(root, 'node_modules/.bin/tap'), ['build'])) throw new SetupError('tap build failed (above)')
}

function removeOutputs(output) {
  for (const suffix of ['.js', '.js.map', '.d.ts']) rmSync(join(root, output + suffix), { force: true })
}

/** What node-gyp needs; its own complaints are long and say less. */
function checkCompiler() {
  const missing = ['python3', 'make', 'g++'].filter((tool) => spawnSync(tool, ['--version']).status !== 0)
  if (missing.length === 0) return
  throw new SetupError(
    `the native part is compiled here, and that takes ${missing.join(' and ')}; ` +
      `on Debian or Ubuntu: apt-get install ${missing.join(' ')}`,
  )
}

function npm(...args) {
  // npm tells its scripts where it is; otherwise it is the one on the path.
  const script = process.env.npm_execpath
  const env = { ...process.env, ...ownHeaders() }
  const done = script === undefined ? run('npm', args, env) : run(process.execPath, [script, ...args], env)
  if (!done) throw new SetupError(`npm ${args.join(' ')} failed (above)`)
}

/** Where Node came with its headers, node-gyp need not download them. */
function ownHeaders() {
  const prefix = resolve(dirname(process.execPath), '..')
  return existsSync(join(prefix, 'include/node/node_api.h')) ? { npm_config_nodedir: prefix } : {}
}

/** @returns whether it succeeded; what it says goes where errors go, because stdout belongs to the caller's command */
function run(program, args, env = process.env) {
  return spawnSync(program, args, { cwd: root, env, stdio: ['ignore', 2, 2] }).status === 0
}

function say(text) {
  console.error(`setup: ${text}`)
}

/** Milliseconds; 0 where there is no such file. */
function modifiedAt(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function isNewer(output, sources) {
  const built = modifiedAt(output)
  return built > 0 && sources.every((source) => modifiedAt(source) <= built)
}

/** Paths relative to the repository, of what is called so. */
function filesBelow(folder, name) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path, name)
    return name.test(entry.name) ? [path] : []
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    setUp(process.argv[2])
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(`setup: ${error.message}`)
    process.exitCode = 1
  }
}
