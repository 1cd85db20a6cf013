// SPDX-License-Identifier: GPL-2.0-only
/**
 * A medium of which only a few blocks are to be touched: the superblocks, or what mkfs writes. To look at all windows
 * of 1 TiB takes seconds, since each ArrayBuffer of a window makes the collector work. Invariant: nothing is
 * stored to a window without any of these blocks, and touching one is an exception (but for store64, which is dropped).
 */
import { closeSync } from 'node:fs'
import { windowShift } from '../../layout/geometry.js'
import { MAP_READ_ONLY, type Mapping, native } from '../native/index.js'
import type { Device, WindowMode } from '../pmem/device.js'
import { mapDevices, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import { PmemError } from '../pmem/pmem-error.js'

/** Does `work` on a medium on which the windows of these blocks can be touched. */
export function withBlocks<Result>(
  device: Device,
  mode: WindowMode,
  blocks: readonly number[],
  work: (medium: MappedMedium) => Result,
): Result {
  const description = mapDevices([device], mode)
  try {
    const needed = new Set(blocks.map((block) => block >>> windowShift))
    const guard = mapGuard()
    const windows = description.windows.map((mapping, window) => (needed.has(window) ? mapping : guard))
    const medium = new MappedMedium({ ...description, windows })
    forbidOthers(medium, needed)
    try {
      return work(medium)
    } finally {
      medium.release()
      native.unmap(guard, null)
    }
  } finally {
    unmapDevices(description)
  }
}

/** Read-only memory, so that the native helper, too, refuses to store to it. */
function mapGuard(): Mapping {
  const lengthBytes = 4096
  const fd = native.memoryFile('pmfs2-guard', lengthBytes)
  if (fd < 0) throw new PmemError('no memory', fd)
  const guard = native.map(fd, 0, lengthBytes, MAP_READ_ONLY)
  closeSync(fd)
  if (guard < 0) throw new PmemError('no memory', guard)
  return guard as Mapping
}

/** Loads and stores that do not go through the native helper are refused here. */
function forbidOthers(medium: MappedMedium, needed: ReadonlySet<number>): void {
  const refuse = (): never => {
    throw new RangeError('a block was touched that was said not to be')
  }
  const words = new Proxy(new Uint32Array(0), { get: refuse, set: refuse })
  const bytes = new Proxy(new Uint8Array(0), { get: refuse, set: refuse })
  medium.windows.forEach((_, window) => {
    if (needed.has(window)) return
    ;(medium.words as Uint32Array[])[window] = words
    ;(medium.bytes as Uint8Array[])[window] = bytes
  })
}
