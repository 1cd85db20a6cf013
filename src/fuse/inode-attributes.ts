// SPDX-License-Identifier: GPL-2.0-only
/**
 * Attributes of an inode that lies in the JavaScript heap, in the words that getattr hands out; for file systems that
 * have no layout of their own.
 */
import { inode } from '../../layout/inode.js'
import {
  type AttributeChange,
  KILL_PRIVILEGES,
  SET_ATIME,
  SET_CTIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_SIZE,
  SET_UID,
  attributeWords,
} from '../fs/attributes.js'
import type { Clock } from '../fs/clock.js'
import { S_IFMT, S_ISGID, isDirectory, permissionBits, withoutPrivileges } from '../fs/mode.js'
import type { NewInode } from '../fs/new-inode.js'

const at = inode.word

export class InodeAttributes {
  readonly words = new Uint32Array(attributeWords)
  readonly #clock: Clock

  /** @param clock the time of the request in hand, now and later */
  constructor(made: Readonly<NewInode>, clock: Clock) {
    this.#clock = clock
    this.words[at.mode] = made.maskedMode
    this.words[at.uid] = made.uid
    this.words[at.gid] = made.gid
    this.words[at.device] = made.device
    this.words[at.links] = this.isDirectory ? 2 : 1
    for (const time of [at.atime, at.btime]) this.#putTime(time, clock)
    this.noteModified()
  }

  get mode(): number {
    return this.words[at.mode]!
  }
  set mode(mode: number) {
    this.words[at.mode] = mode
  }
  get isDirectory(): boolean {
    return isDirectory(this.mode)
  }
  get links(): number {
    return this.words[at.links]!
  }
  set links(links: number) {
    this.words[at.links] = links
  }
  /** In bytes. */
  get size(): number {
    return this.words[at.size + 1]! * 2 ** 32 + this.words[at.size]!
  }
  set size(size: number) {
    this.words[at.size] = size % 2 ** 32
    this.words[at.size + 1] = Math.floor(size / 2 ** 32)
  }
  /** Of 4 KiB. */
  get blocks(): number {
    return this.words[at.blocks]!
  }
  set blocks(blocks: number) {
    this.words[at.blocks] = blocks
  }

  /** Of a new inode: takes the directory's group where its mode says so (inode(7)). */
  inheritGroup(directory: InodeAttributes): void {
    if ((directory.mode & S_ISGID) === 0) return
    this.words[at.gid] = directory.words[at.gid]!
    if (this.isDirectory) this.mode |= S_ISGID
  }

  /** Contents have changed. @param killPrivileges by a user who may not keep set-ID bits */
  noteModified(killPrivileges = false): void {
    if (killPrivileges) this.#killPrivileges()
    this.#putTime(at.mtime, this.#clock)
    this.noteChanged()
  }

  /** Attributes have changed. */
  noteChanged(): void {
    this.#putTime(at.ctime, this.#clock)
  }

  /** Makes a change, but for the size, of which it only notes the time. */
  change(change: AttributeChange): void {
    const { mask } = change
    if (mask & SET_MODE) this.mode = (this.mode & S_IFMT) | (change.mode & permissionBits)
    else if (mask & (SET_UID | SET_GID | KILL_PRIVILEGES)) this.#killPrivileges()
    if (mask & SET_UID) this.words[at.uid] = change.uid
    if (mask & SET_GID) this.words[at.gid] = change.gid
    if (mask & SET_SIZE) this.noteModified()
    else this.noteChanged()
    if (mask & SET_ATIME) this.#putTime(at.atime, { low: change.atimeLow, high: change.atimeHigh })
    if (mask & SET_MTIME) this.#putTime(at.mtime, { low: change.mtimeLow, high: change.mtimeHigh })
    if (mask & SET_CTIME) this.#putTime(at.ctime, { low: change.ctimeLow, high: change.ctimeHigh })
  }

  #killPrivileges(): void {
    if (!this.isDirectory) this.mode = withoutPrivileges(this.mode)
  }

  #putTime(field: number, { low, high }: Pick<Clock, 'low' | 'high'>): void {
    this.words[field] = low
    this.words[field + 1] = high
  }
}
