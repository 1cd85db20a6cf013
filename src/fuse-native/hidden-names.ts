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
  /** Whose next removal is not to happen. */
  readonly #kept = new Set<string>()

  /** Whether libfuse may have renamed a file so. */
  static isHiding(from: string, to: string): boolean {
    return pattern.test(posix.basename(to)) && posix.dirname(from) === posix.dirname(to)
  }

  get all(): readonly string[] {
    return [...this.#hidden.keys()]
  }

  /** The next removal of this name is libfuse's, and is not to happen: the file has no other. */
  keep(hidden: string): void {
    this.#kept.add(hidden)
  }

  isKept(hidden: string): boolean {
    return this.#kept.has(hidden)
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

  /** Something has been renamed, a directory perhaps. */
  move(from: string, to: string): void {
    for (const [hidden, path] of this.#hidden) {
      if (!hidden.startsWith(`${from}/`)) continue
      this.remove(hidden)
      this.#hidden.set(to + hidden.slice(from.length), path)
    }
  }

  /** A request for a path has come. @returns what the file is called that it was taken from since the last one */
  take(path: string): string | undefined {
    const hidden = this.#takenFrom.get(path)
    this.#takenFrom.delete(path)
    return hidden
  }
}
