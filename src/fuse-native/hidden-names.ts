// SPDX-License-Identifier: GPL-2.0-only
/**
 * The names that libfuse gives to files that are removed or replaced while they are open: `.fuse_hidden` and sixteen
 * hexadecimal digits, in the same directory (hide_node() of its fuse.c). It removes them once the files are closed.
 *
 * A rename onto an open file is two renames thus, of which the second one may fail. Between them, libfuse sends no
 * request for the path but those by which other programs look it up: so long as none has come, the hidden name may be
 * what the second rename is about to replace.
 */
import { posix } from 'node:path'

const pattern = /^\.fuse_hidden[\da-f]{16}$/

interface HiddenFile {
  /** What it was called. */
  readonly path: string
  /** Its next removal is libfuse's, and is not to happen. */
  readonly isKept: boolean
}

export class HiddenNames {
  /** By the paths that the files have now. */
  readonly #files = new Map<string, HiddenFile>()
  /** The hidden ones by what the files were called, of paths for which no request has come since. */
  readonly #takenFrom = new Map<string, string>()

  /** Whether libfuse may have renamed a file so. */
  static isHiding(from: string, to: string): boolean {
    return pattern.test(posix.basename(to)) && posix.dirname(from) === posix.dirname(to)
  }

  /** Those that are to go. */
  get all(): readonly string[] {
    return [...this.#files].filter(([, { isKept }]) => !isKept).map(([hidden]) => hidden)
  }

  /** The file has no other name, so libfuse is not to remove this one. */
  keep(path: string, hidden: string): void {
    this.#files.set(hidden, { path, isKept: true })
  }

  isToGo(path: string): boolean {
    return this.#files.get(path)?.isKept === false
  }

  isKept(path: string): boolean {
    return this.#files.get(path)?.isKept === true
  }

  /** A file has got a hidden name. */
  add(path: string, hidden: string): void {
    this.#files.set(hidden, { path, isKept: false })
    this.#takenFrom.set(path, hidden)
  }

  /** It is removed. */
  remove(hidden: string): void {
    const file = this.#files.get(hidden)
    this.#files.delete(hidden)
    if (file !== undefined && this.#takenFrom.get(file.path) === hidden) this.#takenFrom.delete(file.path)
  }

  /**
   * Something has been renamed, a directory perhaps. libfuse follows its files, and will remove them under their new
   * names. A program that renames a hidden file wants to have it, unless libfuse hides it for a second time.
   */
  move(from: string, to: string): void {
    for (const [path, file] of [...this.#files]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.remove(path)
      if (path !== from) this.#files.set(to + path.slice(from.length), file)
      else if (!HiddenNames.isHiding(from, to)) this.#files.set(to, { ...file, isKept: true })
    }
  }

  /** A request for a path has come. @returns what the file is called that it was taken from since the last one */
  take(path: string): string | undefined {
    const hidden = this.#takenFrom.get(path)
    this.#takenFrom.delete(path)
    return hidden
  }
}
