// SPDX-License-Identifier: GPL-2.0-only
/**
 * `npm test`: runs test files, three at a time, and reports as TAP: a line for each file, and all that a file printed
 * if it failed or is the only one. A file needs no runner: `node FILE` runs it by itself.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findPackageRoot } from '../src/native/package-root.js'
import { switchRingOn } from '../test/support/ring-switch.js'
import { nothing, sum, summary } from './tap-tally.js'
import { type Result, TestProcess } from './test-process.js'
import { Schedule, type SwitchUse, type TestFile } from './test-schedule.js'

const usage = 'npm test [-- [--jobs N] [--exclude FILE] [FILE or FOLDER...]]'
const root = findPackageRoot(dirname(fileURLToPath(import.meta.url)))
const tests = join('dist', 'test')

/** Files outside of test/mount/ that mount, and do not choose the channel. */
const mounting = /^(mount\/|programs\/|scripts\/start|cli\/(damaged|umount)\.)/
/** What takes longest begins first, so that no processor idles in the end. */
const slow = [/^programs/, /^(uring\/)?posix/, /^stress/, /^(cli|uring|mount)\//, /(power-failure|fuzz)/]

function switchUseOf(path: string): SwitchUse {
  if (/support\/ring-(switch|tests)\.js/.test(readFileSync(join(root, path), 'utf8'))) return 'on'
  return mounting.test(relative(tests, path)) ? 'off' : 'unused'
}

function rankOf(path: string): number {
  const rank = slow.findIndex((pattern) => pattern.test(relative(tests, path)))
  return rank < 0 ? slow.length : rank
}

/** @param given files or folders, relative to the working directory; a source stands for what is compiled of it */
function findFiles(given: readonly string[], excluded: readonly string[]): TestFile[] {
  const toOutput = (name: string): string => {
    const path = relative(root, resolve(name)).replace(/\.ts$/, '.js')
    return path.startsWith('test') ? join('dist', path) : path
  }
  const left = new Set(excluded.map(toOutput))
  const paths = given.length === 0 ? [tests] : given.map(toOutput)
  return [...new Set(paths.flatMap(filesAt))]
    .filter((path) => !left.has(path))
    .sort((one, other) => rankOf(one) - rankOf(other))
    .map((path) => ({ path, switchUse: switchUseOf(path) }))
}

function filesAt(path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path]
  return readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .sort()
    .map((name) => join(path, name))
}

class TestRun {
  readonly #schedule: Schedule
  readonly #isAlone: boolean
  readonly #processes = new Set<TestProcess>()
  #signal: NodeJS.Signals | null = null
  /** Leaves the kernel's switch as it was; null while nobody has turned it. */
  #restoreSwitch: (() => unknown) | null = null
  #counts = nothing
  #ended = 0
  #failed = 0

  constructor(files: readonly TestFile[]) {
    this.#schedule = new Schedule(files)
    this.#isAlone = files.length === 1
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => this.#interrupt(name))
    // Nobody who reads any more is as good as nobody who waits.
    process.stdout.on('error', () => this.#interrupt('SIGPIPE'))
  }

  #interrupt(signal: NodeJS.Signals): void {
    this.#signal ??= signal
    for (const testProcess of this.#processes) testProcess.end()
  }

  /** @returns the exit code */
  async finish(jobs: number): Promise<number> {
    const start = performance.now()
    console.log('TAP version 14')
    await this.#runAll(jobs)
    console.log(`1..${this.#ended}`)
    console.log(`# ${summary(this.#counts)}`)
    console.log(`# time=${((performance.now() - start) / 1000).toFixed(1)}s`)
    if (this.#signal !== null) return 128 + constants.signals[this.#signal]
    return this.#failed === 0 && this.#ended > 0 ? 0 : 1
  }

  async #runAll(jobs: number): Promise<void> {
    const running = new Set<Promise<void>>()
    while (true) {
      const isFull = running.size >= jobs || this.#signal !== null
      const file = isFull ? null : this.#schedule.next()
      if (file !== null) {
        const done = this.#run(file).finally(() => running.delete(done))
        running.add(done)
      } else if (running.size > 0) await Promise.race(running)
      else break
    }
    this.#restoreSwitch?.()
  }

  async #run(file: TestFile): Promise<void> {
    if (file.switchUse === 'on') this.#turnSwitchOn()
    const start = performance.now()
    const testProcess = new TestProcess(
      root,
      file.path,
      (part) => this.#isAlone && process.stdout.write(part),
    )
    this.#processes.add(testProcess)
    const result = await testProcess.result
    this.#processes.delete(testProcess)
    this.#schedule.ended(file)
    if (!this.#schedule.needsSwitch) this.#leaveSwitch()
    this.#report(file.path, result, performance.now() - start)
  }

  /** Each file turns the switch on itself and then leaves it as it was, which is on for all but the first. */
  #turnSwitchOn(): void {
    if (this.#restoreSwitch !== null) return
    this.#restoreSwitch = switchRingOn() ?? ((): void => undefined)
  }

  #leaveSwitch(): void {
    this.#restoreSwitch?.()
    this.#restoreSwitch = null
  }

  #report(path: string, { output, counts, failure }: Result, durationMs: number): void {
    this.#ended += 1
    this.#counts = sum(this.#counts, failure !== null && counts.fail === 0 ? sum(counts, oneFailure) : counts)
    const point = `ok ${this.#ended} - ${path} # time=${durationMs.toFixed(0)}ms`
    if (failure === null) {
      console.log(point)
      return
    }
    this.#failed += 1
    if (!this.#isAlone) console.log(output.replaceAll(/^(?=.)/gm, '    '))
    console.log(`not ${point}\n  ---\n  failure: ${failure}\n  ...`)
  }
}

/** Of a file that failed without a failed assertion. */
const oneFailure = { ...nothing, total: 1, fail: 1 }

function parseJobs(text: string): number {
  const jobs = Number(text)
  if (!Number.isInteger(jobs) || jobs < 1) throw new TypeError(`--jobs ${text}: a number from 1 on is needed`)
  return jobs
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      // For two processors: files that mount wait often enough for a third one to find a processor free.
      jobs: { type: 'string', default: '3' },
      exclude: { type: 'string', multiple: true, default: [] },
    },
  })
  const files = findFiles(positionals, values.exclude)
  process.exitCode = await new TestRun(files).finish(parseJobs(values.jobs))
}

try {
  await main()
} catch (error) {
  if (!(error instanceof TypeError || (error instanceof Error && 'syscall' in error))) throw error
  console.error(`${error.message}\nusage: ${usage}`)
  process.exitCode = 2
}
