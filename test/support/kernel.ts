// SPDX-License-Identifier: GPL-2.0-only
/** Which version the running kernel is, for tests of what depends on it. */
import { release } from 'node:os'

const [, major, minor] = /^(\d+)\.(\d+)/.exec(release())!.map(Number) as [number, number, number]

export function isKernelFrom(leastMajor: number, leastMinor: number): boolean {
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
}
