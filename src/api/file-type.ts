// SPDX-License-Identifier: GPL-2.0-only
/** Which of the seven types a file is of, asked as node:fs has it asked. */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../fs/mode.js'

export abstract class FileType {
  /** S_IF* */
  protected abstract get type(): number

  isFile(): boolean {
    return this.type === S_IFREG
  }
  isDirectory(): boolean {
    return this.type === S_IFDIR
  }
  isSymbolicLink(): boolean {
    return this.type === S_IFLNK
  }
  isBlockDevice(): boolean {
    return this.type === S_IFBLK
  }
  isCharacterDevice(): boolean {
    return this.type === S_IFCHR
  }
  isFIFO(): boolean {
    return this.type === S_IFIFO
  }
  isSocket(): boolean {
    return this.type === S_IFSOCK
  }
}
