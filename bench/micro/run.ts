// SPDX-License-Identifier: GPL-2.0-only
/**
 * Micro-benchmarks: what the parts of the request path cost by themselves, in nanoseconds and in bytes of the
 * JavaScript heap. Each subject has a fresh volume in memory; there is no mount and no kernel in between.
 */
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { native } from '../../src/native/index.js'
import { MemoryVolume } from '../../test/support/memory-volume.js'
import { accessor } from './accessor.js'
import { allocator } from './allocator.js'
import { blockMap } from './block-map.js'
import { copyOnWrite } from './copy-on-write.js'
import { directory } from './directory.js'
import { engine } from './engine.js'
import { type Figures, measure } from './measure.js'
import { nativeHelper } from './native.js'
import type { Subject } from './subject.js'
import { transaction } from './transaction.js'

const subjects: Readonly<Record<string, Subject>> = {
  accessor,
  'block-map': blockMap,
  directory,
  allocator,
  transaction,
  engine,
  'copy-on-write': copyOnWrite,
  native: nativeHelper,
}
const volumeBytes = 2 ** 29

interface Result extends Figures {
  readonly subject: string
  readonly case: string
}

function row(name: string, ...figures: readonly string[]): string {
  const [median = '', middle = '', bytes = ''] = figures
  return `${name.padEnd(54)}${median.padStart(11)}${middle.padStart(21)}${bytes.padStart(11)}`
}

/** Nanoseconds, to three digits or so. */
function digits(nanoseconds: number): string {
  return nanoseconds.toFixed(nanoseconds < 10 ? 2 : nanoseconds < 100 ? 1 : 0)
}

async function runSubject(name: string, subject: Subject): Promise<Result[]> {
  const results: Result[] = []
  const volume = new MemoryVolume(volumeBytes, subject.data)
  console.log(`\n${row(subject.title, 'ns', 'middle half', 'heap B')}`)
  for (const one of subject.prepare(volume)) {
    const figures = await measure(one)
    const middle = `${digits(figures.lowerQuartile)} to ${digits(figures.upperQuartile)}`
    console.log(row(`  ${one.name}`, digits(figures.nanoseconds), middle, String(figures.allocatedBytes)))
    results.push({ subject: name, case: one.name, ...figures })
  }
  volume.release()
  return results
}

const argv = await yargs(hideBin(process.argv))
  .scriptName('bench:micro')
  .usage('$0 [options]\n\nTimes the parts of the request path, each by itself.')
  .option('only', { type: 'array', string: true, choices: Object.keys(subjects), describe: 'Subjects' })
  .option('json', { type: 'string', requiresArg: true, describe: 'Also write every figure to this file' })
  .strict()
  .help()
  .parseAsync()

const machine = {
  processor: cpus()[0]?.model ?? 'unknown',
  flush: native.flushInstruction(),
  node: process.version,
}
console.log(`${machine.processor}, ${machine.flush}, Node ${machine.node}`)
console.log('ns: nanoseconds per operation, the median; heap B: bytes of the JavaScript heap per operation')
const results: Result[] = []
for (const [name, subject] of Object.entries(subjects)) {
  if (argv.only?.includes(name) ?? true) results.push(...(await runSubject(name, subject)))
}
if (argv.json !== undefined) {
  await writeFile(argv.json, `${JSON.stringify({ machine, results }, undefined, 2)}\n`)
}
