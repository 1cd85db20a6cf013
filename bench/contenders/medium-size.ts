// SPDX-License-Identifier: GPL-2.0-only
/** How large a file in /dev/shm a contender gets as its device. It is sparse: what is not used takes no memory. */
import type { Demand } from './contender.js'

const mebibyte = 2 ** 20
/** Up to this many files, any volume of a gigabyte has room. */
const fewFiles = 50_000
const bytesPerFile = 2048

export function hasManyFiles(demand: Demand): boolean {
  return demand.files > fewFiles
}

export function mediumBytes(demand: Demand): number {
  return 1024 * mebibyte + (hasManyFiles(demand) ? demand.files * bytesPerFile : 0)
}
