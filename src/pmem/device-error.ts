// SPDX-License-Identifier: GPL-2.0-only
import { getSystemErrorMap, getSystemErrorName } from 'node:util'

/**
 * A device could not be opened, locked or mapped, or it failed. The message says what failed, on what, and what to do
 * about it.
 */
export class DeviceError extends Error {
  override readonly name = 'DeviceError'
  /** The errno's name, such as EBUSY. */
  readonly code: string
  /** Of EBUSY: the user of the device is not about to release it. */
  readonly outlasts: boolean
  /** The device that was to be opened, as it was named; null where the error is about something else. */
  device: string | null = null

  constructor(code: string, message: string, options: ErrorOptions & { outlasts?: boolean } = {}) {
    super(message, options)
    this.code = code
    this.outlasts = options.outlasts ?? false
  }
}

/** What helps against the errors that opening a device meets. */
const advice: Readonly<Record<string, string>> = {
  EACCES: 'no permission: run as root, or let yourself read and write it',
  ENOENT: 'there is no such file or device',
  ENXIO: 'the device behind it is missing: is its driver loaded?',
  ENODEV: 'it cannot be mapped to memory: use a device or file system that mmap(2) works on',
  EROFS: 'it is write-protected, or its file system is read-only',
  ELOOP: 'it leads through too many symbolic links, or round in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOTDIR: 'a part of its path is not a directory',
  EISDIR: 'it is a directory',
  EEXIST: 'it exists already',
  EFBIG: 'this process may make no file of this size (ulimit -f), or its file system takes none',
  EDQUOT: 'the quota of its owner is used up',
  ETXTBSY: 'it is in use as a program or as swap space',
  EOVERFLOW: 'it is too large',
  EBUSY: 'it is in use: unmount it, or end the program that holds it (fuser shows which)',
  EAGAIN: 'it is in use: unmount it, or end the program that holds it (fuser shows which)',
  EIO: 'the device reports an I/O error (EIO); the kernel log (dmesg) tells more',
  ENOSPC: 'the disk is full',
  ENOMEM: 'there is no memory left, or no more of it is allowed (ulimit -v)',
  EMFILE: 'this process may open no more files: raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files: raise the limit (sysctl fs.file-max)',
}

/** What an errno means here, and what helps. */
export function adviceOn(code: string): string {
  if (code !== 'EPERM') return advice[code] ?? meaningOf(code)
  return process.geteuid?.() === 0
    ? 'not permitted, not even to root: it may be immutable (lsattr shows it, chattr -i ends it)'
    : 'not permitted: run as root'
}

/** What the C library says of it. */
function meaningOf(code: string): string {
  for (const [name, meaning] of getSystemErrorMap().values()) if (name === code) return `${meaning} (${code})`
  return code
}

/** The error for an errno met while `doing` something, such as `cannot open /dev/pmem0`. @param errno or its name */
export function deviceError(errno: number | string, doing: string, cause?: unknown): DeviceError {
  const code = typeof errno === 'string' ? errno : getSystemErrorName(-errno)
  const shown = code === 'EAGAIN' ? 'EBUSY' : code
  return new DeviceError(shown, `${doing}: ${adviceOn(code)}`, cause === undefined ? {} : { cause })
}

/** The errno's name of an exception of node:fs, or 'EIO' of another. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'EIO'
}
