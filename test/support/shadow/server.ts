// SPDX-License-Identifier: GPL-2.0-only
/**
 * Node loads this file into a server before anything else. What becomes durable of the device $PMFS2_SHADOWED goes to
 * the file $PMFS2_SHADOW as well, which began as a copy of it: whenever the server is killed, the file holds what a
 * loss of power would have left at least.
 */
import { putInPlace, shadow } from './native.js'
import { fstatSync, openSync, statSync } from 'node:fs'
import type { Mapping } from '../../../src/native/index.js'

/** As in src/native/index.ts, which must not be loaded before the shadow is in place. */
const MAP_READ_ONLY = 1
const MAP_COPY_ON_WRITE = 2

const { PMFS2_SHADOWED: device, PMFS2_SHADOW: file, PMFS2_SHADOW_HOW: how } = process.env
const { dev, ino } = statSync(device!)
const copy = openSync(file!, 'r+')

function isShadowed(fd: number): boolean {
  const stats = fstatSync(fd)
  return stats.dev === dev && stats.ino === ino
}

function carry(mapping: number, fd: number, offsetBytes: number, flags: number): void {
  if (mapping < 0 || (flags & (MAP_READ_ONLY | MAP_COPY_ON_WRITE)) !== 0 || !isShadowed(fd)) return
  if (shadow.carry(mapping as Mapping, copy, offsetBytes, Number(how)) < 0)
    throw new Error('the shadow does not take the device')
}

putInPlace({
  ...shadow,
  map(fd, offsetBytes, lengthBytes, flags) {
    const mapping = shadow.map(fd, offsetBytes, lengthBytes, flags)
    carry(mapping, fd, offsetBytes, flags)
    return mapping
  },
  /** The window of a small device, which begins with it. */
  adopt(memory, fd, flags) {
    const mapping = shadow.adopt(memory, fd, flags)
    carry(mapping, fd, 0, flags)
    return mapping
  },
  remap(mapping, fd, offsetBytes, flags) {
    shadow.forget(mapping)
    const error = shadow.remap(mapping, fd, offsetBytes, flags)
    if (error === 0) carry(mapping, fd, offsetBytes, flags)
    return error
  },
  unmap(mapping, view) {
    shadow.forget(mapping)
    return shadow.unmap(mapping, view)
  },
  punchHole(fd, offsetBytes, lengthBytes) {
    if (isShadowed(fd)) shadow.punchHole(copy, offsetBytes, lengthBytes)
    return shadow.punchHole(fd, offsetBytes, lengthBytes)
  },
})
