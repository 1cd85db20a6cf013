// SPDX-License-Identifier: GPL-2.0-only
/**
 * What programs do costs so many requests and no more. The counts do not depend on the machine; each request that is
 * not made is worth more than any tuning of one that is.
 */
import { constants } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import tap from 'tap'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import type { TearsDown } from '../support/temporary.js'
import { TestMount } from '../support/test-mount.js'
import { pattern } from '../posix/fixture.js'

tap.setTimeout(60_000)

const { O_CREAT, O_DIRECT, O_RDONLY, O_SYNC, O_WRONLY } = constants
const block = pattern(4096)
const quietMs = 25
/** The kernel sends these when it likes; no program waits for them. */
const unasked = new Set(['FORGET', 'BATCH_FORGET', 'INTERRUPT'])

type Counts = Readonly<Record<string, number>>

interface Place {
  readonly mount: TestMount
  readonly system: System
  /** A directory whose name the kernel knows, below the root: what happens in it leaves the root's attributes alone. */
  readonly directory: string
}

/** The counters once they stand still: RELEASE is sent when the program has gone on. */
async function settled(mount: TestMount): Promise<Counts> {
  let before = ''
  for (;;) {
    const { requests } = await mount.report()
    const counts = Object.fromEntries(Object.entries(requests).filter(([name]) => !unasked.has(name)))
    const now = JSON.stringify(counts)
    if (now === before) return counts
    before = now
    await sleep(quietMs)
  }
}

/** The requests that `action` makes. */
async function cost({ mount }: Place, action: () => Promise<unknown>): Promise<Counts> {
  const before = await settled(mount)
  await action()
  const after = await settled(mount)
  const made = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
  return Object.fromEntries(made.filter(([, count]) => count > 0))
}

async function place(t: TearsDown, ...args: readonly string[]): Promise<Place> {
  const mount = await TestMount.mounted(t, '64M', ...args)
  const system = await System.start()
  t.teardown(() => system.stop())
  const directory = `${mount.mountpoint}/directory`
  await system.mkdir(directory)
  await acquaint(system, directory)
  return { mount, system, directory }
}

/** Once in the life of a mount the kernel asks for what this server leaves to it, and hears ENOSYS. */
async function acquaint(system: System, directory: string): Promise<void> {
  const fd = await system.open(`${directory}/first`, O_WRONLY | O_CREAT)
  await system.write(fd, block)
  await system.fsync(fd)
  await system.fdatasync(fd)
  await system.close(fd)
  await system.list(directory)
}

const here = await place(tap)

void tap.test('names and attributes that the kernel knows', async (t) => {
  const { system, directory } = here
  await system.writeFile(`${directory}/known`, block)
  await system.stat(`${directory}/known`)
  t.same(await cost(here, () => system.stat(`${directory}/known`)), {}, 'a stat costs nothing')
  t.same(await cost(here, () => system.access(`${directory}/known`, constants.R_OK)), {}, 'nor does access')

  t.equal(await outcome(system.stat(`${directory}/missing`)), 'ENOENT')
  const again = await cost(here, () => outcome(system.stat(`${directory}/missing`)))
  t.same(again, {}, 'nor does a name that is known to be missing')

  await system.symlink('known', `${directory}/link`)
  await system.readlink(`${directory}/link`)
  t.same(await cost(here, () => system.readlink(`${directory}/link`)), {}, 'nor a symbolic link read before')
})

void tap.test('reading', async (t) => {
  const { system, directory } = here
  await system.writeFile(`${directory}/file`, block)
  await here.mount.remount()
  await acquaint(system, directory)
  await system.stat(`${directory}/file`)

  const once = await cost(here, () => system.readFile(`${directory}/file`))
  t.same(once, { OPEN: 1, READ: 1, RELEASE: 1 }, 'open, read, close')
  const fd = await system.open(`${directory}/file`, O_RDONLY)
  t.same(await cost(here, () => system.pread(fd, 4096, 0)), {}, 'cached from an earlier open')
  t.same(await cost(here, () => system.close(fd)), { RELEASE: 1 }, 'close flushes nothing')
})

void tap.test('writing', async (t) => {
  const { system, directory } = here
  const create = async (name: string): Promise<void> => {
    const fd = await system.open(`${directory}/${name}`, O_WRONLY | O_CREAT)
    await system.write(fd, block)
    await system.fsync(fd)
    await system.close(fd)
  }
  await outcome(system.stat(`${directory}/new`))
  const created = await cost(here, () => create('new'))
  t.same(created, { CREATE: 1, WRITE: 1, RELEASE: 1 }, 'create, write, fsync, close')
  // What no answer of ours can spare: Linux looks up a name that it knows nothing of before it creates it, and forgets
  // all attributes of a directory that it has changed, so that it asks whether one may search it.
  const unknown = await cost(here, () => create('unknown'))
  const expected = { GETATTR: 1, LOOKUP: 1, CREATE: 1, WRITE: 1, RELEASE: 1 }
  t.same(unknown, expected, 'the same of a name never heard of, in a directory just changed')

  const fd = await system.open(`${directory}/new`, O_WRONLY)
  await system.pwrite(fd, block, 0)
  t.same(await cost(here, () => system.fsync(fd)), {}, 'fsync after a write')
  t.same(await cost(here, () => system.fdatasync(fd)), {}, 'fdatasync after a write')
  await system.pwrite(fd, block, 0)
  t.same(await cost(here, () => system.close(fd)), { RELEASE: 1 }, 'close after a write')
})

void tap.test('synchronous and direct writes', async (t) => {
  for (const args of [[], ['-o', 'direct_io']]) {
    const how = args.length === 0 ? 'by default' : 'with -o direct_io'
    await here.mount.remount(...args)
    const { system, directory } = here
    await acquaint(system, directory)
    const sync = await system.open(`${directory}/sync${args.length}`, O_WRONLY | O_CREAT | O_SYNC)
    t.same(await cost(here, () => system.pwrite(sync, block, 0)), { WRITE: 1 }, `O_SYNC, new block, ${how}`)
    const hundred = await cost(here, async () => {
      for (let n = 0; n < 100; n++) await system.pwrite(sync, block, ((n * 37) % 64) * 4096)
    })
    t.same(hundred, { WRITE: 100 }, `a hundred of them here and there, ${how}`)

    const direct = await system.open(`${directory}/direct`, O_WRONLY | O_CREAT | O_DIRECT)
    t.same(await cost(here, () => system.directWrite(direct, block, 0)), { WRITE: 1 }, `O_DIRECT, ${how}`)
    const both = await system.open(`${directory}/direct`, O_WRONLY | O_DIRECT | O_SYNC)
    t.same(await cost(here, () => system.directWrite(both, block, 0)), { WRITE: 1 }, `both, ${how}`)
    const large = await cost(here, () => system.directWrite(direct, pattern(2 ** 20), 0))
    t.same(large, { WRITE: 1 }, `1 MiB at once, ${how}`)
    for (const fd of [sync, direct, both]) await system.close(fd)
  }
})

void tap.test('ls -l', async (t) => {
  const { mount, system, directory } = here
  const entries = 1000
  await system.mkdir(`${directory}/many`)
  for (let n = 0; n < entries; n++) await system.writeFile(`${directory}/many/file-${n}`, '')
  await mount.remount()
  // What the kernel asks once, and the way there.
  await run('ls', ['-l', directory])
  let output = ''
  const cold = await cost(here, async () => {
    output = await run('ls', ['-l', `${directory}/many`])
  })
  t.equal(output.split('\n').length, entries + 1)
  t.same(Object.keys(cold), ['READDIRPLUS'], 'a cold listing asks for nothing else')
  t.ok((cold['READDIRPLUS'] ?? 0) <= entries / 100, `${cold['READDIRPLUS']} requests for ${entries} entries`)
  const warm = await cost(here, () => run('ls', ['-l', `${directory}/many`]))
  // Reading the directory made its time of access unknown to the kernel, and ls wants it.
  t.same(warm, { GETATTR: 1 }, 'a warm one only for the attributes of the directory itself')
})
