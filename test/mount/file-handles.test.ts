// SPDX-License-Identifier: GPL-2.0-only
/**
 * File handles, by which NFS servers know files (`FUSE_EXPORT_SUPPORT`): they lead to the same file after the kernel
 * has forgotten all inodes, after renames, and through a new mount; and to nothing once the file is gone, whoever has
 * its number.
 */
import { mkdir, open, rename, rm, rmdir, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'

tap.setTimeout(300_000)

const program = join(packageRoot, 'test', 'support', 'file-handles.py')

interface Found {
  readonly inode: number
  readonly path: string
  readonly contents?: string | readonly string[]
}

/** Handles, or names of errors. */
async function take(...paths: readonly string[]): Promise<string[]> {
  return JSON.parse(await run('/usr/bin/python3', [program, 'take', ...paths])) as string[]
}

async function openHandles(mount: TestMount, handles: readonly string[]): Promise<(Found | string)[]> {
  const output = await run('/usr/bin/python3', [program, 'open', mount.mountpoint, ...handles])
  return JSON.parse(output) as (Found | string)[]
}

/** Of a mount that is in use, so the kernel asks the server when it meets a handle. */
function dropCaches(): Promise<void> {
  return writeFile('/proc/sys/vm/drop_caches', '2')
}

/** Little-endian: type, inode number in 64 bits, generation. */
function withNumber(handle: string, number: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(number))
  // The kernel puts the high word first.
  return handle.slice(0, 8) + handle.slice(8).replace(/^.{16}/, words(bytes))
}

function words(bytes: Buffer): string {
  return bytes.subarray(4).toString('hex') + bytes.subarray(0, 4).toString('hex')
}

async function leadBack(t: Test, args: readonly string[]): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', ...args)
  const at = (...names: readonly string[]): string => join(mount.mountpoint, ...names)
  await mkdir(at('a', 'b', 'c'), { recursive: true })
  await writeFile(at('a', 'b', 'file'), 'contents')
  await symlink('file', at('a', 'b', 'link'))
  const paths = [
    mount.mountpoint,
    at('a', 'b', 'c'),
    at('a', 'b'),
    at('a', 'b', 'file'),
    at('a', 'b', 'link'),
  ]
  const inodes = await Promise.all(paths.map(async (path) => (await stat(path)).ino))
  const handles = await take(...paths)
  const leads = async (directory: string, when: string): Promise<void> => {
    const found = (await openHandles(mount, handles)) as Found[]
    t.same(found.map(({ inode }) => inode).slice(0, 4), inodes.slice(0, 4), `the same inodes ${when}`)
    t.same(
      found.map(({ contents }) => contents),
      [
        ['a', 'moved'].filter((name) => name === 'a' || directory !== at('a', 'b')),
        [],
        ['c', 'file', 'link'],
        'contents',
        'file',
      ],
      `the same contents ${when}`,
    )
    // The kernel asks for the parents of a directory up to one that it knows.
    t.same(
      found.slice(0, 3).map(({ path }) => path),
      [mount.mountpoint, join(directory, 'c'), directory],
      when,
    )
  }
  await leads(at('a', 'b'), 'at once')
  await dropCaches()
  await leads(at('a', 'b'), 'once the kernel has forgotten them')
  await mkdir(at('moved'))
  await rename(at('a', 'b'), at('moved', 'd'))
  await leads(at('moved', 'd'), 'after a rename')
  await dropCaches()
  await leads(at('moved', 'd'), 'after a rename and forgotten')
  t.same(await take(at('moved', 'd', 'file')), [handles[3]], 'the handle stays')
  await mount.remount(...args)
  await leads(at('moved', 'd'), 'through a new mount')
  await mount.kill()
  await mount.mount(...args)
  await leads(at('moved', 'd'), 'after the death of the server')
}

async function staleOnes(t: Test, args: readonly string[]): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', ...args)
  const path = join(mount.mountpoint, 'file')
  const folder = join(mount.mountpoint, 'folder')
  await writeFile(path, 'contents')
  await mkdir(folder)
  const handles = await take(path, folder)
  const { ino } = await stat(path)

  // As long as somebody has it open, it is there.
  const held = await open(path)
  await unlink(path)
  const [still] = (await openHandles(mount, handles)) as Found[]
  t.equal(still?.contents, 'contents', 'an open file is found without a name')
  await held.close()
  await rmdir(folder)
  t.same(await openHandles(mount, handles), ['ESTALE', 'ESTALE'])
  await dropCaches()
  t.same(await openHandles(mount, handles), ['ESTALE', 'ESTALE'], 'forgotten')

  // The number is given to another file.
  const others = Array.from({ length: 4000 }, (_, n) => join(mount.mountpoint, `other-${n}`))
  let heir: string | undefined
  for (const other of others) {
    await writeFile(other, 'of another')
    if ((await stat(other)).ino !== ino) continue
    heir = other
    break
  }
  if (heir === undefined) throw new Error(`no other file is given the number ${ino}`)
  t.equal((await openHandles(mount, handles))[0], 'ESTALE', 'the number has an heir')
  await dropCaches()
  t.equal((await openHandles(mount, handles))[0], 'ESTALE', 'that the kernel has forgotten')
  await mount.remount(...args)
  t.equal((await openHandles(mount, handles))[0], 'ESTALE', 'through a new mount')
  const [fresh] = await take(heir)
  t.not(fresh, handles[0])
  t.match(await openHandles(mount, [fresh!]), [{ contents: 'of another' }])

  // Whatever a client makes up.
  const numbers = [0, ino + 1e5, 63, ino + 1e6, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + ino, 2 ** 53]
  const made = numbers.map((number) => withNumber(fresh!, number))
  for (const [n, found] of (await openHandles(mount, made)).entries())
    t.equal(found, 'ESTALE', `inode ${numbers[n]}`)
  await rm(heir)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

for (const channel of new Set([turnRingOn(tap), 'devfuse'])) {
  const args = ['--channel', channel]
  void tap.test(`handles lead back, ${channel}`, (t) => leadBack(t, args))
  void tap.test(`handles become stale, ${channel}`, (t) => staleOnes(t, args))
}
