// SPDX-License-Identifier: GPL-2.0-only
/** The first exchange: what the kernel offers and what this server asks for. */
import { EPROTO } from '../fs/errno.js'
import { seesAllCallers } from './caller.js'
import type { Message } from './message.js'
import {
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  fuse_init_in,
  fuse_init_out,
  oldestMinorVersion,
} from './protocol.js'

/** Bits of flags. */
const FUSE_ASYNC_READ = 1 << 0
const FUSE_ATOMIC_O_TRUNC = 1 << 3
const FUSE_EXPORT_SUPPORT = 1 << 4
const FUSE_BIG_WRITES = 1 << 5
const FUSE_DONT_MASK = 1 << 6
const FUSE_DO_READDIRPLUS = 1 << 13
const FUSE_WRITEBACK_CACHE = 1 << 16
const FUSE_PARALLEL_DIROPS = 1 << 18
const FUSE_POSIX_ACL = 1 << 20
const FUSE_MAX_PAGES = 1 << 22
const FUSE_CACHE_SYMLINKS = 1 << 23
const FUSE_HANDLE_KILLPRIV_V2 = 1 << 28
const FUSE_SETXATTR_EXT = 1 << 29
const FUSE_INIT_EXT = 1 << 30
/** Bits of flags2, which are bits 32 and up of the 64. */
const FUSE_DIRECT_IO_ALLOW_MMAP = 1 << 4
const FUSE_ALLOW_IDMAP = 1 << 8
const FUSE_OVER_IO_URING = 1 << 9

/** READDIRPLUS always, not adaptively: entries stay valid for ever, so what it brings is never wasted. */
const wanted =
  FUSE_ASYNC_READ |
  FUSE_EXPORT_SUPPORT |
  FUSE_BIG_WRITES |
  FUSE_DONT_MASK |
  FUSE_DO_READDIRPLUS |
  FUSE_PARALLEL_DIROPS |
  FUSE_MAX_PAGES |
  FUSE_HANDLE_KILLPRIV_V2 |
  FUSE_SETXATTR_EXT |
  FUSE_INIT_EXT
const wanted2 = FUSE_DIRECT_IO_ALLOW_MMAP
/**
 * Mounts may be id-mapped. Then requests through any mount name their user only if they create, so the server must be
 * able to find out. The kernel refuses the flag without default_permissions, with which all is mounted here.
 */
const idMaps = seesAllCallers() ? FUSE_ALLOW_IDMAP : 0

/** Data of one request, at the most. */
export const maxWriteBytes = 2 ** 20
const maxPages = maxWriteBytes / 4096
const maxBackground = 64
const congestionThreshold = 48

const offered = fuse_init_in.word
const answer = fuse_init_out.word

export interface InitOptions {
  /** The kernel is to report each open, and what O_TRUNC cuts is cut by that; otherwise by a SETATTR. */
  readonly directIo: boolean
  /** The kernel is to ask each time that a symbolic link is read. */
  readonly strictAccessTimes: boolean
  /** The kernel is to gather buffered writes. */
  readonly writebackCache: boolean
  /** The kernel is to check permissions by POSIX ACLs, which it asks for and caches. */
  readonly acls: boolean
  /** Rings will be offered for every queue; the kernel holds all requests back until they are. */
  readonly overRing: boolean
}

/**
 * @returns the answer's bytes, or -EPROTO for a kernel that is too old
 */
export function answerInit(message: Message, options: InitOptions): number {
  const minor = message.argument(offered.minor)
  if (message.argument(offered.major) !== FUSE_KERNEL_VERSION || minor < oldestMinorVersion) return -EPROTO
  const flags = message.argument(offered.flags)
  const flags2 = flags & FUSE_INIT_EXT ? message.argument(offered.flags2) : 0
  message.clear(fuse_init_out.lengthWords)
  message.put(answer.major, FUSE_KERNEL_VERSION)
  message.put(answer.minor, Math.min(minor, FUSE_KERNEL_MINOR_VERSION))
  message.put(answer.max_readahead, message.argument(offered.max_readahead))
  const opens = options.directIo ? FUSE_ATOMIC_O_TRUNC : 0
  const gathers = options.writebackCache ? FUSE_WRITEBACK_CACHE : 0
  const acls = options.acls ? FUSE_POSIX_ACL : 0
  const caches = options.strictAccessTimes ? 0 : FUSE_CACHE_SYMLINKS
  message.put(answer.flags, flags & (wanted | opens | gathers | acls | caches))
  const rings = options.overRing ? FUSE_OVER_IO_URING : 0
  message.put(answer.flags2, flags2 & (wanted2 | rings | idMaps))
  message.put(answer.max_background, maxBackground | (congestionThreshold << 16))
  message.put(answer.max_write, maxWriteBytes)
  message.put(answer.time_gran, 1)
  message.put(answer.max_pages, maxPages)
  return fuse_init_out.lengthBytes
}
