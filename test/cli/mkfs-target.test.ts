// SPDX-License-Identifier: GPL-2.0-only
/** What mkfs makes ready is the file that it has locked, whatever has its name by then. */
import {
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Ends } from '../../src/cli/ends.js'
import { openTarget } from '../../src/cli/mkfs-target.js'
import { temporaryDirectory } from '../support/temporary.js'
import { fileLimitMs } from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t)
const mebibyte = 2 ** 20
const others = 'of somebody else'

for (const [what, oldBytes, undoneBytes] of [
  ['a new file', null, null],
  ['an empty file', 0, 0],
  ['a file that is made longer', mebibyte, mebibyte],
] as const) {
  const make = (name: string): string => {
    const path = join(folder, `${name} of ${what}`)
    if (oldBytes !== null) writeFileSync(path, Buffer.alloc(oldBytes))
    return path
  }
  const prepare = (path: string, ends: Ends) =>
    openTarget({ path, sizeBytes: 2 * mebibyte, force: true }, ends).prepare(() => undefined)

  void t.test(`${what}, and all is undone`, (t) => {
    const path = make('undo')
    const ends = new Ends()
    t.equal(prepare(path, ends).sizeBytes, 2 * mebibyte)
    ends.run(false)
    t.equal(existsSync(path) ? statSync(path).size : null, undoneBytes)
    t.end()
  })

  void t.test(`${what}, and no descriptor is left`, (t) => {
    const before = readdirSync('/proc/self/fd').length
    const ends = new Ends()
    prepare(make('kept'), ends)
    ends.finish()
    ends.run(true)
    t.equal(readdirSync('/proc/self/fd').length, before)
    t.end()
  })

  void t.test(`${what}, and another one takes its name`, (t) => {
    const path = make('name')
    const ends = new Ends()
    prepare(path, ends)
    renameSync(path, `${path}.moved`)
    writeFileSync(path, others)
    ends.run(false)
    t.equal(readFileSync(path, 'utf8'), others, 'which stays as it is')
    // A file that was made stays where nobody knows its name.
    t.equal(statSync(`${path}.moved`).size, undoneBytes ?? 2 * mebibyte)
    t.end()
  })
}

void t.test('a file that is overwritten, and another one takes its name', (t) => {
  const path = join(folder, 'overwritten')
  writeFileSync(path, Buffer.alloc(mebibyte, 'old'))
  const ends = new Ends()
  const target = openTarget({ path, sizeBytes: mebibyte, force: true }, ends)
  target.prepare(() => undefined)
  renameSync(path, `${path}.moved`)
  writeFileSync(path, others)
  truncateSync(path, mebibyte)
  const { device, zeroed } = target.overwrite(() => undefined)
  t.equal(device.sizeBytes, mebibyte)
  ends.run(true)
  t.ok(readFileSync(path, 'utf8').startsWith(others), 'which stays as it is')
  t.ok(zeroed)
  t.ok(readFileSync(`${path}.moved`).equals(Buffer.alloc(mebibyte)), 'the file that was named is emptied')
  t.end()
})
