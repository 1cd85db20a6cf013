// SPDX-License-Identifier: GPL-2.0-only
/**
 * A file that is open (open(2)): what it may be used for, and where it is at. It refers to its inode, which lives until
 * the file is closed, even when it has no names any more.
 */
import { EBADF, EINVAL, EXDEV } from '../fs/errno.js'
import { S_IFMT, S_IFREG } from '../fs/mode.js'
import { apiError } from './api-error.js'
import { allocateAt, copyAt, readAt, resize, seekAt, sizeOf, writeAt } from './file-contents.js'
import { fileTooLarge } from './invalid-argument.js'
import { O_APPEND, O_NOATIME, O_RDONLY, O_RDWR, O_WRONLY, accessModes } from './open-flags.js'
import type { Session } from './session.js'
import { VolumeStats } from './volume-stats.js'

/** What a file may have for one Buffer to take it (node:fs has the same limit). */
const mostBytesPerBuffer = 2 ** 31 - 1

export class OpenFile {
  readonly session: Session
  readonly inode: number
  #flags: number
  #position = 0
  #isOpen = true

  /** @param inode with a reference, which goes over to the file */
  constructor(session: Session, inode: number, flags: number) {
    this.session = session
    this.inode = inode
    this.#flags = flags
    session.keep(inode)
  }

  /** Those that it has from now on (F_SETFL of fcntl(2)). */
  set flags(flags: number) {
    this.#flags = flags
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** @param position null: where the file is at, and that moves on */
  read(into: Uint8Array, position: number | null): number {
    this.#allow('read', O_RDONLY)
    const read = readAt(
      this.session,
      this.inode,
      position ?? this.#position,
      into,
      !(this.#flags & O_NOATIME),
    )
    if (position === null) this.#position += read
    return read
  }

  /** From where the file is at to its end. @throws ERR_FS_FILE_TOO_LARGE */
  readRest(): Buffer {
    this.#allow('read', O_RDONLY)
    const stats = new VolumeStats(this.inode, this.session.walk.attributes(this.inode, 'fstat'))
    const size = (stats.mode & S_IFMT) === S_IFREG ? stats.size : 0
    if (size > mostBytesPerBuffer) throw fileTooLarge(size)
    const rest = Buffer.allocUnsafeSlow(Math.max(0, size - this.#position))
    return rest.subarray(0, this.read(rest, null))
  }

  /** @param position null: where the file is at, and that moves on; all goes to the end with O_APPEND */
  write(bytes: Uint8Array, position: number | null): number {
    this.#allow('write', O_WRONLY)
    if (bytes.length === 0) return 0
    const isAppending = (this.#flags & O_APPEND) !== 0
    const at = isAppending ? sizeOf(this.session, this.inode, 'write') : (position ?? this.#position)
    const written = writeAt(this.session, this.inode, at, bytes, isAppending)
    if (position === null) this.#position = at + written
    return written
  }

  /** Writes all of it where the file is at. */
  writeAll(bytes: Uint8Array): void {
    this.#allow('write', O_WRONLY)
    for (let done = 0; done < bytes.length;) done += this.write(bytes.subarray(done), null)
  }

  truncate(length: number): void {
    if (!this.#may(O_WRONLY)) throw apiError(-EINVAL, 'ftruncate')
    resize(this.session, this.inode, length, 'ftruncate')
  }

  /** @param mode FALLOC_FL_* */
  allocate(mode: number, offset: number, length: number): void {
    this.#allow('fallocate', O_WRONLY)
    allocateAt(this.session, this.inode, mode, offset, length)
  }

  /** @returns null where the file ends before */
  seek(position: number, wantsData: boolean): number | null {
    return seekAt(this.session, this.inode, position, wantsData)
  }

  copy(position: number, target: OpenFile, targetPosition: number, length: number): number {
    this.#allow('copy_file_range', O_RDONLY)
    target.#allow('copy_file_range', O_WRONLY)
    if ((target.#flags & O_APPEND) !== 0) throw apiError(-EBADF, 'copy_file_range')
    if (target.session !== this.session) throw apiError(-EXDEV, 'copy_file_range')
    return copyAt(this.session, this.inode, position, target.inode, targetPosition, length)
  }

  /** A second time does nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.session.forget(this.inode)
  }

  #allow(syscall: string, mode: number): void {
    if (!this.#may(mode)) throw apiError(-EBADF, syscall)
  }

  #may(mode: number): boolean {
    const given = this.#flags & accessModes
    return given === mode || given === O_RDWR
  }
}
