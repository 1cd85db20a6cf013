// SPDX-License-Identifier: GPL-2.0-only
/** Disks that are small, and can be filled: what devices in files and behind loop devices then meet is to be tested. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, truncateSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { native } from '../../src/native/index.js'
import { loopOver } from './loop-device.js'
import { type TearsDown, temporaryDirectory } from './temporary.js'
import { whenGone } from './when-gone.js'

const MNT_DETACH = 2
const pieceBytes = 64 * 1024

function unmountAfterwards(t: TearsDown, folder: string): void {
  const { dismiss } = whenGone('umount --lazy "$1"', folder)
  t.teardown(() => {
    native.umount(folder, MNT_DETACH)
    dismiss()
  })
}

export class SmallDisk {
  /** Where it is mounted. */
  readonly folder: string
  /** Of one on a loop device: the file that is its disk, and that device; else empty. */
  readonly image: string
  readonly device: string
  readonly #filler: string

  private constructor(folder: string, image = '', device = '') {
    this.folder = folder
    this.image = image
    this.device = device
    this.#filler = join(folder, 'filler')
  }

  /** A tmpfs of so many bytes. */
  static async make(t: TearsDown, sizeBytes: number): Promise<SmallDisk> {
    const folder = join(await temporaryDirectory(t), 'small')
    mkdirSync(folder)
    const error = native.mount('pmfs2-test', folder, 'tmpfs', 0, `size=${sizeBytes}`)
    if (error < 0) throw new Error(`tmpfs cannot be mounted: ${error}`)
    unmountAfterwards(t, folder)
    return new SmallDisk(folder)
  }

  /** An ext4 of so many bytes, on a loop device whose file lies on another disk. @param options of mkfs.ext4 */
  static ext4(t: TearsDown, disk: SmallDisk, sizeBytes: number, ...options: readonly string[]): SmallDisk {
    return SmallDisk.#onLoop('ext4', t, disk, sizeBytes, options)
  }

  /** An XFS, of 300 MiB or more, in the same way. @param options of mkfs.xfs */
  static xfs(t: TearsDown, disk: SmallDisk, sizeBytes: number, ...options: readonly string[]): SmallDisk {
    return SmallDisk.#onLoop('xfs', t, disk, sizeBytes, options)
  }

  static #onLoop(
    type: string,
    t: TearsDown,
    disk: SmallDisk,
    sizeBytes: number,
    options: readonly string[],
  ): SmallDisk {
    const image = disk.sparse(type, sizeBytes)
    const device = loopOver(t, image)
    execFileSync(`mkfs.${type}`, ['-q', ...options, device])
    const folder = join(disk.folder, `mounted-${type}`)
    mkdirSync(folder)
    const error = native.mount(device, folder, type, 0, '')
    if (error < 0) throw new Error(`${type} cannot be mounted: ${error}`)
    unmountAfterwards(t, folder)
    return new SmallDisk(folder, image, device)
  }

  /** A sparse file. @returns its path */
  sparse(name: string, lengthBytes: number): string {
    const path = join(this.folder, name)
    writeFileSync(path, '')
    truncateSync(path, lengthBytes)
    return path
  }

  /** A loop device over a sparse file. @returns its path */
  loop(t: TearsDown, name: string, lengthBytes: number): string {
    return loopOver(t, this.sparse(name, lengthBytes))
  }

  /** Takes all that is left. */
  fill(): void {
    const fd = openSync(this.#filler, 'w')
    const piece = Buffer.alloc(pieceBytes, 1)
    try {
      for (;;) writeSync(fd, piece)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    } finally {
      closeSync(fd)
    }
  }

  /** Gives it back. */
  empty(): void {
    unlinkSync(this.#filler)
  }
}
