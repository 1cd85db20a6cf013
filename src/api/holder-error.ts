// SPDX-License-Identifier: GPL-2.0-only
/**
 * The error of opening a device that is in use, with the process that uses it. Programs get this; the command line,
 * which knows of mounts, says more (src/cli/in-use.ts).
 */
import { DeviceError } from '../pmem/device-error.js'
import { statDevice } from '../pmem/device-open.js'
import { lockHolder, nameOfProcess } from '../pmem/lock-holder.js'

/** @param error what opening devices threw @returns that, or an error that names the process */
export function withHolder(error: unknown): unknown {
  // A use that outlasts is the kernel's, which the message names.
  if (!(error instanceof DeviceError) || error.code !== 'EBUSY' || error.outlasts) return error
  const { device } = error
  const pid = device === null ? null : lockHolder(statDevice(device))
  if (device === null || pid === null) return error
  const name = nameOfProcess(pid)
  const holder = name === '' ? `process ${pid}` : `process ${pid} (${name})`
  const message = `cannot open ${device}: it is in use by ${holder}: unmount it, or end that process`
  return new DeviceError('EBUSY', message, { cause: error })
}
