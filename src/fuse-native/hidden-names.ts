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

export class HiddenNames {
  /** Paths, and what the files are called that they were taken from. */
  readonly #hidden = new Map<string, string>()
  /** The other way round, of paths for which no request has come since. */
  readonly #takenFrom = new Map<string, string>()
  /** Paths whose next removal is libfuse's, and is not to happen. */
  readonly #kept = new Set<string>()

  /** Whether libfuse may have renamed a file so. */
  static isHiding(from: string, to: string): boolean {
    return pattern.test(posix.basename(to)) && posix.dirname(from) === posix.dirname(to)
  }

  get all(): readonly string[] {
    return [...this.#hidden.keys()].filter((hidden) => !this.#kept.has(hidden))
  }

  /** The file has no other name, so libfuse is not to remove this one. */
  keep(path: string): void {
    this.#kept.add(path)
  }

  isKept(path: string): boolean {
    return this.#kept.has(path)
  }

  /** A file has got a hidden name. */
  add(path: string, hidden: string): void {
    this.#hidden.set(hidden, path)
    this.#takenFrom.set(path, hidden)
  }

  /** It is removed. */
  remove(hidden: string): void {
    const path = this.#hidden.get(hidden)
    this.#hidden.delete(hidden)
    this.#kept.delete(hidden)
    if (path !== undefined && this.#takenFrom.get(path) === hidden) this.#takenFrom.delete(path)
  }

  /**
   * Something has been renamed, a directory perhaps. libfuse follows its files, and will remove them under their new
   * names. A program that renames a hidden file wants to have it, unless libfuse hides it for a second time.
   */
  move(from: string, to: string): void {
    const paths = new Set([...this.#hidden.keys(), ...this.#kept])
    for (const path of paths) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      const isKept = path === from ? !HiddenNames.isHiding(from, to) : this.#kept.has(path)
      const takenFrom = this.#hidden.get(path)
      this.remove(path)
      const moved = to + path.slice(from.length)
      if (isKept) this.#kept.add(moved)
      if (path !== from && takenFrom !== undefined) this.#hidden.set(moved, takenFrom)
    }
  }

  /** A request for a path has come. @returns what the file is called that it was taken from since the last one */
  take(path: string): string | undefined {
    const hidden = this.#takenFrom.get(path)
    this.#takenFrom.delete(path)
    return hidden
  }
}
