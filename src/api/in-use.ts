// SPDX-License-Identifier: GPL-2.0-only
/** Names the process that uses a device, where that is known. */
import { readFileSync } from 'node:fs'
import { DeviceError } from '../pmem/device-error.js'
import { statDevice } from '../pmem/device-open.js'
import { lockHolder } from '../pmem/lock-holder.js'

/** @param error what opening the device threw @returns that, or an error that names the process */
export function withHolder(device: string, error: unknown): unknown {
  // A use that outlasts is the kernel's, which the message names.
  if (!(error instanceof DeviceError) || error.code !== 'EBUSY' || error.outlasts) return error
  const pid = lockHolder(statDevice(device))
  if (pid === null) return error
  const name = nameOfProcess(pid)
  const holder = name === '' ? `process ${pid}` : `process ${pid} (${name})`
  const message = `cannot open ${device}: it is in use by ${holder}: unmount it, or end that process`
  return new DeviceError('EBUSY', message, { cause: error })
}

/** As ps(1) shows it; '' where the process has ended. */
function nameOfProcess(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}
