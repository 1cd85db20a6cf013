// SPDX-License-Identifier: GPL-2.0-only
/** An entry of a directory with its type, as readdir gives it with `withFileTypes`. */
import { FileType } from './file-type.js'

export class DirectoryEntry<Name extends string | Buffer = string> extends FileType {
  readonly name: Name
  /** The directory that holds it, as the path that it was reached by. */
  readonly parentPath: string
  readonly #type: number

  /** @param type S_IF* */
  constructor(name: Name, parentPath: string, type: number) {
    super()
    this.name = name
    this.parentPath = parentPath
    this.#type = type
  }

  /** The same as {@link parentPath}, by the name that node:fs had for it first. */
  get path(): string {
    return this.parentPath
  }

  protected override get type(): number {
    return this.#type
  }
}
