// SPDX-License-Identifier: GPL-2.0-only
/** Opens and locks the file behind a device. Every failure is a DeviceError that says what to do. */
import { constants, openSync, statSync, type BigIntStats } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { native } from '../native/index.js'
import { DeviceError, codeOf, deviceError } from './device-error.js'
import { isDevdax } from './device-facts.js'
import type { DeviceKind } from './persistence-domain.js'

export type Access = 'read-write' | 'read-only'

export interface OpenOptions {
  readonly access: Access
  /** Whether to lock out every other user, who must not have it open so either. */
  readonly exclusive: boolean
}

/** udev looks at a block device under a shared lock whenever a writer has closed it: wait that long for it. */
const probeWaitMs = 2000
const probeStepMs = 20

export function statDevice(path: string): BigIntStats {
  try {
    return statSync(path, { bigint: true })
  } catch (error) {
    throw deviceError(codeOf(error), `cannot open ${path}`, error)
  }
}

export function kindOf(path: string, stats: BigIntStats): DeviceKind {
  if (stats.isFile()) return 'file'
  if (stats.isBlockDevice()) return 'block'
  if (stats.isCharacterDevice() && isDevdax(stats.rdev)) return 'devdax'
  throw new DeviceError(
    'EINVAL',
    `cannot open ${path}: it is neither a regular file nor a block device nor devdax (/dev/daxX.Y)`,
  )
}

export function openDescriptor(path: string, kind: DeviceKind, { access, exclusive }: OpenOptions): number {
  // Without O_CREAT, O_EXCL means for a block device that nobody has mounted it or opened it so (open(2)).
  const flags =
    (access === 'read-write' ? constants.O_RDWR : constants.O_RDONLY) |
    (exclusive && kind === 'block' ? constants.O_EXCL : 0)
  try {
    return openSync(path, flags)
  } catch (error) {
    throw deviceError(codeOf(error), `cannot open ${path}`, error)
  }
}

/** Locks the open file against every other one that does the same. */
export function lockDevice(fd: number, path: string, kind: DeviceKind): void {
  const deadline = performance.now() + (kind === 'block' ? probeWaitMs : 0)
  const clock = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    const result = native.lockFile(fd, 1)
    if (result === 0) return
    const code = getSystemErrorName(result)
    if (code !== 'EAGAIN' || performance.now() >= deadline) throw deviceError(code, `cannot lock ${path}`)
    Atomics.wait(clock, 0, 0, probeStepMs)
  }
}
