// SPDX-License-Identifier: GPL-2.0-only
/** cp, tar and rsync: trees go in and out without losing a byte or an attribute. */
import { constants } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { pattern } from '../posix/fixture.js'
import { type Manifest, differences, manifestOf } from '../support/manifest.js'
import { run } from '../support/run-command.js'
import { AT_SYMLINK_NOFOLLOW, System } from '../support/system.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, packageRoot } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { S_IFCHR } = constants
const limitMs = 120_000

/** Copies a directory to one that does not exist yet. */
type Copy = (from: string, to: string) => Promise<void>

const ways: Readonly<Record<string, Copy>> = {
  'cp -a': async (from, to) => {
    await run('cp', ['-a', from, to], limitMs)
  },
  tar: async (from, to) => {
    // The archive lies beside the copy, so it passes through the mount as well.
    await mkdir(to)
    await run('tar', ['--format=posix', '-C', from, '-cf', `${to}.tar`, '.'], limitMs)
    await run('tar', ['-C', to, '-xpf', `${to}.tar`], limitMs)
    await run('rm', [`${to}.tar`])
  },
  rsync: async (from, to) => {
    await run('rsync', ['-aH', '--checksum', `${from}/`, to], limitMs)
    const again = await run('rsync', ['-aH', '--checksum', '--itemize-changes', `${from}/`, to], limitMs)
    if (again !== '') throw new Error(`the second rsync found something to do: ${again}`)
  },
}

/** A tree of what is seldom: odd names, modes, owners, times, links and kinds. */
async function makeOddities(t: Test): Promise<string> {
  const top = join(await temporaryDirectory(t), 'oddities')
  const system = await System.start()
  await system.umask(0)
  await system.mkdir(top, 0o755)
  await system.mkdir(`${top}/sticky`, 0o1777)
  await system.mkdir(`${top}/closed`, 0o700)
  await system.chown(`${top}/closed`, 12_345, 54_321)
  for (const mode of [0o000, 0o444, 0o777, 0o4755, 0o2755, 0o6711]) {
    await system.writeFile(`${top}/mode-${mode.toString(8)}`, pattern(100 + mode), mode)
    await system.chmod(`${top}/mode-${mode.toString(8)}`, mode)
  }
  for (const bytes of [0, 1, 4095, 4096, 4097, 1_000_001]) {
    await system.writeFile(`${top}/bytes-${bytes}`, pattern(bytes))
  }
  const times = [0n, 1n, 999_999_999n, 1_234_567_890_123_456_789n, 4_294_967_296_000_000_001n]
  for (const time of times) {
    await system.writeFile(`${top}/time-${time}`, 'time')
    await system.setTimes(`${top}/time-${time}`, time, time)
  }
  for (const name of ['blank and\nnewline', '-rf', '*', 'ünïcödé', 'n'.repeat(255)]) {
    await system.writeFile(`${top}/closed/${name}`, name)
  }
  await system.link(`${top}/mode-444`, `${top}/closed/linked`)
  await system.link(`${top}/mode-444`, `${top}/linked`)
  await system.symlink('mode-777', `${top}/link`)
  await system.symlink('nowhere', `${top}/dangling`)
  await system.symlink('t/'.repeat(2000), `${top}/long`)
  await system.lchown(`${top}/link`, 1, 2)
  await system.setTimes(`${top}/link`, 5_000_000_007n, 6_000_000_008n, AT_SYMLINK_NOFOLLOW)
  await system.mkfifo(`${top}/fifo`)
  await system.mknod(`${top}/null`, S_IFCHR | 0o666, 1, 3)
  const sparse = await system.open(`${top}/sparse`, constants.O_CREAT | constants.O_WRONLY)
  await system.pwrite(sparse, pattern(5), 10_000_000)
  await system.close(sparse)
  await system.setTimes(`${top}/sticky`, 7_000_000_009n, 8_000_000_001n)
  await system.stop()
  return top
}

/** Copies a tree in every way, one after the other, and looks at the last copy through a new mount. */
async function goesThrough(t: Test, mount: TestMount, from: string): Promise<string[]> {
  const wanted: Manifest = await manifestOf(from)
  t.comment(`${wanted.size} files and directories`)
  const base = join(mount.mountpoint, `copy-of-${from.split('/').at(-1)!}`)
  const copies: string[] = []
  for (const [name, copy] of Object.entries(ways)) {
    // Each way takes the copy that the one before it has made.
    const to = `${base}-by-${name.replace(' ', '')}`
    const start = performance.now()
    await copy(copies.at(-1) ?? from, to)
    t.comment(`${name}: ${Math.round(performance.now() - start)} ms`)
    copies.push(to)
  }
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount()
  t.same(differences(await manifestOf(copies.at(-1)!), wanted), [], 'as it was, seen through a new mount')
  return copies
}

void tap.test('oddities', async (t) => {
  const oddities = await makeOddities(t)
  const mount = await TestMount.mounted(t, '256M')
  const wanted = await manifestOf(oddities)
  for (const copy of await goesThrough(t, mount, oddities)) {
    t.same(differences(await manifestOf(copy), wanted), [], copy)
    const back = join(await temporaryDirectory(t), 'back')
    await run('cp', ['-a', copy, back])
    t.same(differences(await manifestOf(back), wanted), [], `${copy}, and out again`)
  }
})

void tap.test('a tree of packages, as npm lays it out', async (t) => {
  const mount = await TestMount.mounted(t, '512M')
  const [first, ...others] = await goesThrough(t, mount, join(packageRoot, 'node_modules', '@tapjs'))
  for (const other of others) {
    await t.resolves(run('diff', ['--recursive', '--no-dereference', first!, other], limitMs), other)
  }
})
