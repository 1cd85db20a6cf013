// SPDX-License-Identifier: GPL-2.0-only
/**
 * What programs do costs so many requests and no more. The counts do not depend on the machine; each request that is
 * not made is worth more than any tuning of one that is.
 */
import { constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import tap, { type Test } from 'tap'
import { type Counts, requestCost } from '../support/request-cost.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import type { TearsDown } from '../support/temporary.js'
import { TestMount } from '../support/test-mount.js'
import { pattern } from '../posix/fixture.js'

tap.setTimeout(300_000)

const { O_CREAT, O_DIRECT, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants
const block = pattern(4096)
const mebibyte = 2 ** 20

interface Place {
  readonly mount: TestMount
  readonly system: System
  /** A directory whose name the kernel knows, below the root: what happens in it leaves the root's attributes alone. */
  readonly directory: string
  /** Whether the mount has extended attributes. */
  readonly hasXattrs: boolean
  /** Mounts anew, with further options: the kernel's caches are empty, but it knows what the server leaves to it. */
  remount(...args: readonly string[]): Promise<void>
}

/** The requests that `action` makes. */
function cost({ mount }: Place, action: () => Promise<unknown>): Promise<Counts> {
  return requestCost(mount, action)
}

/**
 * The same with what the kernel asks before it writes to a file, or cuts it, whose attributes it has just learnt:
 * whether it has security.capability, which it would have to take away (file_remove_privs). It remembers the answer
 * until it learns the attributes anew (fuse_change_attributes_common clears S_NOSEC).
 */
function asked({ hasXattrs }: Place, counts: Counts): Counts {
  return hasXattrs ? { ...counts, GETXATTR: 1 } : counts
}

async function place(t: TearsDown, channel: string, ...options: readonly string[]): Promise<Place> {
  const always = ['--channel', channel, ...options]
  const mount = await TestMount.mounted(t, '64M', ...always)
  const system = await System.start()
  t.teardown(() => system.stop())
  const directory = `${mount.mountpoint}/directory`
  await system.mkdir(directory)
  await acquaint(system, directory)
  const remount = async (...args: readonly string[]): Promise<void> => {
    await mount.remount(...always, ...args)
    await acquaint(system, directory)
  }
  return { mount, system, directory, hasXattrs: options.length === 0, remount }
}

/** Once in the life of a mount the kernel asks for what this server leaves to it, and hears ENOSYS. */
async function acquaint(system: System, directory: string): Promise<void> {
  await outcome(system.unlink(`${directory}/first`))
  const fd = await system.open(`${directory}/first`, O_WRONLY | O_CREAT)
  await system.write(fd, block)
  await system.fsync(fd)
  await system.fdatasync(fd)
  await system.close(fd)
  await system.list(directory)
}

/** What Linux reads ahead of a program at the most, and so asks for at once. */
async function readAheadBytes(system: System, mount: TestMount): Promise<number> {
  const { dev } = await system.stat(mount.mountpoint)
  // The major number of a mount without a device is 0.
  return Number(await readFile(`/sys/class/bdi/0:${dev}/read_ahead_kb`, 'utf8')) * 1024
}

const suites: readonly [what: string, suite: (t: Test, here: Place) => Promise<void>][] = [
  ['names and attributes that the kernel knows', names],
  ['reading what is cached, and what is not', cachedReads],
  ['writing', writes],
  ['synchronous and direct requests', directRequests],
  ['listing', listings],
  ['with -o direct_io', withoutCache],
]

/** What costs less on a mount without extended attributes. */
const suitesOfWrites = suites.filter(([, suite]) => [writes, directRequests, listings].includes(suite))

async function names(t: Test, here: Place): Promise<void> {
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
}

async function cachedReads(t: Test, here: Place): Promise<void> {
  const { mount, system, directory } = here
  await system.writeFile(`${directory}/file`, block)
  await system.writeFile(`${directory}/large`, pattern(4 * mebibyte))
  await here.remount()
  await system.stat(`${directory}/file`)

  const once = await cost(here, () => system.readFile(`${directory}/file`))
  t.same(once, { READ: 1 }, 'open, read, close')
  const again = await cost(here, async () => {
    const fd = await system.open(`${directory}/file`, O_RDONLY)
    await system.pread(fd, 4096, 0)
    await system.close(fd)
  })
  t.same(again, {}, 'the same again: what an earlier open read is cached')

  /** Of reading the large file while all of it is cached. DAMON, where it runs, may take a page that was just read. */
  const cachedCost = async () => {
    for (let tries = 0; tries < 10; tries++) {
      if (await system.isCached(large, 4 * mebibyte)) {
        return cost(here, () => system.pread(large, 4 * mebibyte, 0))
      }
      await system.pread(large, 4 * mebibyte, 0)
    }
    return 'it does not stay in the cache'
  }

  // Linux asks for as much at once as it reads ahead, which is less than a request could be.
  const large = await system.open(`${directory}/large`, O_RDONLY)
  const perRequest = Math.min(await readAheadBytes(system, mount), mebibyte)
  const cold = await cost(here, () => system.pread(large, 4 * mebibyte, 0))
  t.same(cold, { READ: (4 * mebibyte) / perRequest }, `4 MiB by ${perRequest >>> 10} KiB`)
  t.same(await cachedCost(), {}, 'and again, out of the cache')
  await system.close(large)
}

async function writes(t: Test, here: Place): Promise<void> {
  const { system, directory } = here
  const create = async (name: string): Promise<void> => {
    const fd = await system.open(`${directory}/${name}`, O_WRONLY | O_CREAT)
    await system.write(fd, block)
    await system.fsync(fd)
    await system.close(fd)
  }
  await outcome(system.stat(`${directory}/new`))
  const created = await cost(here, () => create('new'))
  t.same(created, asked(here, { MKNOD: 1, WRITE: 1 }), 'create, write, fsync, close')
  // What no answer of ours can spare: Linux looks up a name that it knows nothing of before it creates it, and forgets
  // all attributes of a directory that it has changed, so that it asks whether one may search it.
  const unknown = await cost(here, () => create('unknown'))
  const expected = asked(here, { GETATTR: 1, LOOKUP: 1, MKNOD: 1, WRITE: 1 })
  t.same(unknown, expected, 'the same of a name never heard of, in a directory just changed')

  const fd = await system.open(`${directory}/new`, O_WRONLY)
  await system.pwrite(fd, block, 0)
  t.same(await cost(here, () => system.fsync(fd)), {}, 'fsync after a write')
  t.same(await cost(here, () => system.fdatasync(fd)), {}, 'fdatasync after a write')
  for (const [what, data] of [
    ['new', pattern(4 * mebibyte)],
    ['old', pattern(4 * mebibyte, 2)],
  ] as const) {
    const large = await cost(here, () => system.pwrite(fd, data, 0))
    t.same(large, { WRITE: 4 }, `4 MiB of ${what} blocks: a request for each that max_pages allows`)
  }
  await system.pwrite(fd, block, 0)
  t.same(await cost(here, () => system.close(fd)), {}, 'close after a write')
  const truncated = await cost(here, async () => {
    await system.close(await system.open(`${directory}/new`, O_WRONLY | O_TRUNC))
  })
  t.same(truncated, { SETATTR: 1 }, 'open with O_TRUNC, close')
}

async function directRequests(t: Test, here: Place): Promise<void> {
  const { system, directory } = here
  const sync = await system.open(`${directory}/sync`, O_WRONLY | O_CREAT | O_SYNC)
  const first = await cost(here, () => system.pwrite(sync, block, 0))
  t.same(first, asked(here, { WRITE: 1 }), 'O_SYNC, new block')
  const hundred = await cost(here, async () => {
    for (let n = 0; n < 100; n++) await system.pwrite(sync, block, ((n * 37) % 64) * 4096)
  })
  t.same(hundred, { WRITE: 100 }, 'a hundred of them here and there')

  const direct = await system.open(`${directory}/direct`, O_RDWR | O_CREAT | O_DIRECT)
  const firstDirect = await cost(here, () => system.directWrite(direct, block, 0))
  t.same(firstDirect, asked(here, { WRITE: 1 }), 'O_DIRECT')
  const both = await system.open(`${directory}/direct`, O_WRONLY | O_DIRECT | O_SYNC)
  t.same(await cost(here, () => system.directWrite(both, block, 0)), { WRITE: 1 }, 'both')
  await directTransfers(t, here, direct)
  for (const fd of [sync, direct, both]) await system.close(fd)
}

/** Reads and writes that the page cache has no part in. The file is at least one block long. */
async function directTransfers(t: Test, here: Place, fd: number): Promise<void> {
  const { system } = here
  t.same(await cost(here, () => system.directRead(fd, 4096, 0)), { READ: 1 }, 'a block is read')
  t.same(await cost(here, () => system.directRead(fd, 4096, 0)), { READ: 1 }, 'and again: it was not kept')
  for (const blocks of ['new', 'old']) {
    const written = await cost(here, () => system.directWrite(fd, pattern(mebibyte), 0))
    t.same(written, { WRITE: 1 }, `1 MiB of ${blocks} blocks is written at once`)
  }
  t.same(await cost(here, () => system.directRead(fd, mebibyte, 0)), { READ: 1 }, '1 MiB is read at once')
  await system.directWrite(fd, pattern(4 * mebibyte), 0)
  t.same(await cost(here, () => system.directRead(fd, 4 * mebibyte, 0)), { READ: 4 }, 'and 4 MiB in four')
}

async function withoutCache(t: Test, here: Place): Promise<void> {
  const { system, directory } = here
  await here.remount('-o', 'direct_io')
  await outcome(system.stat(`${directory}/uncached`))
  const created = await cost(here, async () => {
    const fd = await system.open(`${directory}/uncached`, O_WRONLY | O_CREAT)
    await system.write(fd, block)
    await system.fsync(fd)
    await system.close(fd)
  })
  t.same(created, { CREATE: 1, WRITE: 1, RELEASE: 1 }, 'create, write, fsync, close')

  // The way there, and what the kernel asks before it cuts for the first time.
  const truncate = async (): Promise<void> => {
    await system.close(await system.open(`${directory}/uncached`, O_WRONLY | O_TRUNC))
  }
  await truncate()
  const opened = await cost(here, async () => {
    const fd = await system.open(`${directory}/uncached`, O_RDONLY)
    await system.pread(fd, 4096, 0)
    await system.close(fd)
  })
  t.same(opened, { OPEN: 1, READ: 1, RELEASE: 1 }, 'open, read, close')
  t.same(await cost(here, truncate), asked(here, { OPEN: 1, RELEASE: 1 }), 'open with O_TRUNC, close')

  const fd = await system.open(`${directory}/uncached`, O_RDWR)
  await system.pwrite(fd, block, 0)
  t.same(await cost(here, () => system.pread(fd, 4096, 0)), { READ: 1 }, 'a block')
  t.same(await cost(here, () => system.pwrite(fd, block, 0)), { WRITE: 1 }, 'the same written')
  const small = await cost(here, () => system.pread(fd, 10, 4000))
  t.same(small, { READ: 1 }, 'a few bytes, as they are')
  await directTransfers(t, here, fd)
  t.same(await cost(here, () => system.close(fd)), { RELEASE: 1 }, 'close')
  t.same(
    await cost(here, () => system.stat(`${directory}/uncached`)),
    { GETATTR: 1 },
    'a stat: reads moved atime',
  )
  t.same(await cost(here, () => system.stat(`${directory}/uncached`)), {}, 'names and attributes are kept')
}

async function listings(t: Test, here: Place): Promise<void> {
  const { system, directory } = here
  const entries = 1000
  await system.mkdir(`${directory}/many`)
  const files = Array.from({ length: entries }, (_, n) => `file-${n}`)
  await system.mknodEach(`${directory}/many`, files, constants.S_IFREG | 0o644)
  for (const options of [['-l'], ['--sort=none', '--color=never']]) {
    await here.remount()
    // What the kernel asks once, and the way there.
    await run('ls', ['-l', directory])
    const list = () => run('ls', [...options, `${directory}/many`])
    const how = `ls ${options.join(' ')}`
    let output = ''
    const cold = await cost(here, async () => {
      output = await list()
    })
    t.equal(output.match(/file-/g)?.length, entries)
    const { GETXATTR: forAll = 0, ...others } = cold
    t.same(Object.keys(others), ['READDIRPLUS'], `${how}, cold, asks for nothing else`)
    const forAcls = here.hasXattrs && options.includes('-l') ? entries : 0
    t.ok(
      forAll - forAcls <= mostAskedByList(here, options),
      `but for ACLs and ${forAll - forAcls} attributes`,
    )
    t.ok(forAll >= forAcls, 'the kernel asks for the ACL of each file, and keeps it')
    t.ok(
      (cold['READDIRPLUS'] ?? 0) <= entries / 100,
      `${cold['READDIRPLUS']} requests for ${entries} entries`,
    )
    const warm = await cost(here, list)
    // Reading the directory made its time of access unknown to the kernel, and ls wants it.
    const { GETXATTR: again = 0, ...rest } = warm
    t.ok(again <= mostAskedByList(here, options))
    t.same(rest, { GETATTR: 1 }, `${how}, warm, only for the attributes of the directory itself`)
    const all = await cost(here, async () => {
      for (let n = 0; n < entries; n += 10) await system.stat(`${directory}/many/file-${n}`)
    })
    t.same(all, {}, 'what was listed is known')
  }
}

/** A long listing asks whether there are SELinux contexts and ACLs, and hears of the directory that there are none. */
function mostAskedByList({ hasXattrs }: Place, options: readonly string[]): number {
  return hasXattrs && options.includes('-l') ? 3 : 0
}

async function runSuites(
  t: Test,
  channel: 'uring' | 'devfuse',
  ...options: readonly string[]
): Promise<void> {
  const here = await place(t, channel, ...options)
  t.equal((await here.mount.report()).channel, channel)
  for (const [what, suite] of here.hasXattrs ? suites : suitesOfWrites)
    await t.test(what, (t) => suite(t, here))
}

void tap.test('over /dev/fuse', (t) => runSuites(t, 'devfuse'))
void tap.test('without extended attributes', (t) => runSuites(t, 'devfuse', '-o', 'noxattr'))
// Kernels without a ring have had their turn.
if (turnRingOn(tap) === 'uring') void tap.test('over io_uring', (t) => runSuites(t, 'uring'))
