// SPDX-License-Identifier: GPL-2.0-only
/** The programs that age a volume and time the steps of mounting it do so, and leave it in order. */
import { join } from 'node:path'
import t from 'tap'
import { run, withoutRunner } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'

t.setTimeout(120_000)

const fewestFiles = 300
const steps = [
  'loading the code',
  'mapping the device',
  'views of the mapping',
  'reading the superblock',
  'reading the lanes',
  'mapping the shared region',
  'copying the bitmap',
  'all of the opening, once more',
  'closing it',
]

function bench(name: string, ...args: readonly string[]): Promise<string> {
  return run('env', [...withoutRunner, process.execPath, join(packageRoot, 'dist/bench', name), ...args])
}

void t.test('an aged volume, and the steps of mounting it', async (t) => {
  // The steps are those of a volume on one device.
  const mount = await TestMount.makeOn(t, 2 ** 28)
  await bench('aged-volume.js', mount.device, String(fewestFiles))
  const [, files] = /: clean, .*\((\d+) files, /.exec(await mount.check()) ?? []
  t.ok(Number(files) >= fewestFiles && Number(files) < 2 * fewestFiles, `${files} files`)

  const rows = (await bench('mount-steps.js', mount.device)).split('\n')
  t.same(
    rows.map((row) => row.replace(/: \d+\.\d$/, '')),
    steps,
    'each step has a time',
  )
  t.match(await mount.check(), /: clean, /)
})
