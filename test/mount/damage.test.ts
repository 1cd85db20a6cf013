// SPDX-License-Identifier: GPL-2.0-only
/** Damaged superblocks: one is mended on the next mount, and said aloud; two are refused. */
import { type FileHandle, open } from 'node:fs/promises'
import tap from 'tap'
import { System } from '../support/system.js'
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
