// SPDX-License-Identifier: GPL-2.0-only
/** A directory with very many entries: each is listed once and found, and all can be removed. */
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap from 'tap'
import { run, withoutRunner } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const entries = 100_000
const sample = 20_000
const limitMs = 120_000
const manyFiles = fileURLToPath(new URL('../support/many-files.js', import.meta.url))

/** Makes a call on files by number. @returns calls per second */
async function many(call: string, directory: string, from: number, to: number): Promise<number> {
  const args = ['taskset', '-c', '0', process.execPath, manyFiles, call, directory, `${from}`, `${to}`]
  const took = Number(await run('env', [...withoutRunner, ...args], limitMs))
  return Math.round(((to - from) / took) * 1000)
}

void tap.test(`a directory with ${entries} entries`, async (t) => {
  // On one processor, so that what is timed is not how long another one takes to wake up.
  const mount = await TestMount.mounted(t, '512M', '--cpus', '0')
  const directory = join(mount.mountpoint, 'directory')
  await mkdir(directory)
  const atStart = await many('create', directory, 0, sample)
  await many('create', directory, sample, entries - sample)
  const atEnd = await many('create', directory, entries - sample, entries)
  // Only told, as it takes a clock: that no call does more among so many stands in test/fs/directory-cost.test.ts.
  const ratio = (atEnd / atStart).toFixed(2)
  t.comment(`created ${atStart} per second at the start, ${atEnd} at the end: ${ratio} times as many`)

  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount()
  const names = await readdir(directory)
  t.equal(names.length, entries, 'as many are listed')
  t.equal(new Set(names).size, entries, 'none of them twice')
  t.ok(
    names.every((name) => /^file-\d+$/.test(name)),
    'and no others',
  )
  t.comment(`found ${await many('stat', directory, 0, entries)} per second`)
  t.comment(`removed ${await many('remove', directory, 0, entries)} per second`)
  t.same(await readdir(directory), [], 'nothing is left')
  await rmdir(directory)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
})
