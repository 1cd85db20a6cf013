// SPDX-License-Identifier: GPL-2.0-only
/**
 * A file system that can do nothing: each call answers ENOSYS, for which the kernel has a substitute or tells the
 * program. Another file system extends it and overrides what it can do. It lives in one thread: no call needs a lock,
 * and no space comes back by itself.
 */
import { Clock } from '../fs/clock.js'
import { ENOSYS } from '../fs/errno.js'
import { Turns } from '../fs/long-call.js'
import { Space, spaceWords } from '../fs/space.js'
import type { VolumeUsage } from '../fs/volume-usage.js'
import type { Mapping } from '../native/index.js'
import { createTransferBuffer } from '../pmem/transfer-buffer.js'
import type { FileSystem, Names, Ranges } from './file-system.js'

const noLock = 0 as Mapping

/** Where lseek(2) finds no holes and copy_file_range(2) copies by reads and writes. */
const noRanges: Ranges = { seek: () => -ENOSYS, copy: () => -ENOSYS }

const noAllocation: FileSystem['allocation'] = { fallocate: () => -ENOSYS }

export class BaseFileSystem implements FileSystem {
  readonly clock = new Clock()
  readonly space: FileSystem['space']
  readonly turns: FileSystem['turns'] = new Turns()
  readonly ranges: Ranges = noRanges
  readonly allocation = noAllocation
  readonly flags: FileSystem['flags'] = null
  readonly trim: FileSystem['trim'] = null
  readonly label: FileSystem['label'] = null
  readonly xattrs: FileSystem['xattrs'] = null
  readonly isChecked: boolean = false
  readonly lockMemory = noLock

  constructor() {
    const memory = createTransferBuffer('space that comes back', spaceWords * 4)
    this.space = new Space({ memory, words: memory.words })
  }

  attend(): number {
    return 0
  }

  settle(): void {
    // No call takes a lock.
  }

  lookup(..._: Parameters<Names['lookup']>): number {
    return -ENOSYS
  }
  find(_number: number): number {
    return -ENOSYS
  }
  parentOf(_number: number): number {
    return -ENOSYS
  }
  retain(_number: number): boolean {
    return true
  }
  forget(_number: number, _count: number): void {
    // Nobody counts.
  }
  create(..._: Parameters<Names['create']>): number {
    return -ENOSYS
  }
  createNameless(..._: Parameters<Names['createNameless']>): number {
    return -ENOSYS
  }
  symlink(..._: Parameters<Names['symlink']>): number {
    return -ENOSYS
  }
  link(..._: Parameters<Names['link']>): number {
    return -ENOSYS
  }
  unlink(..._: Parameters<Names['unlink']>): number {
    return -ENOSYS
  }
  rmdir(..._: Parameters<Names['rmdir']>): number {
    return -ENOSYS
  }
  rename(..._: Parameters<Names['rename']>): number {
    return -ENOSYS
  }
  readdir(..._: Parameters<Names['readdir']>): number {
    return -ENOSYS
  }
  readlink(..._: Parameters<Names['readlink']>): number {
    return -ENOSYS
  }
  getattr(..._: Parameters<FileSystem['getattr']>): number {
    return -ENOSYS
  }
  setattr(..._: Parameters<FileSystem['setattr']>): number {
    return -ENOSYS
  }
  usage(_usage: VolumeUsage): void {
    // It stays as it was made: zeros, which is what file systems without a size report.
  }
  firstOrphan(): number {
    return 0
  }
  beginRead(..._: Parameters<FileSystem['beginRead']>): number {
    return -ENOSYS
  }
  handOverReadLock(_number: number): number {
    return 0
  }
  write(..._: Parameters<FileSystem['write']>): number {
    return -ENOSYS
  }
}
