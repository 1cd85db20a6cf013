// SPDX-License-Identifier: GPL-2.0-only
/**
 * Damaged volumes. One superblock is mended on the next mount, and said aloud; two are refused. What else is damaged
 * fails where it is met, and nothing else does.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import tap from 'tap'
import { inode } from '../../layout/inode.js'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { TestMount, pmfs2 } from '../support/test-mount.js'

tap.setTimeout(120_000)

const blockBytes = 4096
const sizeBytes = 2 ** 24
const copies = { first: 0, second: sizeBytes - blockBytes }

/** Turns over a bit in the middle of a superblock. */
async function damage(file: FileHandle, position: number): Promise<void> {
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, position + 100)
  await file.write(Buffer.of(byte[0]! ^ 1), 0, 1, position + 100)
}

void tap.test('damaged superblocks', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = `${mount.mountpoint}/file`
  await system.writeFile(path, 'contents')
  await mount.unmount()
  const file = await open(mount.device, 'r+')
  t.teardown(() => file.close())

  for (const [name, position] of Object.entries(copies)) {
    await damage(file, position)
    const said = await mount.mount()
    t.match(said, new RegExp(`^mount: ${mount.device}: the ${name} superblock.* is damaged`, 'm'), name)
    t.equal((await system.readFile(path)).toString(), 'contents', 'all is there')
    t.notMatch(await mountedAgain(mount), /damaged/, 'it has been mended')
    await mount.unmount()
    await mount.check()
  }

  for (const position of Object.values(copies)) await damage(file, position)
  const { end, output } = await pmfs2([mount.device, mount.mountpoint])
  t.equal(end, 32)
  t.equal(output, `mount: ${mount.device}: both superblocks are damaged`)
  t.notOk(mount.isMounted())
})

async function mountedAgain(mount: TestMount): Promise<string> {
  await mount.unmount()
  return mount.mount()
}

/** Where a device holds these bytes. */
async function find(device: string, bytes: Buffer): Promise<number> {
  const at = (await readFile(device)).indexOf(bytes)
  if (at < 0) throw new Error(`${bytes.toString('hex')} is nowhere`)
  return at
}

async function putWord(file: FileHandle, position: number, value: number): Promise<void> {
  const word = Buffer.alloc(4)
  word.writeUInt32LE(value)
  await file.write(word, 0, 4, position)
}

void tap.test('entries and files that are damaged', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const root = mount.mountpoint
  const [free, nowhere, lost] = ['names a free inode', 'names no inode', 'lost its blocks'].map(
    (name) => `${root}/${name}`,
  ) as [string, string, string]
  const owner = { uid: 0x1234_5678, gid: 0x2345_6789 }
  for (const path of [free, nowhere, lost, `${root}/whole`]) await system.writeFile(path, 'contents')
  await system.chown(lost, owner.uid, owner.gid)
  await mount.unmount()
  const file = await open(mount.device, 'r+')
  t.teardown(() => file.close())
  // The number of the inode stands before the name.
  await putWord(file, (await find(mount.device, Buffer.from(basename(free)))) - 4, 30)
  await putWord(file, (await find(mount.device, Buffer.from(basename(nowhere)))) - 4, 0x7fff_fff0)
  const mark = Buffer.alloc(8)
  mark.writeUInt32LE(owner.uid, 0)
  mark.writeUInt32LE(owner.gid, 4)
  const toRoot = (inode.word.root - inode.word.uid) * 4
  await putWord(file, (await find(mount.device, mark)) + toRoot, 0x7fff_fff0)

  await mount.mount()
  const names = [free, nowhere, lost, `${root}/whole`].map((path) => basename(path))
  t.same((await system.names(root)).sort(), names.sort(), 'all are listed')
  const damaged = 'EUCLEAN'
  for (const path of [free, nowhere]) {
    t.equal(await outcome(system.stat(path)), damaged, `stat of what ${basename(path)}`)
    t.equal(await outcome(system.unlink(path)), damaged, 'unlink')
    t.equal(await outcome(system.rename(path, `${root}/x`)), damaged, 'rename')
    t.equal(await outcome(system.writeFile(path, '')), damaged, 'create')
  }
  for (const command of [`cat '${lost}'`, `ls -l '${root}'`])
    t.match(await run('sh', ['-c', `${command} 2>&1 || true`]), /Structure needs cleaning/, command)
  t.equal((await system.readFile(`${root}/whole`)).toString(), 'contents', 'nothing else is touched')
  t.equal(await outcome(system.writeFile(`${root}/new`, 'contents')), 'OK')
  await mount.unmount()
})
