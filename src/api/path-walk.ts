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

/** Where a path leads: the directory and the name in it, and the inode there (a negative errno where there is none). */
export interface Place {
  readonly parent: number
  readonly name: Name
  readonly inode: number
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

  /** @returns where the path leads, or a negative errno where one of its directories is missing */
  resolve(path: string, followLast: boolean): Place | number {
    const names = path.split('/').filter((part) => part !== '' && part !== '.')
    const parents = [rootInode]
    let last: Place = { parent: rootInode, name: nameOf('.'), inode: rootInode }
    for (let links = 0; names.length > 0;) {
      const part = names.shift()!
      if (part === '..') {
        if (parents.length > 1) parents.pop()
        last = { parent: parents.at(-2) ?? rootInode, name: nameOf('.'), inode: parents.at(-1)! }
        continue
      }
      const parent = parents.at(-1)!
      const inode = this.#lookup(parent, part)
      const stats = inode > 0 ? this.stat(inode, path) : null
      if (stats?.isSymbolicLink() === true && (names.length > 0 || followLast)) {
        if (++links > mostLinks) return -ELOOP
        const target = this.readlink(inode, path)
        if (target.startsWith('/')) parents.length = 1
        names.unshift(...target.split('/').filter((piece) => piece !== '' && piece !== '.'))
        continue
      }
      last = { parent, name: nameOf(part), inode }
      if (names.length > 0) {
        if (stats === null) return inode === 0 ? -ENOENT : inode
        if (!stats.isDirectory()) return -ENOTDIR
      }
      parents.push(inode)
    }
    return last
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
    return new TextDecoder().decode(target.bytes.subarray(0, length))
  }

  /** The engine hands out a reference; calls here do not overlap, so it need not be kept. */
  #lookup(parent: number, part: string): number {
    const inode = this.#engine.lookup(parent, nameOf(part))
    if (inode > 0) this.#engine.forget(inode, 1)
    return inode
  }
}

export function nameOf(text: string): Name {
  const bytes = new TextEncoder().encode(text)
  return new Name().set(bytes, 0, bytes.length)
}
