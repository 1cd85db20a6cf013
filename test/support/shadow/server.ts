// SPDX-License-Identifier: GPL-2.0-only
/**
 * Node loads this file into a server before anything else. What becomes durable of the devices $PMFS2_SHADOWED goes to
 * the files $PMFS2_SHADOW as well, which began as copies of them: whenever the server is killed, the files hold what a
 * loss of power would have left at least. Both are lists of paths with a colon between two.
 */
import { putInPlace, shadow } from './native.js'
import { fstatSync, openSync, statSync } from 'node:fs'
import type { Mapping } from '../../../src/native/index.js'

/** As in src/native/index.ts, which must not be loaded before the shadow is in place. */
const MAP_READ_ONLY = 1
const MAP_COPY_ON_WRITE = 2

const { PMFS2_SHADOWED: devices = '', PMFS2_SHADOW: files = '', PMFS2_SHADOW_HOW: how } = process.env
const copies = files.split(':').map((file) => openSync(file, 'r+'))
const shadowed = devices.split(':').map((device) => statSync(device))

/** The descriptor of the file to carry to, if the device is one of those. */
function copyOf(fd: number): number | undefined {
  const { dev, ino } = fstatSync(fd)
  return copies[shadowed.findIndex((stats) => stats.dev === dev && stats.ino === ino)]
}

function carry(mapping: number, fd: number, offsetBytes: number, flags: number): void {
  if (mapping < 0 || (flags & (MAP_READ_ONLY | MAP_COPY_ON_WRITE)) !== 0) return
  const copy = copyOf(fd)
  if (copy === undefined) return
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
  mapOver(memory, fd, offsetBytes, flags) {
    const mapping = shadow.mapOver(memory, fd, offsetBytes, flags)
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
    const copy = copyOf(fd)
    if (copy !== undefined) shadow.punchHole(copy, offsetBytes, lengthBytes)
    return shadow.punchHole(fd, offsetBytes, lengthBytes)
  },
})
