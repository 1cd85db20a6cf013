// SPDX-License-Identifier: GPL-2.0-only
/** A full device: every call that needs space says so and changes nothing, and what is removed makes room again. */
import { constants } from 'node:fs'
import tap from 'tap'
import { pattern } from '../posix/fixture.js'
import { SystemError } from '../support/agent-channel.js'
import { noFailures, rewriteFull } from '../support/rewrite-full.js'
import { System, outcome } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_SYNC, O_WRONLY } = constants
const contents = pattern(100_000)
/** Files that get longer names. */
const renamed = 200

/** Does `step` until it meets ENOSPC. @returns how often it succeeded */
async function untilFull(step: (n: number) => Promise<unknown>): Promise<number> {
  for (let n = 0; ; n++) {
    try {
      await step(n)
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENOSPC') return n
      throw error
    }
  }
}

/** Writes a file whose bytes tell where they belong, as far as there is room. @returns the bytes written */
async function fill(system: System, path: string): Promise<number> {
  const fd = await system.open(path, O_WRONLY | O_CREAT | O_SYNC)
  let written = 0
  await untilFull(async () => {
    const part = contents.subarray(written % contents.length)
    written += await system.pwrite(fd, part, written)
  })
  await system.close(fd)
  return written
}

async function isFilled(system: System, path: string, bytes: number): Promise<boolean> {
  const found = await system.readFile(path)
  if (found.length !== bytes) return false
  for (let at = 0; at < bytes; at += contents.length) {
    const wanted = contents.subarray(0, Math.min(contents.length, bytes - at))
    if (!found.subarray(at, at + wanted.length).equals(wanted)) return false
  }
  return true
}

void tap.test('a full device', async (t) => {
  const mount = await TestMount.mounted(t, '32M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const root = mount.mountpoint
  const freeBlocks = async (): Promise<number> => (await system.statfs(root)).bfree
  await system.mkdir(`${root}/directory`)
  await system.writeFile(`${root}/directory/small`, pattern(5000))
  for (let n = 0; n < renamed; n++) await system.writeFile(`${root}/directory/renamed-${n}`, '')
  const before = await freeBlocks()

  const bytes = await fill(system, `${root}/large`)
  t.ok(bytes > 24 * 2 ** 20, `${bytes} bytes fit into 32 MiB`)
  // What needs less than a file's next block may still fit: up to the last inode and the last entry.
  const files = await untilFull((n) => system.writeFile(`${root}/directory/file-${n}`, ''))
  t.comment(`and ${files} empty files`)

  await t.test('what needs space is refused', async (t) => {
    const room = pattern(4096)
    const name = (n: number): string => `${root}/directory/${'name-of-some-length-'.repeat(10)}${n}`
    const refused: readonly [what: string, call: (n: number) => Promise<unknown>][] = [
      ['create', (n) => system.open(name(n), O_WRONLY | O_CREAT)],
      ['mkdir', (n) => system.mkdir(name(n))],
      ['symlink', (n) => system.symlink('t'.repeat(1000), name(n))],
      ['mknod', (n) => system.mkfifo(name(n))],
      ['link', (n) => system.link(`${root}/large`, name(n))],
      ['rename', (n) => system.rename(`${root}/directory/renamed-${n}`, name(n))],
      ['write', (n) => writeAt(system, `${root}/directory/small`, room, 2 ** 20 + n * 4096)],
    ]
    for (const [what, call] of refused) {
      // Room for a few entries may be left in a directory's last block.
      const fitted = await untilFull(call)
      t.ok(fitted < 200, `${what}: ENOSPC after ${fitted}`)
    }
    t.equal(await outcome(system.chmod(`${root}/large`, 0o600)), 'OK', 'what needs none is not')
    t.equal(
      await outcome(writeAt(system, `${root}/large`, contents.subarray(0, 4096), 0)),
      'OK',
      'nor overwriting',
    )
    t.equal(await outcome(system.truncate(`${root}/large`, bytes)), 'OK', 'nor truncating')
  })

  await t.test('nothing is torn', async (t) => {
    await mount.unmount()
    await mount.check()
    await mount.mount()
    t.ok(await isFilled(system, `${root}/large`, bytes), 'the file has what was written, and no more')
    const small = await system.readFile(`${root}/directory/small`)
    t.ok(small.subarray(0, 5000).equals(pattern(5000)))
  })

  await t.test('space comes back', async (t) => {
    t.equal(await outcome(system.unlink(`${root}/large`)), 'OK')
    t.equal(await outcome(system.writeFile(`${root}/again`, contents)), 'OK', 'there is room at once')
    await system.unlink(`${root}/again`)
    await system.removeTree(`${root}/directory`)
    await system.mkdir(`${root}/directory`)
    await system.writeFile(`${root}/directory/small`, pattern(5000))
    await mount.remount()
    const after = await freeBlocks()
    // Blocks of the inode table stay for the inodes to come.
    t.ok(before - after <= Math.ceil(files / 16) + 32, `${before} blocks were free, ${after} are`)
    await mount.unmount()
    await mount.check()
  })
})

async function writeAt(system: System, path: string, data: Buffer, offset: number): Promise<void> {
  const fd = await system.open(path, O_WRONLY | O_SYNC)
  try {
    await system.pwrite(fd, data, offset)
  } finally {
    await system.close(fd)
  }
}

for (const workers of ['1', '3']) {
  void tap.test(`a file as large as the device, again and again, with ${workers} worker(s)`, async (t) => {
    const mount = await TestMount.mounted(t, '32M', '--channel', 'devfuse', '--workers', workers)
    t.same(await rewriteFull(mount), noFailures)
    await mount.unmount()
    t.match(await mount.check(), /: clean,/)
  })
}
