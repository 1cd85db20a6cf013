// SPDX-License-Identifier: GPL-2.0-only
/** From paths to inode numbers: component by component, through symbolic links (path_resolution(7)). */
import { rootInode } from '../../layout/inode.js'
import { blockBytes } from '../../layout/geometry.js'
import type { Engine } from '../fs/engine.js'
import { attributeWords } from '../fs/engine.js'
import { ELOOP, ENOENT, ENOTDIR } from '../fs/errno.js'
import type { ExtentSink } from '../fs/extent.js'
import { Name } from '../fs/name.js'
import type { MappedMedium } from '../pmem/mapped-medium.js'
import { apiError } from './api-error.js'
import { VolumeStats } from './volume-stats.js'

const mostLinks = 40

/** A byte order mark is part of the text, as it is to node:fs. */
export const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

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

/** Copies what the engine tells it into one buffer. */
export class Collector implements ExtentSink {
  readonly bytes: Uint8Array
  length = 0
  readonly #medium: MappedMedium

  constructor(medium: MappedMedium, capacityBytes: number) {
    this.#medium = medium
    this.bytes = new Uint8Array(capacityBytes)
  }

  data(block: number, offset: number, length: number): void {
    for (let done = 0; done < length;) {
      const at = block + Math.floor((offset + done) / blockBytes)
      const within = (offset + done) % blockBytes
      const part = Math.min(length - done, blockBytes - within)
      const start = this.#medium.byteOf(at) + within
      this.bytes.set(this.#medium.bytesOf(at).subarray(start, start + part), this.length)
      this.length += part
      done += part
    }
  }

  hole(length: number): void {
    this.length += length
  }
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
  find(path: string, followLast: boolean): number {
    const place = this.resolve(path, followLast || path.endsWith('/'))
    if (typeof place === 'number') return place
    return this.isNoDirectory(place, path) ? -ENOTDIR : place.inode
  }

  /** Whether a slash follows the name of what is there, and is no directory. */
  isNoDirectory(place: Place, path: string): boolean {
    return place.isSlashed && place.inode > 0 && !this.stat(place.inode, path).isDirectory()
  }

  /** @returns where the path leads, or a negative errno where one of its directories is missing */
  resolve(path: string, followLast: boolean): Place | number {
    if (path === '') return -ENOENT
    const names = partsOf(path)
    const parents = [rootInode]
    let isSlashed = path.endsWith('/')
    let last: End = specialEnd('/', parents)
    for (let links = 0; names.length > 0;) {
      const part = names.shift()!
      if (part === '.' || part === '..') {
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
  stat(inode: number, path: string): VolumeStats {
    const error = this.#engine.getattr(inode, this.#words)
    if (error !== 0) throw apiError(error, 'stat', path)
    return new VolumeStats(inode, this.#words)
  }

  readlink(inode: number, path: string): string {
    const target = new Collector(this.#medium, blockBytes)
    const length = this.#engine.readlink(inode, target)
    if (length < 0) throw apiError(length, 'readlink', path)
    return decoder.decode(target.bytes.subarray(0, length))
  }

  /** The engine hands out a reference; calls here do not overlap, so it need not be kept. */
  #lookup(parent: number, part: string): number {
    const inode = this.#engine.lookup(parent, nameOf(part))
    if (inode > 0) this.#engine.forget(inode, 1)
    return inode
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

/** The last of these directories, each within the one before it. */
function specialEnd(special: SpecialEnd, parents: readonly number[]): End {
  return { parent: parents.at(-2) ?? rootInode, name: nameOf(special), inode: parents.at(-1)!, special }
}

export function nameOf(text: string): Name {
  const bytes = new TextEncoder().encode(text)
  return new Name().set(bytes, 0, bytes.length)
}
