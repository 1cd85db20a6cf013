// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves ioctl(2). The kernel handles those that it knows of all file systems, and asks for flags and projects on their
 * behalf, having seen to it that the caller owns the file and has CAP_LINUX_IMMUTABLE where that is needed
 * (vfs_fileattr_set). All others come as they are, with as many bytes as their number says.
 */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import { inode, userFlags } from '../../layout/inode.js'
import { EINVAL, ENOTTY, EOPNOTSUPP, EPERM } from '../fs/errno.js'
import { mayAdminister } from './caller.js'
import type {
  Attributes,
  FileSystem,
  FreeSpaceTrim,
  InodeFlags,
  Named,
  Trimming,
  VolumeLabel,
} from './file-system.js'
import {
  FITRIM,
  FS_IOC32_GETVERSION,
  FS_IOC_FSGETXATTR,
  FS_IOC_FSSETXATTR,
  FSLABEL_MAX,
  FS_IOC_GETFLAGS,
  FS_IOC_GETFSLABEL,
  FS_IOC_GETVERSION,
  FS_IOC_SETFLAGS,
  FS_IOC_SETFSLABEL,
  asFl,
  asXflag,
  flagsFromCall,
  flagsToCall,
  fstrim_range,
  fsxattr,
  namedByFl,
  namedByXflag,
} from './ioctl-numbers.js'
import type { Message } from './message.js'
import type { KernelNotices } from './notices.js'
import * as fuse from './protocol.js'
import type { Replies } from './replies.js'
import { TrimCall } from './trim-call.js'

const resultWords = fuse.fuse_ioctl_out.lengthWords
const resultBytes = fuse.fuse_ioctl_out.lengthBytes

export class IoctlCalls {
  readonly #files: Attributes & Trimming & Named & Pick<FileSystem, 'turns'>
  readonly #message: Message
  readonly #replies: Replies
  readonly #notices: KernelNotices
  /** The answer of FS_IOC_GETFSLABEL. */
  readonly #labelWords = new Uint32Array(FSLABEL_MAX / 4)
  readonly #labelBytes = new Uint8Array(this.#labelWords.buffer)

  constructor(
    files: Attributes & Trimming & Named & Pick<FileSystem, 'turns'>,
    message: Message,
    replies: Replies,
    notices: KernelNotices,
  ) {
    this.#files = files
    this.#message = message
    this.#replies = replies
    this.#notices = notices
  }

  ioctl(): number {
    const { flags, label, trim } = this.#files
    switch (this.#message.argument(fuse.fuse_ioctl_in.word.cmd)) {
      case FS_IOC_GETFLAGS:
        return flags === null ? -ENOTTY : this.#getFlags()
      case FS_IOC_SETFLAGS:
        return flags === null ? -ENOTTY : this.#setFlags(flags)
      case FS_IOC_FSGETXATTR:
        return flags === null ? -ENOTTY : this.#getExtended()
      case FS_IOC_FSSETXATTR:
        return flags === null ? -ENOTTY : this.#setExtended(flags)
      case FS_IOC_GETVERSION:
      case FS_IOC32_GETVERSION:
        return this.#getVersion()
      case FS_IOC_GETFSLABEL:
        return label === null ? -ENOTTY : this.#getLabel(label)
      case FS_IOC_SETFSLABEL:
        return label === null ? -ENOTTY : this.#setLabel(label)
      case FITRIM:
        return trim === null ? -ENOTTY : this.#trim(trim)
      default:
        return -ENOTTY
    }
  }

  #getFlags(): number {
    const error = this.#loadAttributes()
    if (error !== 0) return error
    this.#begin()
    this.#message.put(resultWords, flagsToCall(this.#attribute(inode.word.flags) & userFlags, asFl))
    return this.#end(4)
  }

  /**
   * Four bytes, as on other file systems, though the number says that they are a long: lsattr(1) has room for no more.
   */
  #getVersion(): number {
    const error = this.#loadAttributes()
    if (error !== 0) return error
    this.#begin()
    this.#message.put(resultWords, this.#attribute(inode.word.generation))
    return this.#end(4)
  }

  #getLabel(label: VolumeLabel): number {
    const words = this.#labelWords
    words.fill(0)
    label.get(this.#labelBytes)
    this.#message.clear(resultWords)
    for (let word = 0; word < words.length; word++) this.#message.put(resultWords + word, words[word]!)
    return this.#end(FSLABEL_MAX)
  }

  /** As on ext4: permission is checked first, and bytes after the zero do not matter. */
  #setLabel(label: VolumeLabel): number {
    const { payload, payloadStart, payloadBytes, pid, uid } = this.#message
    if (payloadBytes < FSLABEL_MAX) return -EINVAL
    if (!mayAdminister(pid, uid)) return -EPERM
    const passed = payload.bytes.subarray(payloadStart, payloadStart + FSLABEL_MAX)
    const length = passed.indexOf(0)
    if (length < 0) return -EINVAL
    const error = label.set(passed.subarray(0, length))
    if (error !== 0) return error
    this.#begin()
    return this.#end(0)
  }

  #getExtended(): number {
    const error = this.#loadAttributes()
    if (error !== 0) return error
    this.#begin()
    const at = fsxattr.word
    this.#message.put(
      resultWords + at.fsx_xflags,
      flagsToCall(this.#attribute(inode.word.flags) & userFlags, asXflag),
    )
    this.#message.put(resultWords + at.fsx_projid, this.#attribute(inode.word.project))
    return this.#end(fsxattr.lengthBytes)
  }

  #setFlags(inodeFlags: InodeFlags): number {
    if (this.#message.payloadBytes < 4) return -EINVAL
    const flags = flagsFromCall(this.#input(0), asFl)
    if (flags < 0) return -EOPNOTSUPP
    return this.#changed(inodeFlags.set(this.#message.nodeid, namedByFl, flags))
  }

  /** Hints for the sizes of extents are not kept, as ext4 does not keep them. */
  #setExtended(inodeFlags: InodeFlags): number {
    if (this.#message.payloadBytes < fsxattr.lengthBytes) return -EINVAL
    const at = fsxattr.word
    const flags = flagsFromCall(this.#input(at.fsx_xflags), asXflag)
    if (flags < 0) return -EOPNOTSUPP
    const project = this.#input(at.fsx_projid)
    return this.#changed(inodeFlags.setWithProject(this.#message.nodeid, namedByXflag, flags, project))
  }

  /** The kernel goes on with the ctime that it knows, unless it is told to ask. */
  #changed(error: number): number {
    if (error !== 0) return error
    this.#notices.attributesChanged(this.#message.nodeid)
    this.#begin()
    return this.#end(0)
  }

  #trim(trim: FreeSpaceTrim): number {
    const message = this.#message
    if (message.payloadBytes < fstrim_range.lengthBytes) return -EINVAL
    if (!mayAdminister(message.pid, message.uid)) return -EPERM
    const at = fstrim_range.word
    const start = Math.floor(this.#wideInput(at.start) / blockBytes)
    const length = Math.floor(this.#wideInput(at.len) / blockBytes)
    const fewest = Math.max(1, Math.ceil(this.#wideInput(at.minlen) / blockBytes))
    const { turns } = this.#files
    const { blockCount } = trim
    if (length === 0 || start >= blockCount || fewest > blockCount) return -EINVAL
    const call = new TrimCall(trim, start, Math.min(start + length, blockCount), fewest)
    call.result = turns.run(call)
    return this.afterTrim(call)
  }

  /** Tells what was given back; a call that was put off has told nothing yet. */
  afterTrim({ range, start, result }: TrimCall): number {
    if (result < 0) return result
    const message = this.#message
    const at = fstrim_range.word
    this.#begin()
    message.put(resultWords + at.start, (start * blockBytes) | 0)
    message.put(resultWords + at.start + 1, Math.floor((start * blockBytes) / 2 ** 32))
    message.put(resultWords + at.len, range.trimmed << blockShift)
    message.put(resultWords + at.len + 1, range.trimmed >>> (32 - blockShift))
    message.put(resultWords + at.minlen, range.fewest << blockShift)
    message.put(resultWords + at.minlen + 1, range.fewest >>> (32 - blockShift))
    return this.#end(fstrim_range.lengthBytes)
  }

  #loadAttributes(): number {
    return this.#files.getattr(this.#message.nodeid, this.#replies.attributes)
  }

  #attribute(word: number): number {
    return this.#replies.attributes[word]! | 0
  }

  /** A word of what the caller has passed. */
  #input(word: number): number {
    return this.#message.payload.words[(this.#message.payloadStart >>> 2) + word]!
  }

  /** Eight bytes of it; not exact beyond 2⁵³, where there are no blocks. */
  #wideInput(word: number): number {
    return (this.#input(word) >>> 0) + (this.#input(word + 1) >>> 0) * 2 ** 32
  }

  /** Makes zeros of the reply, as large as it may become. All that the request says has been read. */
  #begin(): void {
    this.#message.clear(resultWords + fsxattr.lengthWords)
  }

  /** @param dataBytes what follows the result */
  #end(dataBytes: number): number {
    return resultBytes + dataBytes
  }
}
