// SPDX-License-Identifier: GPL-2.0-only
/**
 * Puts a helper in place that carries what becomes durable of some files to copies of them. Invariant: each native call
 * that maps a file is overridden here, so that no window is left out.
 */
import { putInPlace, shadow } from './native.js'
import type { Mapping, Native } from '../../../src/native/index.js'

/** As in src/native/index.ts, which must not be loaded before the shadow is in place. */
const MAP_READ_ONLY = 1
const MAP_COPY_ON_WRITE = 2
export const MAP_SYNC = 4
export const PERSIST_CACHE_LINES = 0
export const PERSIST_PAGES = 16

export interface CarriedFiles {
  /** The descriptor of the file to carry to, if there is one for the file that is open as `fd`. */
  copyOf(fd: number): number | undefined
  /** PERSIST_CACHE_LINES or PERSIST_PAGES: what the memory of a window that is mapped with these flags is. */
  howOf(flags: number): number
  /** Flags that the kernel would refuse, which windows of these files are mapped without. */
  readonly keptBack: number
}

/** @param others calls to be put in the place of the shadow's, as well */
export function carryWindows(files: CarriedFiles, others: Partial<Native> = {}): void {
  /** Maps as `map` does with the flags that it is given, and carries from then on. @returns what `map` does */
  const mapped = (
    fd: number,
    offsetBytes: number,
    flags: number,
    map: (flags: number) => number,
    mappingOf = (result: number) => result,
  ): number => {
    const copy = files.copyOf(fd)
    if (copy === undefined) return map(flags)
    const result = map(flags & ~files.keptBack)
    if (result >= 0 && (flags & (MAP_READ_ONLY | MAP_COPY_ON_WRITE)) === 0)
      carry(mappingOf(result), copy, offsetBytes, files.howOf(flags))
    return result
  }
  putInPlace({
    ...shadow,
    map: (fd, offsetBytes, lengthBytes, flags) =>
      mapped(fd, offsetBytes, flags, (given) => shadow.map(fd, offsetBytes, lengthBytes, given)),
    mapOver: (memory, fd, offsetBytes, flags) =>
      mapped(fd, offsetBytes, flags, (given) => shadow.mapOver(memory, fd, offsetBytes, given)),
    adopt: (memory, fd, offsetBytes, flags) =>
      mapped(fd, offsetBytes, flags, (given) => shadow.adopt(memory, fd, offsetBytes, given)),
    remap(mapping, fd, offsetBytes, flags) {
      shadow.forget(mapping)
      const map = (given: number) => shadow.remap(mapping, fd, offsetBytes, given)
      return mapped(fd, offsetBytes, flags, map, () => mapping)
    },
    unmap(mapping, view) {
      shadow.forget(mapping)
      return shadow.unmap(mapping, view)
    },
    ...others,
  })
}

function carry(mapping: number, copy: number, offsetBytes: number, how: number): void {
  if (shadow.carry(mapping as Mapping, copy, offsetBytes, how) < 0)
    throw new Error('the shadow does not take the window')
}
