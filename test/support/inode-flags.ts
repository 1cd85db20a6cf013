// SPDX-License-Identifier: GPL-2.0-only
/** Flags and projects of inodes by ioctl(2), as chattr(1) and lsattr(1) have them. */
import type { Path, System } from './system.js'

/** FS_*_FL */
export const fl = {
  sync: 0x8,
  immutable: 0x10,
  append: 0x20,
  nodump: 0x40,
  noatime: 0x80,
  dirsync: 0x10000,
  projinherit: 0x20000000,
} as const
export const allFl = Object.values(fl).reduce((flags, flag) => flags | flag, 0)

/** FS_XFLAG_* */
export const xflag = {
  immutable: 0x8,
  append: 0x10,
  sync: 0x20,
  noatime: 0x40,
  nodump: 0x80,
  projinherit: 0x200,
} as const

const FS_IOC_GETFLAGS = 0x80086601
const FS_IOC_SETFLAGS = 0x40086602
const FS_IOC_GETVERSION = 0x80087601
const FS_IOC_FSGETXATTR = 0x801c581f
const FS_IOC_FSSETXATTR = 0x401c5820
const FITRIM = 0xc0185879

/** Of those that are tested; file systems have others, which say how they store a file. */
export async function getFlags(system: System, path: Path): Promise<number> {
  return (await system.ioctl(path, FS_IOC_GETFLAGS, Buffer.alloc(8))).readUInt32LE() & allFl
}

/** Leaves those alone that are not tested. */
export async function setFlags(system: System, path: Path, flags: number): Promise<void> {
  const data = await system.ioctl(path, FS_IOC_GETFLAGS, Buffer.alloc(8))
  data.writeUInt32LE(((data.readUInt32LE() & ~allFl) | flags) >>> 0)
  await system.ioctl(path, FS_IOC_SETFLAGS, data)
}

export async function getProject(system: System, path: Path): Promise<{ xflags: number; project: number }> {
  const data = await system.ioctl(path, FS_IOC_FSGETXATTR, Buffer.alloc(28))
  return { xflags: data.readUInt32LE(0), project: data.readUInt32LE(12) }
}

export async function setProject(system: System, path: Path, xflags: number, project: number): Promise<void> {
  const data = Buffer.alloc(28)
  data.writeUInt32LE(xflags, 0)
  data.writeUInt32LE(project, 12)
  await system.ioctl(path, FS_IOC_FSSETXATTR, data)
}

/** The buffer is larger than what any file system stores there. */
export async function getVersion(system: System, path: Path): Promise<number> {
  return (await system.ioctl(path, FS_IOC_GETVERSION, Buffer.alloc(16))).readUInt32LE()
}

/** @returns the bytes that were given back */
export async function trim(
  system: System,
  path: Path,
  start = 0,
  length = Infinity,
  least = 0,
): Promise<number> {
  const data = Buffer.alloc(24)
  data.writeBigUInt64LE(BigInt(start), 0)
  data.writeBigUInt64LE(length === Infinity ? 2n ** 64n - 1n : BigInt(length), 8)
  data.writeBigUInt64LE(BigInt(least), 16)
  return Number((await system.ioctl(path, FITRIM, data)).readBigUInt64LE(8))
}
