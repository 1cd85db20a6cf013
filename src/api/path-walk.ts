// SPDX-License-Identifier: GPL-2.0-only
/** From paths to inode numbers: component by component, through symbolic links (path_resolution(7)). */
import { rootInode } from '../../layout/inode.js'
import { blockBytes } from '../../layout/geometry.js'
import type { Engine } from '../fs/engine.js'
import { attributeWords } from '../fs/attributes.js'
import { ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from '../fs/errno.js'
import { Name } from '../fs/name.js'
import type { MappedMedium } from '../pmem/mapped-medium.js'
import { apiError, check } from './api-error.js'
import { type BytePath, asBytePath, bytesOf, fromBytes } from './byte-path.js'
import { Collector } from './collector.js'
import { VolumeStats } from './volume-stats.js'

const mostLinks = 40
/** PATH_MAX without its NUL. */
const longestPathBytes = 4095

/** What a path ends in where that is no name: nothing can be made there, or taken away. */
type SpecialEnd = '/' | '.' | '..'

interface End {
  readonly parent: number
  readonly name: Name
  readonly inode: number
  /** null for a name. */
  readonly special: SpecialEnd | null
}

/** Where a path leads: the directory and the name in it, and the inode there (a negative errno where there is none). */
export interface Place extends End {
  /** Whether a slash follows the name, which is meant for a directory then. */
  readonly isSlashed: boolean
}

export class PathWalk {
  readonly #engine: Engine
  readonly #medium: MappedMedium
  readonly #words = new Uint32Array(attributeWords)

  constructor(engine: Engine, medium: MappedMedium) {
    this.#engine = engine
    this.#medium = medium
  }

  /**
   * Finds what is there: a slash at the end leads through a link, and to a directory only.
   * @returns the inode, or a negative errno
   */
  find(path: BytePath, followLast: boolean): number {
    const place = this.resolve(path, followLast || path.endsWith('/'))
    if (typeof place === 'number') return place
    return this.isNoDirectory(place, path) ? -ENOTDIR : place.inode
  }

  /** Whether a slash follows the name of what is there, and is no directory. */
  isNoDirectory(place: Place, path: BytePath): boolean {
    return place.isSlashed && place.inode > 0 && !this.stat(place.inode, path).isDirectory()
  }

  /** @returns where the path leads, or a negative errno where one of its directories is missing */
  resolve(path: BytePath, followLast: boolean): Place | number {
    if (path.length === 0) return -ENOENT
    if (path.length > longestPathBytes) return -ENAMETOOLONG
    const names = partsOf(path)
    const parents = [rootInode]
    let isSlashed = path.endsWith('/')
    let last: End = specialEnd('/', parents)
    for (let links = 0; names.length > 0;) {
      const part = names.shift()!
      if (isDots(part)) {
        if (part === '..' && parents.length > 1) parents.pop()
        last = specialEnd(part, parents)
        continue
      }
      const parent = parents.at(-1)!
      const inode = this.#lookup(parent, part)
      const stats = inode > 0 ? this.stat(inode, path) : null
      if (stats?.isSymbolicLink() === true && (names.length > 0 || followLast)) {
        if (++links > mostLinks) return -ELOOP
        const target = this.readlink(inode, path)
        if (names.length === 0 && target.endsWith('/')) isSlashed = true
        if (target.startsWith('/')) {
          parents.length = 1
          last = specialEnd('/', parents)
        }
        names.unshift(...partsOf(target))
        continue
      }
      last = { parent, name: nameOf(part), inode, special: null }
      if (names.length > 0) {
        if (stats === null) return inode === 0 ? -ENOENT : inode
        if (!stats.isDirectory()) return -ENOTDIR
      }
      parents.push(inode)
    }
    return { ...last, isSlashed }
  }

  /** @param path for the error, which a damaged volume may give */
  stat(inode: number, path: BytePath): VolumeStats {
    return new VolumeStats(inode, this.attributes(inode, 'stat', path))
  }

  /** @returns the words of an inode, which hold until the next call */
  attributes(inode: number, syscall: string, path?: BytePath): Uint32Array {
    check(this.#engine.getattr(inode, this.#words), syscall, path)
    return this.#words
  }

  readlink(inode: number, path: BytePath): BytePath {
    const target = new Uint8Array(blockBytes)
    const length = this.#engine.readlink(inode, new Collector(this.#medium, target))
    if (length < 0) throw apiError(length, 'readlink', path)
    return fromBytes(target.subarray(0, length))
  }

  /** The engine hands out a reference; calls here do not overlap, so it need not be kept. */
  #lookup(parent: number, part: BytePath): number {
    const inode = this.#engine.lookup(parent, nameOf(part))
    if (inode > 0) this.#engine.forget(inode, 1)
    return inode
  }
}

function isDots(part: string): part is '.' | '..' {
  return part === '.' || part === '..'
}

function partsOf(path: BytePath): BytePath[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map(asBytePath)
}

/** The last of these directories, each within the one before it. */
function specialEnd(special: SpecialEnd, parents: readonly number[]): End {
  const name = nameOf(asBytePath(special))
  return { parent: parents.at(-2) ?? rootInode, name, inode: parents.at(-1)!, special }
}

export function nameOf(text: BytePath): Name {
  const bytes = bytesOf(text)
  return new Name().set(bytes, 0, bytes.length)
}
