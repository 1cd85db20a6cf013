// SPDX-License-Identifier: GPL-2.0-only
/**
 * Lets files of this process stand for files on a DAX mount, which grants MAP_SYNC. Import it before anything that
 * loads the native helper. What becomes durable of such a file is carried to a second one: a flushed line if its
 * window was mapped with MAP_SYNC. Without it only fdatasync(2) counts, because the file system may not have stored
 * yet where the blocks of the file lie (mmap(2)).
 */
import { putInPlace, shadow } from './native.js'
import { fstatSync, openSync, statSync } from 'node:fs'
import type { Mapping } from '../../../src/native/index.js'

/** As in src/native/index.ts, which must not be loaded before the shadow is in place. */
const MAP_READ_ONLY = 1
const MAP_COPY_ON_WRITE = 2
const MAP_SYNC = 4
const PERSIST_CACHE_LINES = 0
const PERSIST_PAGES = 16

/** Descriptors of the files that get what is durable, by device and inode of the ones on DAX. */
const copies = new Map<string, number>()

const keyOf = ({ dev, ino }: { readonly dev: number; readonly ino: number }): string => `${dev} ${ino}`

/** From now on, `path` is a file on DAX. @param copy a file of the same size and contents */
export function putOnDax(path: string, copy: string): void {
  copies.set(keyOf(statSync(path)), openSync(copy, 'r+'))
}

function copyOf(fd: number): number | undefined {
  return copies.get(keyOf(fstatSync(fd)))
}

function carry(mapping: number, copy: number, offsetBytes: number, flags: number): void {
  if (mapping < 0 || (flags & (MAP_READ_ONLY | MAP_COPY_ON_WRITE)) !== 0) return
  const how = (flags & MAP_SYNC) === 0 ? PERSIST_PAGES : PERSIST_CACHE_LINES
  if (shadow.carry(mapping as Mapping, copy, offsetBytes, how) < 0)
    throw new Error('the shadow does not take the window')
}

putInPlace({
  ...shadow,
  map(fd, offsetBytes, lengthBytes, flags) {
    const copy = copyOf(fd)
    if (copy === undefined) return shadow.map(fd, offsetBytes, lengthBytes, flags)
    const mapping = shadow.map(fd, offsetBytes, lengthBytes, flags & ~MAP_SYNC)
    carry(mapping, copy, offsetBytes, flags)
    return mapping
  },
  mapOver(memory, fd, offsetBytes, flags) {
    const copy = copyOf(fd)
    if (copy === undefined) return shadow.mapOver(memory, fd, offsetBytes, flags)
    const mapping = shadow.mapOver(memory, fd, offsetBytes, flags & ~MAP_SYNC)
    carry(mapping, copy, offsetBytes, flags)
    return mapping
  },
  remap(mapping, fd, offsetBytes, flags) {
    const copy = copyOf(fd)
    if (copy === undefined) return shadow.remap(mapping, fd, offsetBytes, flags)
    shadow.forget(mapping)
    const error = shadow.remap(mapping, fd, offsetBytes, flags & ~MAP_SYNC)
    if (error === 0) carry(mapping, copy, offsetBytes, flags)
    return error
  },
  unmap(mapping, view) {
    shadow.forget(mapping)
    return shadow.unmap(mapping, view)
  },
})
