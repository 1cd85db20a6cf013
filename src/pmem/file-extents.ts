// SPDX-License-Identifier: GPL-2.0-only
/** Where the bytes of a file lie on the disk below it, on file systems of which that is known. */
import { native } from '../native/index.js'

/** Bytes that follow each other in a file and on its disk. */
export interface FileExtent {
  readonly fileByte: number
  readonly diskByte: number
  readonly lengthBytes: number
}

/**
 * Ext2 to ext4, and XFS, by f_type of statfs(2) (linux/magic.h): their places are those on the device that stat(2)
 * names. Others may have several devices below them (btrfs, bcachefs), and number all of their blocks together.
 */
const onOneDisk: ReadonlySet<number> = new Set([0xef53, 0x58465342])
const usualExtents = 64

/**
 * The written extents of a file; none where their places are not known.
 * @param fileSystem f_type of statfs(2); null: it is no file
 */
export function extentsOf(fd: number, fileSystem: number | null): FileExtent[] {
  if (fileSystem === null || !onOneDisk.has(fileSystem)) return []
  let numbers = new Float64Array(3 * usualExtents)
  let count = native.fileExtents(fd, numbers)
  while (3 * count > numbers.length) {
    numbers = new Float64Array(3 * count)
    count = native.fileExtents(fd, numbers)
  }
  return Array.from({ length: Math.max(count, 0) }, (_, n) => ({
    fileByte: numbers[3 * n]!,
    diskByte: numbers[3 * n + 1]!,
    lengthBytes: numbers[3 * n + 2]!,
  }))
}
