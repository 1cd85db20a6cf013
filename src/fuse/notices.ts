// SPDX-License-Identifier: GPL-2.0-only
/** What the server tells the kernel without being asked: a reply to no request, on /dev/fuse, also beside a ring. */
import { writeSync } from 'node:fs'
import { FUSE_NOTIFY_INVAL_INODE, fuse_notify_inval_inode_out, fuse_out_header } from './protocol.js'

export interface KernelNotices {
  /** An inode's attributes are no longer what the kernel was told. Its pages stay. */
  attributesChanged(number: number): void
}

const header = fuse_out_header.word
const inval = fuse_notify_inval_inode_out.word
const bodyWord = fuse_out_header.lengthWords

export class DeviceNotices implements KernelNotices {
  readonly #fd: number
  readonly #words = new Int32Array(bodyWord + fuse_notify_inval_inode_out.lengthWords)
  readonly #bytes = new Uint8Array(this.#words.buffer)

  /** @param fd descriptor of /dev/fuse */
  constructor(fd: number) {
    this.#fd = fd
    this.#words[header.len] = this.#bytes.length
    this.#words[header.error] = FUSE_NOTIFY_INVAL_INODE
    // A negative offset: no pages.
    this.#words[bodyWord + inval.off] = -1
    this.#words[bodyWord + inval.off + 1] = -1
  }

  attributesChanged(number: number): void {
    this.#words[bodyWord + inval.ino] = number
    try {
      writeSync(this.#fd, this.#bytes)
    } catch {
      // The kernel knows nothing of the inode (ENOENT), or the mount is coming to its end.
    }
  }
}
