// SPDX-License-Identifier: GPL-2.0-only
/** The programs that age a volume and time the steps of mounting it do so, and leave it in order. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
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

/** Ages a volume, and looks at what is printed of its mounts. @returns how many files it has */
async function agedFiles(t: Test, mount: TestMount): Promise<number> {
  // The switch of the ring is other tests'.
  const options = ['--mounts', '2', '--channel', 'devfuse']
  const said = await bench('aged-volume.js', mount.device, String(fewestFiles), ...options)
  const range = String.raw`\d+\.\d\d \(\d+\.\d\d–\d+\.\d\d\) s`
  t.match(said, new RegExp(`^\`node -e 0\`: ${range}, the median of 2$`, 'm'))
  t.match(said, new RegExp(`^mount by devfuse, workers: 1: ${range}$`, 'm'))
  t.match(said, /^resident at most: \d+ MiB$/m)
  return Number(/: clean, .*\((\d+) files, /.exec(await mount.check())?.[1])
}

void t.test('an aged volume, and the steps of mounting it', async (t) => {
  // The steps are those of a volume on one device.
  const mount = await TestMount.makeOn(t, 2 ** 28)
  const files = await agedFiles(t, mount)
  t.ok(files >= fewestFiles && files < 2 * fewestFiles, `${files} files`)
  t.equal(await agedFiles(t, await TestMount.makeOn(t, 2 ** 28)), files, 'by a fixed seed')

  const rows = (await bench('mount-steps.js', mount.device)).split('\n')
  t.same(
    rows.map((row) => row.replace(/: \d+\.\d$/, '')),
    steps,
    'each step has a time',
  )
  t.match(await mount.check(), /: clean, /)
})
