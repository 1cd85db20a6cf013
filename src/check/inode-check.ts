// SPDX-License-Identifier: GPL-2.0-only
/** Checks one inode in use: its fields, each by itself and against its type, and all blocks that it holds. */
import { blockBytes, largestFileBlocks } from '../../layout/geometry.js'
import {
  flagCapability,
  flagInlineData,
  flagOrphan,
  flagPreallocated,
  inlineBytes,
  inode as layout,
  rootInode,
  userFlags,
} from '../../layout/inode.js'
import { decodeNanoseconds } from '../../layout/time.js'
import { counted } from '../fs/counted.js'
import { Inode } from '../fs/inode.js'
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../fs/mode.js'
import { longestTargetBytes } from '../fs/symlink.js'
import { flagsOfType } from '../fs/user-flags.js'
import type { BlockTree } from './block-tree.js'
import { type Claims, ownerName } from './claims.js'
import type { DirectoryCheck } from './directory-check.js'
import { type InodeFacts, wordOfInode } from './inode-facts.js'
import { octal, sizeOf } from './inode-fields.js'
import type { ProblemKind, Report } from './report.js'
import type { VolumeView } from './volume-view.js'
import { XattrCheck } from './xattr-check.js'

const at = layout.word
const timeFields = { atime: at.atime, mtime: at.mtime, ctime: at.ctime, btime: at.btime }
const knownFlags = flagInlineData | flagOrphan | flagCapability | flagPreallocated | userFlags
const mostBytes = largestFileBlocks * blockBytes

/** How many inodes of which type there are. */
export interface InodeCounts {
  files: number
  directories: number
  symbolicLinks: number
  /** Fifos, sockets and devices. */
  specialFiles: number
}

export class InodeCheck {
  readonly counts: InodeCounts = { files: 0, directories: 0, symbolicLinks: 0, specialFiles: 0 }
  readonly #view: VolumeView
  readonly #claims: Claims
  readonly #tree: BlockTree
  readonly #directories: DirectoryCheck
  readonly #facts: InodeFacts
  readonly #report: Report
  readonly #xattrs: XattrCheck
  readonly #inode: Inode

  constructor(
    view: VolumeView,
    claims: Claims,
    tree: BlockTree,
    directories: DirectoryCheck,
    facts: InodeFacts,
    report: Report,
  ) {
    this.#view = view
    this.#claims = claims
    this.#tree = tree
    this.#directories = directories
    this.#facts = facts
    this.#report = report
    this.#xattrs = new XattrCheck(view, claims, report)
    this.#inode = new Inode(view.medium)
  }

  /** Checks an inode in use that the table has. */
  check(number: number): void {
    const inode = this.#inode
    inode.point(number, this.#facts.blockOf(number), wordOfInode(number))
    this.#checkTimes(inode)
    const unknown = inode.flags & ~knownFlags
    if (unknown !== 0) this.#tell('inode-flags', `unknown flags 0x${(unknown >>> 0).toString(16)}`)
    const unfit = inode.mode >>> 16 === 0 ? inode.flags & userFlags & ~flagsOfType(inode.mode) : 0
    if (unfit !== 0) this.#tell('inode-flags', `flags 0x${unfit.toString(16)} that its type cannot have`)
    if (inode.flags & flagInlineData && (inode.mode & S_IFMT) !== S_IFLNK) {
      this.#tell('inode-flags', 'flag for inline data stands, but it is no symbolic link')
    }
    if (inode.flags & flagPreallocated && (inode.mode & S_IFMT) !== S_IFREG) {
      this.#tell('inode-flags', 'flag for preallocated blocks stands, but it is no regular file')
    }
    if (number === rootInode && (inode.mode & S_IFMT) !== S_IFDIR) {
      this.#tell('inode-mode', `mode is ${octal(inode.mode)}, but the root must be a directory`)
    }
    const { unread } = this.#claims
    const held = this.#checkContents(inode) + this.#xattrs.check(inode)
    // A bad block is reported by itself.
    if (held !== inode.blocks && this.#claims.unread === unread)
      this.#tell('block-count', `block count is ${inode.blocks}, should be ${held}`)
  }

  /** @returns blocks of the contents */
  #checkContents(inode: Inode): number {
    const type = inode.mode >>> 16 === 0 ? inode.mode & S_IFMT : -1
    switch (type) {
      case S_IFREG:
        this.counts.files++
        return this.#checkFile(inode)
      case S_IFDIR:
        this.counts.directories++
        return this.#directories.check(inode)
      case S_IFLNK:
        this.counts.symbolicLinks++
        return this.#checkSymbolicLink(inode)
      case S_IFIFO:
      case S_IFSOCK:
      case S_IFCHR:
      case S_IFBLK:
        this.counts.specialFiles++
        return this.#checkSpecial(inode)
      default:
        this.#tell('inode-mode', `mode is ${octal(inode.mode)}, which is no type of file`)
        return this.#claimMap(inode)
    }
  }

  #checkFile(inode: Inode): number {
    if (sizeOf(inode) > mostBytes) {
      this.#tell('inode-size', `size is ${sizeOf(inode)}, should be ${mostBytes} at most`)
      return this.#claimMap(inode)
    }
    const end = Math.ceil(sizeOf(inode) / blockBytes)
    const isPreallocated = (inode.flags & flagPreallocated) !== 0
    let beyond = 0
    this.#tree.walk(inode.number, inode.root, inode.height, (index, _block, isUnwritten) => {
      if (index >= end && !(isPreallocated && isUnwritten)) beyond++
    })
    const held = this.#tree.claimed
    if (beyond > 0 && (isPreallocated || (inode.flags & flagOrphan) === 0)) {
      const which = isPreallocated ? 'written blocks' : 'blocks'
      this.#tell('block-beyond-size', `${which} beyond its size of ${sizeOf(inode)} bytes: ${beyond}`)
    }
    return held
  }

  #checkSymbolicLink(inode: Inode): number {
    const size = sizeOf(inode)
    const inline = (inode.flags & flagInlineData) !== 0
    const most = inline ? inlineBytes : longestTargetBytes
    if (size < 1 || size > most) {
      this.#tell(
        'symlink',
        `size is ${size}, should be 1 to ${most} for ${inline ? 'an inline' : 'a'} target`,
      )
    }
    if (inode.height !== 0) this.#tell('symlink', `height of its block map is ${inode.height}, should be 0`)
    if (inline && inode.root !== 0)
      this.#tell('symlink', `its target is inline, but it has block ${inode.root}`)
    if (!inline && inode.root === 0) this.#tell('symlink', 'its target is not inline, but it has no block')
    const isHeld = inode.root !== 0 && this.#claims.take(inode.root, inode.number, 'target')
    if (size <= most && (inline || isHeld)) this.#checkTarget(inode, inline, size)
    return isHeld ? 1 : 0
  }

  #checkTarget(inode: Inode, inline: boolean, length: number): void {
    const { medium } = this.#view
    const block = inline ? inode.block : inode.root
    const start = medium.byteOf(block) + (inline ? (inode.word + at.inline) * 4 : 0)
    const end = medium
      .bytesOf(block)
      .subarray(start, start + length)
      .indexOf(0)
    if (end >= 0) this.#tell('symlink', `its target of ${counted(length, 'byte')} has a NUL at byte ${end}`)
  }

  #checkSpecial(inode: Inode): number {
    if (sizeOf(inode) !== 0)
      this.#tell('inode-size', `size is ${sizeOf(inode)}, should be 0 for a special file`)
    if (inode.root !== 0) this.#tell('block-map', `it is a special file, but has block ${inode.root}`)
    return this.#claimMap(inode)
  }

  #checkTimes(inode: Inode): void {
    for (const [name, field] of Object.entries(timeFields)) {
      const nanoseconds = decodeNanoseconds(inode.get(field + 1))
      if (nanoseconds >= 1e9) {
        this.#tell('inode-time', `nanoseconds of ${name} are ${nanoseconds}, should be below 1000000000`)
      }
    }
  }

  #claimMap(inode: Inode): number {
    this.#tree.walk(inode.number, inode.root, inode.height, () => undefined)
    return this.#tree.claimed
  }

  #tell(kind: ProblemKind, message: string): void {
    this.#report.problem(kind, `${ownerName(this.#inode.number)}: ${message}`)
  }
}
