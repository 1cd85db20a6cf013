// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes a clone ready to run: dependencies, the native part, TypeScript. What is up to date is left alone, and finding
 * that out takes a moment only, so every command of package.json can begin with it. It needs nothing but Node and npm.
 */
import { existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runScript } from './interruption.js'
import { mmapIoBinary } from './build-mmap-io.js'
import { bundles } from './bundle.js'
import { StepLine } from './step-line.js'

const oldestNode = [20, 19]
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Projects of the compiler, each with its record of what was built; the tests and the bench use what the program is.
 */
const programProject = 'tsconfig.program.json'
const testProject = 'tsconfig.json'
/** npm writes it last. */
const installed = 'node_modules/.package-lock.json'
const toolsPackage = 'node_modules/pmfs2-tools'

/** What stands in the way of setting up, in a sentence that says what to do about it. */
export class SetupError extends Error {}

/**
 * @param purpose what is to be run: the `program`, for which its own dependencies and the compiler are installed; its
 * `tests`; the `bench` and what else is compiled beside it; the compiler alone (`types`); or `tools` that read the
 * sources
 * @throws SetupError, or Interrupted
 */
export async function setUp(interruption, purpose = 'program') {
  if (!['program', 'tests', 'bench', 'types', 'tools'].includes(purpose))
    throw new SetupError(`nothing is called "${purpose}"`)
  checkNode()
  const setup = new Setup(interruption)
  await setup.installDependencies(purpose !== 'program')
  if (purpose === 'tools') return
  if (purpose !== 'types') await setup.buildNative()
  if (purpose === 'tests') {
    await setup.buildShadow()
    await setup.buildOptional()
  }
  await setup.buildTypeScript(purpose === 'program' ? [programProject] : [programProject, testProject])
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  throw new SetupError(`Node ${process.versions.node} is too old: install ${oldestNode.join('.')} or newer`)
}

class Setup {
  #interruption

  constructor(interruption) {
    this.#interruption = interruption
  }

  async installDependencies(withTools) {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error']
    // npm writes this file last, so an installation that was cut short does not count.
    if (modifiedAt(installed) < modifiedAt('package-lock.json')) {
      const part = withTools ? [] : ['--workspaces=false', '--omit=optional']
      await this.#npm('installing dependencies (npm ci)', 'ci', ...part, ...quiet)
    } else if (withTools && !existsSync(join(root, toolsPackage))) {
      // Adds to what is there, on which a mount may be running.
      await this.#npm('installing test runner and linter (npm install)', 'install', '--no-save', ...quiet)
    }
  }

  async buildNative() {
    const script = 'scripts/build-native.js'
    const sources = filesBelow('src/native', /\.[ch]$/)
    if (isNewer('build/Release/pmfs2.node', [script, ...sources])) return
    await this.#node('building the native part (cc)', script)
  }

  /** The native part as the tests of durability load it. */
  async buildShadow() {
    const script = 'scripts/build-native.js'
    const sources = ['src/native', 'test/native/shadow'].flatMap((folder) => filesBelow(folder, /\.[ch]$/))
    if (isNewer('build/Shadow/pmfs2.node', [script, ...sources])) return
    await this.#node("building the tests' native part (cc)", script, 'shadow')
  }

  /** A package that only its own tests need: where it cannot be built, those say so. */
  async buildOptional() {
    if (existsSync(join(root, mmapIoBinary))) return
    try {
      await this.#node('building the optional package mmap-io (node-gyp)', 'scripts/build-mmap-io.js')
    } catch (error) {
      if (!(error instanceof SetupError)) throw error
      console.error('setup: goes on without mmap-io; its tests will fail')
    }
  }

  async buildTypeScript(projects) {
    removeStaleOutputs()
    for (const project of projects) {
      await this.#compile(project)
      if (project === programProject) await this.#bundle()
    }
  }

  async #bundle() {
    const script = 'scripts/bundle.js'
    if (bundles.every((output) => isNewer(output, [script, installed, recordOf(programProject)]))) return
    await this.#node('bundling the program (esbuild)', script)
  }

  async #compile(project) {
    const { record, outputs, sources, references } = describeProject(project)
    // The compiler takes its own record for it that a file is there.
    if (outputs.some((output) => !existsSync(join(root, output)))) rmSync(join(root, record), { force: true })
    // Of what a project refers to the types may have changed.
    if (isNewer(record, [project, 'tsconfig.json', ...sources, ...references.map(recordOf)])) return
    const what =
      project === programProject ? 'compiling the program (tsc)' : 'compiling tests and bench (tsc)'
    const start = Date.now() / 1000
    let compiled = false
    try {
      await this.#node(what, 'node_modules/typescript/bin/tsc', '-p', project)
      compiled = true
    } finally {
      // The record counts from when the compiler began to read; and a failure is tried again next time.
      if (existsSync(join(root, record))) utimesSync(join(root, record), start, compiled ? start : 0)
    }
  }

  #npm(what, ...args) {
    // npm tells its scripts where it is; otherwise it is the one on the path.
    const script = process.env.npm_execpath
    return script === undefined ? this.#run(what, 'npm', args) : this.#node(what, script, ...args)
  }

  #node(what, ...args) {
    return this.#run(what, process.execPath, args)
  }

  /** One line; what the program says is shown where it fails. */
  async #run(what, program, args) {
    this.#interruption.check()
    const line = new StepLine(`setup: ${what}`)
    let output = ''
    const hear = (chunk) => (output += chunk)
    let ended
    try {
      ended = await this.#interruption.run(
        program,
        args,
        { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
        (child) => {
          for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear)
        },
      )
    } catch (error) {
      line.end('failed')
      throw new SetupError(`${program} cannot be run (${error.code})`)
    }
    const packages = /^added (\d+ packages)/m.exec(output)?.[1] ?? ''
    line.end(ended.code === 0 ? packages : 'failed')
    this.#interruption.check()
    if (ended.code === 0) return
    process.stderr.write(output)
    throw new SetupError(`${what} failed (above)`)
  }
}

/** What a deleted source left behind would still be found by a glob, or imported. */
function removeStaleOutputs() {
  const compiled = [programProject, testProject].flatMap((project) => describeProject(project).outputs)
  const wanted = new Set([...compiled, ...bundles])
  for (const output of filesBelow('dist', /\.js$/).filter((output) => !wanted.has(output)))
    for (const suffix of ['.js', '.js.map', '.d.ts'])
      rmSync(join(root, output.replace(/\.js$/, suffix)), { force: true })
}

function describeProject(project) {
  const { include, references = [] } = readJson(project)
  const sources = include.flatMap((folder) => filesBelow(folder, /(?<!\.d)\.ts$/))
  return {
    record: recordOf(project),
    sources,
    references: references.map(({ path }) => path),
    outputs: sources.map((source) => join('dist', source.replace(/\.ts$/, '.js'))),
  }
}

/** What the compiler keeps about a project. */
function recordOf(project) {
  return readJson(project).compilerOptions.tsBuildInfoFile
}

function readJson(file) {
  return JSON.parse(readFileSync(join(root, file), 'utf8'))
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

if (process.argv[1] === fileURLToPath(import.meta.url))
  await runScript('setup', SetupError, (interruption) => setUp(interruption, process.argv[2]))
