// SPDX-License-Identifier: GPL-2.0-only
/** A program uses files one of whose blocks is bad: each call that needs the block gives EIO, and all else goes on. */
import { join } from 'node:path'
import tap from 'tap'
import { openFiles } from '../../src/api/index.js'
import { openVolume } from '../../src/api/opened-volume.js'
import { checkDevices } from '../../src/check/check-device.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { dumpVolume } from '../../src/check/dump/dump-volume.js'
import { Report } from '../../src/check/report.js'
import { withDevices, withMedium } from '../../src/check/with-devices.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { badPage, native } from '../../src/native/index.js'
import { BadDevice } from '../support/bad-device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { pmfs2, succeed } from '../support/test-mount.js'
import { sparseFile, writeAt } from '../cli/cli.js'

const page = 4096

/** Whether zeros have taken the place of any page, as they do when JavaScript loads a bad one. */
function isAnyReplaced(): boolean {
  const words = new Int32Array(native.badPages())
  for (let at = 0; at < words.length; at += badPage.words)
    if (words[at + badPage.mapping]! > 0 && words[at + badPage.isReplaced] !== 0) return true
  return false
}

async function blockOf(device: string, inode: number, index: number): Promise<number> {
  const text = await succeed('dump', device, 'blocks', `${inode}`, '--json')
  return Number(/"block": (\d+)/.exec(text)![1]) + index
}

void tap.test('contents', async (t) => {
  const device = await BadDevice.make(t, 2 ** 24)
  await succeed('mkfs', device.path)
  const before = await openFiles(device.path)
  await before.writeFile('/file', Buffer.alloc(3 * page, 7))
  await before.writeFile('/other', 'other')
  const { ino } = await before.stat('/file')
  await before.close()
  const bad = await blockOf(device.path, ino, 1)
  const volume = await openFiles(device.path)
  device.spoil(bad)
  await t.rejects(volume.readFile('/file'), { code: 'EIO' })
  const file = await volume.open('/file', 'r+')
  const into = Buffer.alloc(page)
  t.equal((await file.read(into, 0, page, 0)).bytesRead, page)
  t.equal(into[page - 1], 7)
  for (const [offset, length] of [
    [page, page],
    [page + 100, 1],
    [page - 1, 2],
  ] as const)
    await t.rejects(file.read(into, 0, length, offset), { code: 'EIO' })
  t.equal((await file.read(into, 0, page, 2 * page)).bytesRead, page)
  await file.close()
  t.equal((await volume.readFile('/other')).toString(), 'other')
  t.notOk(isAnyReplaced(), 'what cannot be replaced, as on devdax, is not needed')
  await volume.unlink('/file')
  await volume.close()
  device.mend(bad)
})

void tap.test('the header of a device', async (t) => {
  const device = await BadDevice.make(t, 2 ** 23)
  const other = sparseFile(join(await temporaryDirectory(t, SHARED_MEMORY), 'other'), 2 ** 23)
  for (const paths of [[device.path], [device.path, other], [other, device.path]]) {
    const place = paths.indexOf(device.path)
    const name = `${paths.length} devices, of number ${place + 1}`
    const block = place * 2 ** 18
    await succeed('mkfs', '--force', ...paths)
    const before = await openFiles(paths)
    await before.writeFile('/file', 'written')
    await before.close()
    device.spoil(0)
    const bad = `block ${block}, byte 0 of ${device.path}, is bad, and holds the header of a device`
    const volume = await openFiles(paths, { readOnly: true })
    t.equal(await volume.readFile('/file', 'utf8'), 'written', name)
    t.notOk(isAnyReplaced(), `${name}: devdax could not be read any more`)
    await volume.close()
    t.same(checkDevices(paths).problems, [bad], name)
    const [first, ...further] = paths as [string]
    const given = [first, ...further.flatMap((path) => ['--device', path])]
    t.match(await succeed('info', ...given), /damage +the header of .* is damaged/, name)
    t.match(await succeed('dump', ...given), /superblock/, name)
    const how = `fallocate --punch-hole --offset 0 --length 4096 ${device.path}`
    const advice = `it can only be mounted read-only (-o ro) before the error is cleared (${how}); the next mount for writing then makes it anew`
    await t.rejects(openFiles(paths), { name: 'VolumeError', message: `${bad}; ${advice}` }, name)
    const opened = openVolume(paths, true)
    t.throws(() => opened.becomeWritable(), { message: `${bad}; ${advice}` }, name)
    opened.close()
    // Clearing an error leaves zeros.
    device.mend(0)
    writeAt(device.path, 0, new Uint8Array(page))
    await (await openFiles(paths)).close()
    t.match(checkDevices(paths), { problems: [], exitCode: 0 }, name)
  }
})

/** Reads the volume as fsck, info and dump do. */
function lookAtAll(paths: readonly string[], judge: () => void): void {
  withDevices(paths, { access: 'read-only', exclusive: true }, (devices) =>
    withMedium(devices, 'read-only', (medium, bad) => {
      const { superblock } = readSuperblock(medium)
      for (const what of ['overview', 'superblock'] as const) dumpVolume(medium, superblock, { what }, bad)
      for (const what of ['inode', 'dir', 'blocks'] as const)
        dumpVolume(medium, superblock, { what, inode: 1 }, bad)
      checkVolume(medium, superblock, new Report(), () => undefined, bad)
      judge()
    }),
  )
}

void tap.test('a copy of the superblock', async (t) => {
  const device = await BadDevice.make(t, 2 ** 23)
  const other = sparseFile(join(await temporaryDirectory(t, SHARED_MEMORY), 'other'), 2 ** 23)
  const second = 2 ** 23 / page - 1
  for (const [paths, block, what] of [
    [[device.path], 1, 'first superblock'],
    [[device.path], second, 'second superblock, at the end of the first device'],
    [[device.path, other], 1, 'first superblock'],
    [[device.path, other], second, 'second superblock, at the end of the first device'],
    [[other, device.path], 1, 'superblock of device number 2'],
  ] as const) {
    const name = `${paths.length} devices, ${what}`
    await succeed('mkfs', '--force', ...paths)
    const before = await openFiles(paths)
    await before.writeFile('/file', 'written')
    await before.close()
    device.spoil(block)
    const bad = `byte ${block * page} of ${device.path}, is bad, and holds the ${what}`
    const volume = await openFiles(paths, { readOnly: true })
    t.equal(await volume.readFile('/file', 'utf8'), 'written', name)
    t.notOk(isAnyReplaced(), `${name}: devdax could not be read any more`)
    t.match(volume.notices, [/superblock.* is damaged/, /^\S+: 1 bad block on /], name)
    await volume.close()
    lookAtAll(paths, () => t.notOk(isAnyReplaced(), `${name}: nor by fsck, info and dump`))
    t.match(checkDevices(paths).problems, [bad], name)
    await t.rejects(openFiles(paths), { name: 'VolumeError', message: bad }, name)
    device.mend(block)
    await (await openFiles(paths)).close()
    t.match(checkDevices(paths), { problems: [], exitCode: 0 }, name)
  }
})

void tap.test('what every mount needs', async (t) => {
  const device = await BadDevice.make(t, 2 ** 23)
  const paths = [device.path]
  await succeed('mkfs', device.path)
  for (const [block, what] of [
    [2, 'the roots of the file system'],
    [3, 'the undo log'],
  ] as const) {
    device.spoil(block)
    const bad = `block ${block}, byte ${block * page} of ${device.path}, is bad, and holds ${what}`
    for (const readOnly of [false, true])
      await t.rejects(openFiles(paths, { readOnly }), { name: 'VolumeError', message: bad })
    lookAtAll(paths, () => t.notOk(isAnyReplaced(), `${what}: devdax could not be read any more`))
    t.same(checkDevices(paths).problems, [bad])
    t.match(await succeed('info', device.path), /UUID/)
    t.match((await pmfs2(['dump', device.path])).output, `block ${block} is bad`)
    device.mend(block)
  }
})
