// SPDX-License-Identifier: GPL-2.0-only
/** Mounts on devices that have grown in place, and on those of which the kernel lists bad blocks. */
import { execFileSync } from 'node:child_process'
import { truncateSync } from 'node:fs'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { withMedium } from '../../src/check/with-devices.js'
import { orderedVolume, withOrder } from '../../src/daemon/orders.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { identityOf } from '../../src/pmem/lock-holder.js'
import { listBadBlocks } from '../support/listed-bad-blocks.js'
import { loopOver } from '../support/loop-device.js'
import { SmallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, pmfs2, succeed, until } from '../support/test-mount.js'
import { sparseFile } from '../cli/cli.js'

tap.setTimeout(300_000)

const mebibyte = 2 ** 20

async function loopDevice(t: Test, sizeBytes: number): Promise<{ file: string; loop: string }> {
  const file = sparseFile(join(await temporaryDirectory(t), 'device'), sizeBytes)
  return { file, loop: loopOver(t, file) }
}

const needed = (loop: string, block: number) =>
  new RegExp(`block \\d+, byte ${block * blockBytes} of ${loop}, is bad, and the file system would need it`)

/** The mount serves on. */
async function goesOn(t: Test, { mountpoint }: TestMount, name: string): Promise<void> {
  const path = join(mountpoint, name)
  await writeFile(path, name)
  t.equal(await readFile(path, 'utf8'), name)
}

/**
 * What the server itself says where the command would not have given the order.
 * @param added is overwritten; none: what its devices have gained
 */
async function refusalOf(mount: TestMount, ...added: readonly string[]): Promise<string | null | undefined> {
  const { dev } = await stat(mount.mountpoint)
  const devices = added.map((path) => {
    const overwriting = { sizeBytes: null, sparse: false }
    return { path, identity: identityOf(statDevice(path)), digest: null, overwriting }
  })
  const own = DeviceSet.open((await mount.report()).devices, { access: 'read-only', exclusive: false })
  const volume = orderedVolume(withMedium(own, 'read-only', readSuperblock).superblock, own.devices)
  own.close()
  const order = { type: 'grow', volume, devices, sizeBytes: null, sparse: false } as const
  return withOrder(dev, order, async (name) => {
    let refusal: string | null | undefined
    await until(async () => {
      const { growths } = await mount.report()
      refusal = growths.find(({ order }) => order === name)?.refusal
      return refusal !== undefined
    })
    return refusal
  })
}

/** Fills all that is free, which is more than the volume had before. */
async function fill({ mountpoint }: TestMount, bytes: number): Promise<void> {
  await writeFile(join(mountpoint, 'large'), Buffer.alloc(bytes, 9))
}

void tap.test('a device that is to join', async (t) => {
  const { loop } = await loopDevice(t, 8 * mebibyte)
  const mount = await TestMount.mountedOn(t, [16 * mebibyte], '--channel', 'devfuse')
  const end = await listBadBlocks(t, loop, { first: 1, count: 1 })
  const refused = await pmfs2(['grow', mount.mountpoint, loop])
  t.equal(refused.end, 1)
  t.match(refused.output, needed(loop, 1))
  t.match(await refusalOf(mount, loop), needed(loop, 1))
  await goesOn(t, mount, 'after a refusal')
  end()
  await listBadBlocks(t, loop, { first: 200, count: 1 }, { first: 1000, count: 2 })
  await succeed('grow', mount.mountpoint, loop)
  await fill(mount, 20 * mebibyte)
  t.match(await succeed('info', mount.mountpoint), `3 on ${loop}`)
  await mount.unmount()
  t.match(await succeed('fsck', mount.device, loop), /clean/)
})

void tap.test('a device that grows in place', async (t) => {
  const { file, loop } = await loopDevice(t, 8 * mebibyte)
  await succeed('mkfs', loop)
  const mount = await TestMount.make(t, '1M')
  await succeed(loop, mount.mountpoint, '--channel', 'devfuse')
  await mount.adopt()
  t.match(await succeed('grow', mount.mountpoint), /nothing to do/)
  truncateSync(file, 16 * mebibyte)
  execFileSync('losetup', ['--set-capacity', loop])
  const first = (8 * mebibyte) / blockBytes
  const end = await listBadBlocks(t, loop, { first, count: 1 })
  const refused = await pmfs2(['grow', mount.mountpoint])
  t.equal(refused.end, 1)
  t.match(refused.output, needed(loop, first))
  t.match(await refusalOf(mount), needed(loop, first))
  await goesOn(t, mount, 'after a refusal')
  end()
  await listBadBlocks(t, loop, { first: 3000, count: 2 })
  t.match(await succeed('grow', mount.mountpoint), /size +16 MiB.*\n +before +8 MiB/)
  await fill(mount, 12 * mebibyte)
  t.match(await succeed('info', mount.mountpoint), `2 on ${loop}`)
  await mount.unmount()
  t.match(await succeed('fsck', loop), /clean/)
})

void tap.test('a mount of which a second device has bad blocks', async (t) => {
  const [a, b] = [await loopDevice(t, 8 * mebibyte), await loopDevice(t, 8 * mebibyte)]
  await succeed('mkfs', a.loop, b.loop)
  const mount = await TestMount.make(t, '1M')
  await listBadBlocks(t, b.loop, { first: 700, count: 1 }, { first: 1999, count: 1 })
  const said = await succeed(a.loop, mount.mountpoint, '--channel', 'devfuse')
  await mount.adopt()
  t.match(said, `2 bad blocks on ${b.loop}`)
  await fill(mount, 14 * mebibyte)
  await mount.unmount()
  const checked = await pmfs2(['fsck', a.loop, b.loop])
  t.equal(checked.end, 0, checked.output)
})

void tap.test('a file on a disk that has some', async (t) => {
  const disk = SmallDisk.ext4(t, await SmallDisk.make(t, 40 * mebibyte), 32 * mebibyte, '-b', '4096')
  const volume = join(disk.folder, 'volume')
  await succeed('mkfs', volume, '--size', '8M')
  const mount = await TestMount.make(t, '1M')
  const place = (name: string) => join(mount.mountpoint, name)
  const contents = (name: string) => Buffer.alloc(blockBytes, name)
  const serve = async (): Promise<string> => {
    const said = await succeed(volume, mount.mountpoint, '--channel', 'devfuse')
    await mount.adopt()
    return said
  }
  await serve()
  for (const name of ['spoilt', 'whole']) await writeFile(place(name), contents(name))
  const { ino } = await stat(place('spoilt'))
  await mount.unmount()
  const onDisk = (await readFile(disk.image)).indexOf(contents('spoilt')) / blockBytes
  await listBadBlocks(t, disk.device, { first: onDisk, count: 1 })
  const checked = await pmfs2(['fsck', volume])
  t.equal(checked.end, 4)
  const line = `inode ${ino}: block \\d+, byte \\d+ of ${volume}, is bad, and holds its data`
  t.match(checked.output, new RegExp(line))
  t.match(await succeed('info', volume), `1 on ${volume}`)
  t.match(await serve(), `1 bad block on ${volume}`)
  await t.rejects(readFile(place('spoilt')), { code: 'EIO' })
  t.same(await readFile(place('whole')), contents('whole'))
  await rm(place('spoilt'))
  await fill(mount, 6 * mebibyte)
  await mount.unmount()
  t.match(await succeed('fsck', volume), /clean/)
})
