// SPDX-License-Identifier: GPL-2.0-only
/** Damages devices that are not mounted: a file loses its blocks. */
import { open, readFile } from 'node:fs/promises'
import type { Test } from 'tap'
import { inode } from '../../layout/inode.js'
import { System } from './system.js'
import { TestMount } from './test-mount.js'

/** Stores a word so far behind the place where one of the devices holds these bytes. */
export async function putWordBeside(
  devices: readonly string[],
  bytes: Buffer,
  distance: number,
  value: number,
): Promise<void> {
  const word = Buffer.alloc(4)
  word.writeUInt32LE(value)
  for (const device of devices) {
    const at = (await readFile(device)).indexOf(bytes)
    if (at < 0) continue
    const file = await open(device, 'r+')
    await file.write(word, 0, 4, at + distance)
    await file.close()
    return
  }
  throw new Error(`${bytes.toString('hex')} is nowhere`)
}

/** No block of any of these devices. */
export const nowhere = 0x7fff_fff0

/** Owner of a file, to find its inode by. */
export const owner = { uid: 0x1234_5678, gid: 0x2345_6789 }

/** Lets the file of {@link owner} refer to a block that there cannot be. */
export async function loseBlocks(devices: readonly string[]): Promise<void> {
  const mark = Buffer.alloc(8)
  mark.writeUInt32LE(owner.uid, 0)
  mark.writeUInt32LE(owner.gid, 4)
  const toRoot = (inode.word.root - inode.word.uid) * 4
  await putWordBeside(devices, mark, toRoot, nowhere)
}

export interface LostFile {
  readonly mount: TestMount
  readonly path: string
  /** What is reported of it. */
  readonly what: string
}

/** A file that has lost its blocks, on a volume that is not mounted. */
export async function makeLostFile(t: Test): Promise<LostFile> {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = `${mount.mountpoint}/lost`
  await system.writeFile(path, 'contents')
  await system.chown(path, owner.uid, owner.gid)
  const { ino } = await system.stat(path)
  await mount.unmount()
  await loseBlocks(mount.devices)
  return { mount, path, what: `inode ${ino}: block ${nowhere} is named as data` }
}
