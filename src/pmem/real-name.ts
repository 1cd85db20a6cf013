// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a path leads to, as realpath(3), but with care: nothing behind a barrier is looked at, since a call into a mount
 * whose server hangs never returns, and cannot be killed. The last place itself is only asked whether it is a link,
 * which the kernel answers without the server.
 */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { absoluteName, kernelName, nameOf } from '../native/file-name.js'
import type { MountEntry } from './mount-info.js'

/** As Linux has it (path_resolution(7)). */
const mostLinks = 40

export interface Trace {
  /** Without links, as far as the path was followed; the rest as it was given. */
  readonly name: string
  /** The barrier that the path leads through; null where it was followed to its end. */
  readonly barrier: string | null
}

/** @param isBarrier whether what lies below a place must not be looked at */
export function traceName(path: string, isBarrier: (place: string) => boolean): Trace {
  const rest = partsOf(absoluteName(path))
  let place = '/'
  let links = 0
  while (rest.length > 0) {
    if (isBarrier(place)) return { name: join(place, ...rest), barrier: place }
    const part = rest.shift()!
    const next = part === '..' ? join(place, '..') : join(place, part)
    const target = part === '..' || links > mostLinks ? null : targetOf(next)
    if (target === null) {
      place = next
      continue
    }
    links++
    rest.unshift(...partsOf(target))
    if (target.startsWith('/')) place = '/'
  }
  return { name: place, barrier: null }
}

/** Whether a path leads through a mount of any server in user space, which may hang. */
export function isBehindServer(path: string, table: readonly MountEntry[]): boolean {
  const isServed = (place: string): boolean =>
    table.findLast(({ mountpoint }) => mountpoint === place)?.type.startsWith('fuse') === true
  return traceName(path, isServed).barrier !== null
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

/** Null where there is no link, or none that one may read. */
function targetOf(path: string): string | null {
  try {
    return nameOf(readlinkSync(kernelName(path), 'buffer'))
  } catch {
    return null
  }
}
