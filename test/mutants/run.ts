// SPDX-License-Identifier: GPL-2.0-only
/**
 * Plants each mutant in a copy of the sources, builds, and runs the tests that hold this code until one fails:
 * `npm run mutants -- [--match TEXT] [--sample N]`. Exit code 1 where a mutant stays alive, where nothing can be said
 * of it (verdict.ts), or where its text does not stand in the source any more; 2 where none is chosen.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { packageRoot } from '../support/program.js'
import { Random, seed } from '../support/random.js'
import { compile } from './compile.js'
import { durability } from './durability.js'
import type { Mutant } from './mutant.js'
import { OutOfTime, failureIn } from './verdict.js'

/** Of a test file, on a machine that does other things as well. */
const limitMs = 600_000
/** Where a test sets no limit of its own, tap's would be half a minute. */
const tapSettings = { TAP: '1', TAP_TIMEOUT: String(limitMs / 1000) }

interface Failure {
  readonly test: string
  /** The first thing that the test says is wrong. */
  readonly what: string
}

class Copy {
  readonly folder = mkdtempSync(join(tmpdir(), 'pmfs2-mutants-'))
  readonly #objects = join(this.folder, 'objects')
  /** Builds of the native helper that are not of the sources as they are. */
  #stale = new Set<string>()

  constructor() {
    for (const part of ['bin', 'dist', 'build', 'src', 'scripts', 'package.json'])
      cpSync(join(packageRoot, part), join(this.folder, part), { recursive: true })
    mkdirSync(join(this.folder, 'test'))
    cpSync(join(packageRoot, 'test/native'), join(this.folder, 'test/native'), { recursive: true })
    symlinkSync(join(packageRoot, 'node_modules'), join(this.folder, 'node_modules'))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Puts a source in the place of another. */
  write(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text)
    if (/\.[ch]$/.test(file)) {
      this.#stale = new Set(['', 'shadow'])
      // Of a header, nobody knows who includes it.
      if (file.endsWith('.h')) rmSync(this.#objects, { recursive: true, force: true })
    } else writeFileSync(join(this.folder, 'dist', file.replace(/\.ts$/, '.js')), compile(text))
  }

  /**
   * @param hangs whether not to end in time is a failure
   * @returns why the test fails, or null @throws where that cannot be said
   */
  run(test: string, hangs = false): Failure | null {
    const problem = this.#build(test.startsWith('shadow/') ? 'shadow' : '')
    if (problem !== null) throw new Error(`it does not compile: ${problem}`)
    const args = [join('dist/test', `${test}.test.js`)]
    const own = { PMFS2_SEED: '1', PMFS2_EXHAUSTIVE: '0', PMFS2_MODULES: '1', ...tapSettings }
    const env = { ...process.env, ...own }
    const end = spawnSync(process.execPath, args, {
      cwd: this.folder,
      env,
      encoding: 'utf8',
      timeout: limitMs,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 28,
    })
    try {
      const what = failureIn(end)
      return what === null ? null : { test, what }
    } catch (error) {
      if (hangs && error instanceof OutOfTime) return { test, what: error.message }
      throw new Error(`${test}: ${(error as Error).message}`, { cause: error })
    }
  }

  #build(kind: string): string | null {
    if (!this.#stale.has(kind)) return null
    const args = ['scripts/build-native.js', ...(kind === '' ? [] : [kind])]
    const env = {
      ...process.env,
      CC: join(packageRoot, 'test/mutants/cc'),
      PMFS2_OBJECTS: this.#objects,
    }
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: this.folder, encoding: 'utf8', env })
    if (status !== 0) return stderr
    this.#stale.delete(kind)
    return null
  }
}

/** Whether all of them can be planted, be they chosen or not: a source that changes leaves its mutants behind. */
function canBePlanted(mutants: readonly Mutant[]): boolean {
  const misplaced = mutants.flatMap(({ file, name, text }) => {
    const count = readFileSync(join(packageRoot, file), 'utf8').split(text).length - 1
    return count === 1 ? [] : [`${file}: ${name} | its text stands ${count} times in the source`]
  })
  for (const line of misplaced) console.log(line)
  return misplaced.length === 0
}

/** @returns how the mutant was noticed, or null */
function tryMutant(copy: Copy, { file, text, by, tests, hangs }: Mutant): Failure | null {
  const source = readFileSync(join(packageRoot, file), 'utf8')
  try {
    copy.write(
      file,
      source.replace(text, () => by),
    )
    for (const test of tests) {
      const failure = copy.run(test, hangs)
      if (failure !== null) return failure
    }
    return null
  } finally {
    copy.write(file, source)
  }
}

/** Runs all tests of these without a mutant. @returns whether all is well */
function tryNone(copy: Copy, mutants: readonly Mutant[]): boolean {
  const tests = new Set(mutants.flatMap(({ tests }) => tests))
  let failed = 0
  for (const test of tests) {
    const what = problemOf(copy, test)
    if (what === null) continue
    failed++
    console.log(`without a mutant, ${test} fails: ${what}`)
  }
  return failed === 0
}

function problemOf(copy: Copy, test: string): string | null {
  try {
    return copy.run(test)?.what ?? null
  } catch (error) {
    return String(error)
  }
}

/** So many of them, in their order. */
function sample(mutants: readonly Mutant[], count: number): readonly Mutant[] {
  const random = new Random(seed)
  const left = new Set(mutants)
  while (left.size > count) left.delete(random.of([...left]))
  return [...left]
}

/** @returns a text where the arguments choose none: why */
function choose(): readonly Mutant[] | string {
  const { values } = parseArgs({ options: { match: { type: 'string' }, sample: { type: 'string' } } })
  const { match = '', sample: count } = values
  const matching = durability.filter(({ name, file }) => `${file}: ${name}`.includes(match))
  if (matching.length === 0) return `no mutant's file and name have "${match}"`
  if (count === undefined) return matching
  if (!/^[1-9]\d*$/.test(count)) return `--sample ${count}: a number from 1 on is needed`
  console.log(`a sample by PMFS2_SEED=${seed}`)
  return sample(matching, Number(count))
}

function main(): number {
  const chosen = choose()
  if (typeof chosen === 'string') {
    console.error(`mutants: ${chosen}`)
    return 2
  }
  if (!canBePlanted(durability)) return 1
  const copy = new Copy()
  let alive = 0
  let unknown = 0
  try {
    if (!tryNone(copy, chosen)) return 1
    for (const mutant of chosen) {
      const start = performance.now()
      let outcome: string
      try {
        const failure = tryMutant(copy, mutant)
        if (failure === null) alive++
        outcome = failure === null ? 'ALIVE' : `killed by ${failure.test}: ${failure.what}`
      } catch (error) {
        unknown++
        outcome = `ERROR ${String(error)}`
      }
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      console.log(`${mutant.file}: ${mutant.name} | ${outcome} | ${seconds} s`)
    }
  } finally {
    copy.remove()
  }
  const killed = chosen.length - alive - unknown
  console.log(`${killed} of ${chosen.length} mutants killed, ${alive} alive, ${unknown} with an error`)
  return killed === chosen.length ? 0 : 1
}

process.exitCode = main()
