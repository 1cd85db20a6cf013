// SPDX-License-Identifier: GPL-2.0-only
/**
 * When a file loses set-user-ID and set-group-ID, and that everybody sees it at once: stat(2), and whoever executes the
 * file. Names and attributes are known to the kernel beforehand, as they are in practice.
 */
import { constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { outcome, type System } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, ALICE, BOB, PAGE_BYTES, pattern, permissions, scratch, tick } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_APPEND, O_DIRECT, O_TRUNC, O_CREAT } = constants
const byte = Buffer.from('x')
/** Prints the effective user or group with -u or -g. */
const program = '/usr/bin/id'

/** Ways to change a program's file, by a descriptor that is open for writing; none of them harms the program. */
const changes: readonly (readonly [string, (who: System, fd: number, path: string) => Promise<unknown>])[] = [
  ['a write over what is there', (who, fd) => who.pwrite(fd, Buffer.from('\x7f'), 0)],
  ['a write at the end', async (who, fd, path) => who.pwrite(fd, byte, (await who.stat(path)).size)],
  ['a write with O_APPEND', async (who, _fd, path) => withOpen(who, path, O_APPEND, byte)],
  ['a direct write', directWrite],
  ['sendfile', (who, fd, path) => copyByte(who, path, (from) => who.sendfile(fd, from, 1))],
  ['copy_file_range', (who, fd, path) => copyByte(who, path, (from) => who.copyFileRange(from, fd, 1))],
  ['truncate', async (who, _fd, path) => who.truncate(path, (await who.stat(path)).size + 1)],
  ['ftruncate', async (who, fd, path) => who.ftruncate(fd, (await who.stat(path)).size + 1)],
  ['open with O_TRUNC', empty],
]

async function withOpen(who: System, path: string, flags: number, data: Buffer): Promise<void> {
  const fd = await who.open(path, O_WRONLY | flags)
  await who.write(fd, data)
  await who.close(fd)
}

/** Beyond the end, where a block begins. */
async function directWrite(who: System, _fd: number, path: string): Promise<void> {
  const end = Math.ceil((await who.stat(path)).size / PAGE_BYTES) * PAGE_BYTES
  const fd = await who.open(path, O_WRONLY | O_DIRECT)
  await who.directWrite(fd, pattern(PAGE_BYTES), end)
  await who.close(fd)
}

/** Copies the first byte of a program to its own place. */
async function copyByte(who: System, path: string, copy: (from: number) => Promise<number>): Promise<void> {
  const from = await who.open(`${path}.source`, O_RDONLY)
  await copy(from)
  await who.close(from)
}

async function empty(who: System, _fd: number, path: string): Promise<void> {
  await who.close(await who.open(path, O_WRONLY | O_TRUNC))
}

export function privilegesSuite(target: Target): void {
  const { system: sys } = target

  /** A program of root's with set-IDs, whose attributes everybody has just asked for. */
  async function install(path: string, mode: number): Promise<void> {
    const code = await readFile(program)
    await sys.writeFile(path, code)
    await sys.writeFile(`${path}.source`, code.subarray(0, 1))
    await sys.chmod(path, mode)
    await sys.stat(path)
  }

  for (const [title, change] of changes) {
    void test(`${title} by another user takes a program’s privileges`, async (t) => {
      const d = await scratch(t, target)
      const [alice, bob] = [await actor(t, ALICE), await actor(t, BOB)]
      for (const [mode, option, own] of [
        [0o4777, '-u', ALICE.uid],
        [0o2777, '-g', ALICE.gid],
      ] as const) {
        const path = `${d}/0${mode.toString(8)}`
        await install(path, 0o777)
        // Who has it open already is not asked again.
        const fd = await bob.open(path, O_WRONLY)
        await sys.chmod(path, mode)
        await sys.link(path, `${path}.link`)
        const reader = await alice.open(path, O_RDONLY)
        await change(bob, fd, path)
        t.equal(permissions(await sys.modeAlone(path)), 0o777, 'statx of the mode alone')
        t.equal(permissions((await alice.fstat(reader)).mode), 0o777, 'fstat')
        if ((await sys.stat(path)).size === 0) await sys.writeFile(path, await readFile(program))
        await bob.close(fd)
        for (const by of [path, `${path}.link`, reader]) {
          t.equal(Number(await alice.run(by, option)), own, `run by ${by}`)
        }
        await sys.chmod(path, mode)
        t.equal(await alice.run(path, option), '0\n', 'and with the bits again, it has its privilege')
        await alice.close(reader)
      }
    })
  }

  void test('a program that was run before the write has no privilege after it', async (t) => {
    const d = await scratch(t, target)
    const [alice, bob] = [await actor(t, ALICE), await actor(t, BOB)]
    const path = `${d}/program`
    await install(path, 0o4777)
    for (const who of [alice, bob]) t.equal(await who.run(path, '-u'), '0\n')
    await withOpen(bob, path, O_APPEND, byte)
    t.equal(Number(await alice.run(path, '-u')), ALICE.uid)
    t.equal(Number(await bob.run(path, '-u')), BOB.uid)
    t.equal(permissions(await sys.modeAlone(path)), 0o777)
  })

  void test('whoever makes a set-ID file, or finds it in a listing, sees it lose the bits', async (t) => {
    const d = await scratch(t, target)
    await sys.chmod(d, 0o777)
    const bob = await actor(t, BOB)
    await sys.umask(0)
    t.teardown(() => sys.umask(0o022))
    await sys.close(await sys.open(`${d}/created`, O_WRONLY | O_CREAT, 0o6777))
    await sys.mknod(`${d}/made`, constants.S_IFREG | 0o6777)
    await install(`${d}/linked`, 0o6777)
    await sys.link(`${d}/linked`, `${d}/link`)
    await sys.list(d)
    for (const name of ['created', 'made', 'link']) {
      t.equal(permissions(await sys.modeAlone(`${d}/${name}`)), 0o6777, name)
      await withOpen(bob, `${d}/${name}`, 0, byte)
      t.equal(permissions(await sys.modeAlone(`${d}/${name}`)), 0o777, name)
    }
  })

  const everybody = { root: undefined, owner: ALICE, stranger: BOB }
  void test('chown that changes neither owner nor group clears set-IDs, which is the owner’s right', async (t) => {
    const d = await scratch(t, target)
    for (const [role, identity] of Object.entries(everybody)) {
      const who = await actor(t, identity)
      for (const mode of [0o4777, 0o2777, 0o6777, 0o6711, 0o777]) {
        const isRefused = role === 'stranger' && mode > 0o777
        const left = isRefused ? mode : mode & 0o777
        const path = `${d}/${role}-${mode.toString(8)}`
        await sys.writeFile(path, 'content')
        await sys.chown(path, ALICE.uid, ALICE.gid)
        const calls: readonly [string, () => Promise<void>][] = [
          ['chown', () => who.chown(path, -1, -1)],
          ['lchown', () => who.lchown(path, -1, -1)],
          ['fchown', async () => who.fchown(await who.open(path, O_RDONLY), -1, -1)],
        ]
        for (const [name, call] of calls.slice(0, mode & 0o4 ? 3 : 2)) {
          await sys.chmod(path, mode)
          t.equal(
            await outcome(call()),
            isRefused ? 'EPERM' : 'OK',
            `${name} by ${role} of 0${mode.toString(8)}`,
          )
          t.equal(permissions(await sys.modeAlone(path)), left)
        }
      }
    }
  })

  void test('the same of what is no regular file', async (t) => {
    const d = await scratch(t, target)
    await sys.mkfifo(`${d}/fifo`)
    await sys.mkdir(`${d}/directory`)
    for (const [role, identity] of Object.entries(everybody)) {
      const who = await actor(t, identity)
      for (const [name, refused, left] of [
        ['fifo', role === 'stranger', role === 'stranger' ? 0o6755 : 0o755],
        ['directory', false, 0o6755],
      ] as const) {
        await sys.chown(`${d}/${name}`, ALICE.uid, ALICE.gid)
        await sys.chmod(`${d}/${name}`, 0o6755)
        t.equal(
          await outcome(who.chown(`${d}/${name}`, -1, -1)),
          refused ? 'EPERM' : 'OK',
          `${name}, ${role}`,
        )
        t.equal(permissions((await sys.stat(`${d}/${name}`)).mode), left)
      }
    }
  })

  void test('a stranger may not clear the bits, but may write, which does', async (t) => {
    const d = await scratch(t, target)
    const bob = await actor(t, BOB)
    await install(`${d}/program`, 0o4777)
    for (let n = 0; n < 20; n++) {
      await sys.chmod(`${d}/program`, 0o4777)
      const fd = await bob.open(`${d}/program`, O_WRONLY)
      t.equal(await outcome(bob.fchown(fd, -1, -1)), 'EPERM')
      t.equal(permissions(await sys.modeAlone(`${d}/program`)), 0o4777)
      t.equal(await bob.pwrite(fd, byte, n), 1)
      t.equal(permissions(await sys.modeAlone(`${d}/program`)), 0o777)
      t.equal(await outcome(bob.fchown(fd, -1, -1)), 'OK', 'and then there is nothing to take')
      await bob.close(fd)
    }
  })

  void test('chown that changes nothing marks the file as changed', async (t) => {
    const d = await scratch(t, target)
    const bob = await actor(t, BOB)
    await sys.writeFile(`${d}/file`, '')
    const { ctimeNs, mtimeNs } = await sys.stat(`${d}/file`)
    await tick()
    await bob.chown(`${d}/file`, -1, -1)
    const after = await sys.stat(`${d}/file`)
    t.ok(after.ctimeNs > ctimeNs)
    t.equal(after.mtimeNs, mtimeNs)
  })
}
