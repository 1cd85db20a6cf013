// SPDX-License-Identifier: GPL-2.0-only
/** Servers that die while they grow a mounted volume, at each fence: it has what was added, or the file is gone. */
import { existsSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { blockBytes, superblockBlock } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { Superblock } from '../../src/fs/superblock.js'
import { isExhaustive, sampleOf } from '../support/extent.js'
import { TestMount, pmfs2Process, preload } from '../support/test-mount.js'

tap.setTimeout(isExhaustive ? 3_600_000 : 600_000)

const mebibyte = 2 ** 20
const sizeBytes = 16 * mebibyte

/** Whether any copy of the superblock names a second device. */
async function isNamed(device: string, added: string): Promise<boolean> {
  const copies = [
    [device, superblockBlock],
    [device, sizeBytes / blockBytes - 1],
    ...(existsSync(added) ? [[added, superblockBlock] as const] : []),
  ] as const
  for (const [path, block] of copies) {
    const bytes = new Uint8Array(await readFile(path)).slice(block * blockBytes, (block + 1) * blockBytes)
    const copy = new Superblock(new Uint32Array(bytes.buffer))
    if (copy.isWhole() && copy.get(layout.word.deviceCount) > 1) return true
  }
  return false
}

/** Has the server die at a fence of a growth. @returns how many it has come to */
async function growUntil(t: Test, fence: number): Promise<number> {
  const mount = await TestMount.makeOn(t, sizeBytes)
  const [held, added] = [join(mount.folder, 'held'), `${mount.device}-added`]
  preload(t, 'bad-growth', `PMFS2_TEST_GROWTH=dies ${held} ${fence}`)
  await mount.mount('--channel', 'devfuse')
  await writeFile(join(mount.mountpoint, 'before'), 'what was there before')
  await writeFile(held, '')
  const { end, output } = await pmfs2Process(['grow', mount.mountpoint, added, '--size', '8M'])
  await rm(held)
  const reached = Number(await readFile(`${held}-fences`, 'utf8'))
  if (fence === 0) t.equal(end, 0, output)
  else {
    t.equal(end, 1, output)
    t.equal(reached, fence)
    t.match(output, /: its server has died; /)
  }
  const hasGrown = await isNamed(mount.device, added)
  t.equal(existsSync(added), hasGrown, 'what was added is kept if anything names it')
  if (hasGrown) t.equal((await stat(added)).size, 8 * mebibyte)
  if (fence > 0) {
    const advice = `; the file system may have grown: keep ${added}; pmfs2-fuse info ${mount.device} tells`
    t.equal(output.endsWith(advice), hasGrown, output)
  }
  if (fence === 0) await mount.unmount()
  else await mount.cutOff()
  await mount.mount('--channel', 'devfuse')
  t.same((await mount.report()).devices, hasGrown ? [mount.device, added] : [mount.device])
  t.equal(await readFile(join(mount.mountpoint, 'before'), 'utf8'), 'what was there before')
  await writeFile(join(mount.mountpoint, 'after'), Buffer.alloc((hasGrown ? 18 : 4) * mebibyte, 'after'))
  await mount.unmount()
  t.match(await mount.check(), /clean/)
  return reached
}

void tap.test('at each fence', async (t) => {
  let count = 0
  await t.test('none', async (t) => {
    count = await growUntil(t, 0)
    t.ok(count > 4)
  })
  const all = Array.from({ length: count }, (_, n) => n + 1)
  for (const fence of sampleOf(all, 8)) {
    await t.test(`${fence} of ${count}`, async (t) => {
      await growUntil(t, fence)
    })
  }
  if (isExhaustive) return
  // There the volume has it, whatever is chosen.
  await t.test('the last one', async (t) => {
    await growUntil(t, count)
  })
})
