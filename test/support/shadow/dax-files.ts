// SPDX-License-Identifier: GPL-2.0-only
/**
 * Lets files of this process stand for files on a DAX mount, which grants MAP_SYNC. Import it before anything that
 * loads the native helper. What becomes durable of such a file is carried to a second one: a flushed line if its
 * window was mapped with MAP_SYNC. Without it only fdatasync(2) counts, because the file system may not have stored
 * yet where the blocks of the file lie (mmap(2)).
 */
import { MAP_SYNC, PERSIST_CACHE_LINES, PERSIST_PAGES, carryWindows } from './carried-windows.js'
import { closeSync, fstatSync, openSync, statSync } from 'node:fs'

/** Descriptors of the files that get what is durable, by device and inode of the ones on DAX. */
const copies = new Map<string, number>()

const keyOf = ({ dev, ino }: { readonly dev: number; readonly ino: number }): string => `${dev} ${ino}`

/**
 * From now on, `path` is a file on DAX.
 * @param copy a file of the same size and contents
 * @returns ends that: once it is removed, another file may get its number
 */
export function putOnDax(path: string, copy: string): () => void {
  const key = keyOf(statSync(path))
  const fd = openSync(copy, 'r+')
  copies.set(key, fd)
  return () => {
    copies.delete(key)
    closeSync(fd)
  }
}

function copyOf(fd: number): number | undefined {
  return copies.get(keyOf(fstatSync(fd)))
}

carryWindows({
  copyOf,
  howOf: (flags) => ((flags & MAP_SYNC) === 0 ? PERSIST_PAGES : PERSIST_CACHE_LINES),
  keptBack: MAP_SYNC,
})
