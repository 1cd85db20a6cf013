// SPDX-License-Identifier: GPL-2.0-only
/** What the running kernel has by its version, for tests of what came late. */
import { release } from 'node:os'

const [major = 0, minor = 0] = release().split('.').map(Number)

/** Whether it is of a version, `6.12` say, or of a later one. */
export function isKernelFrom(version: string): boolean {
  const [leastMajor = 0, leastMinor = 0] = version.split('.').map(Number)
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
}

/** Options of a tap test of what the kernel has from a version on: it is skipped before, and says so. */
export function needsKernel(version: string, what: string): { readonly skip?: string } {
  return isKernelFrom(version) ? {} : { skip: `${what}: from Linux ${version} on, and this is ${release()}` }
}
