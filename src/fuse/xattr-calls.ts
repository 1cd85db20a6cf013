// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves requests about extended attributes. Nothing of them is cached by the kernel. It checks who may use a
 * namespace, but shows the names in a list to everybody: names in trusted. are left out here, as ext4 leaves them out,
 * for callers without CAP_SYS_ADMIN.
 */
import { existsSync } from 'node:fs'
import { xattrTrusted } from '../../layout/xattr.js'
import { EINVAL, ENODATA, EOPNOTSUPP, ERANGE } from '../fs/errno.js'
import { Name } from '../fs/name.js'
import { prefixOf } from '../fs/xattr-name.js'
import type { XattrNameSink } from '../fs/xattrs.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from '../pmem/transfer-buffer.js'
import { isSystemAdministrator } from './caller.js'
import type { Contents, Xattrs } from './file-system.js'
import type { Message } from './message.js'
import * as fuse from './protocol.js'

/** More than all names of an inode take, also of a damaged one: it has 4208 bytes for entries, of 8 bytes and more. */
const listBytes = 16384

const selinux = Buffer.from('security.selinux')
/** Whether the kernel itself answers a request for it. */
const hasSelinux = existsSync('/sys/fs/selinux/enforce')

/** A list of names, each with its prefix and a NUL. */
class NameList implements XattrNameSink {
  bytes = 0
  readonly buffer: TransferBuffer
  readonly #message: Message
  /** Whether names in trusted. are told; asked when there is one. */
  #isTrusted: boolean | null = null

  constructor(message: Message) {
    this.#message = message
    this.buffer = createTransferBuffer('pmfs2 names', listBytes)
  }

  begin(): void {
    this.bytes = 0
    this.#isTrusted = null
  }

  name(namespace: number, bytes: Uint8Array, start: number, length: number): void {
    if (namespace === xattrTrusted) {
      this.#isTrusted ??= isSystemAdministrator(this.#message.pid, this.#message.uid)
      if (!this.#isTrusted) return
    }
    const prefix = prefixOf(namespace)!
    if (this.bytes + prefix.length + length + 1 > listBytes) throw new Error('too many names of attributes')
    this.#add(prefix, 0, prefix.length)
    this.#add(bytes, start, length)
    this.buffer.bytes[this.bytes++] = 0
  }

  #add(from: Uint8Array, start: number, length: number): void {
    const to = this.buffer.bytes
    for (let n = 0; n < length; n++) to[this.bytes + n] = from[start + n]!
    this.bytes += length
  }
}

/**
 * Where the name of a SETXATTR begins, behind the struct of FUSE_SETXATTR_EXT, if the kernel has sent the short one.
 */
const compatSkip = fuse.FUSE_COMPAT_SETXATTR_IN_SIZE - fuse.fuse_setxattr_in.lengthBytes

/**
 * Whether a SETXATTR has the struct of FUSE_SETXATTR_EXT. A worker that has not answered INIT knows it by the padding:
 * in its place, a short struct is followed by bytes 4 to 7 of a name, which has more than four.
 */
function isExtendedSet(message: Message): boolean {
  return message.argument(fuse.fuse_setxattr_in.word.padding) === 0
}

export class XattrCalls {
  readonly #files: Contents
  readonly #xattrs: Xattrs
  readonly #message: Message
  readonly #list: NameList
  readonly #name = new Name()

  constructor(files: Contents, xattrs: Xattrs, message: Message) {
    this.#files = files
    this.#xattrs = xattrs
    this.#message = message
    this.#list = new NameList(message)
  }

  release(): void {
    releaseTransferBuffer(this.#list.buffer)
  }

  get(): number {
    const message = this.#message
    const { nodeid } = message
    const most = message.argument(fuse.fuse_getxattr_in.word.size)
    message.name(this.#name, 0)
    const length = this.#xattrs.beginGet(nodeid, this.#name, most, message)
    // The value is read when the reply is sent; the lock is let go of then.
    message.lockMemory = this.#files.lockMemory
    message.lockOffset = this.#files.handOverReadLock(nodeid)
    if (length < 0) return this.#refusal(length)
    return most === 0 ? this.#size(length) : 0
  }

  set(): number {
    const message = this.#message
    const at = fuse.fuse_setxattr_in.word
    const size = message.argument(at.size)
    const isExtended = isExtendedSet(message)
    const start = message.name(this.#name, isExtended ? 0 : compatSkip)
    if (size < 0 || start + size > message.payloadBytes) return -EINVAL
    return this.#xattrs.set(
      message.nodeid,
      this.#name,
      message.payload,
      message.payloadStart + start,
      size,
      message.argument(at.flags),
      isExtended && (message.argument(at.setxattr_flags) & fuse.FUSE_SETXATTR_ACL_KILL_SGID) !== 0,
    )
  }

  remove(): number {
    const message = this.#message
    message.name(this.#name, 0)
    return this.#xattrs.remove(message.nodeid, this.#name)
  }

  list(): number {
    const message = this.#message
    const list = this.#list
    list.begin()
    const error = this.#xattrs.list(message.nodeid, list)
    if (error !== 0) return error
    const most = message.argument(fuse.fuse_getxattr_in.word.size)
    if (most === 0) return this.#size(list.bytes)
    if (list.bytes > most >>> 0) return -ERANGE
    if (list.bytes > 0) message.piece(list.buffer.mapping, 0, list.bytes)
    return 0
  }

  /**
   * What a GETXATTR that fails is answered. ls(1) asks for security.selinux of each file in a long listing, unless it
   * has heard that the file system has none. Without SELinux there is none indeed, but where somebody has set it.
   */
  #refusal(error: number): number {
    return error === -ENODATA && !hasSelinux && this.#isSelinux() ? -EOPNOTSUPP : error
  }

  #isSelinux(): boolean {
    const { bytes, length, start } = this.#name
    if (length !== selinux.length) return false
    for (let n = 0; n < length; n++) if (bytes[start + n] !== selinux[n]) return false
    return true
  }

  #size(bytes: number): number {
    const message = this.#message
    message.put(fuse.fuse_getxattr_out.word.size, bytes)
    message.put(fuse.fuse_getxattr_out.word.padding, 0)
    return fuse.fuse_getxattr_out.lengthBytes
  }
}
