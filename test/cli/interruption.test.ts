// SPDX-License-Identifier: GPL-2.0-only
/** Commands that a signal ends undo what they have made, and die of it. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { pmfs2Process, preload } from '../support/test-mount.js'
import { fileLimitMs, fingerprint, mebibyte, sparseFile, succeed } from './cli.js'

t.setTimeout(fileLimitMs)

/** The signal comes when a file that the command has made, or made longer, has its room. */
async function interrupt(t: Test, signal: NodeJS.Signals, args: readonly string[]): Promise<void> {
  await t.test(args.join(' '), async (t) => {
    preload(t, 'signal-at-room', `PMFS2_TEST_SIGNAL=${signal}`)
    t.same(await pmfs2Process(args), { end: signal, output: '' })
  })
}

void t.test('what a command has made goes when a signal ends it', async (t) => {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  const place = (name: string): string => join(folder, name)
  const [volume, file, fresh] = [place('volume'), sparseFile(place('file'), 4 * mebibyte), place('fresh')]
  await succeed(t, ['mkfs', volume, '--size', '8M', '-q'])
  const before = [volume, file].map(fingerprint)
  const unchanged = (what: string): void => {
    t.same([volume, file].map(fingerprint), before, what)
    t.notOk(existsSync(fresh), what)
  }
  await interrupt(t, 'SIGINT', ['mkfs', fresh, '--size', '8M'])
  unchanged('a file that mkfs has made')
  await interrupt(t, 'SIGTERM', ['mkfs', file, fresh, '--size', '8M'])
  unchanged('a file that mkfs has made longer')
  await interrupt(t, 'SIGHUP', ['grow', volume, '--size', '16M'])
  unchanged('the file of the volume')
  await interrupt(t, 'SIGINT', ['grow', volume, fresh, '--size', '8M'])
  unchanged('a file that grow has made')
  await interrupt(t, 'SIGTERM', ['grow', volume, file, '--size', '8M', '--force'])
  unchanged('a file that grow has made longer')
  await succeed(t, ['grow', volume, file, '--size', '8M', '-q'])
  t.equal(statSync(file).size, 8 * mebibyte)
})
