// SPDX-License-Identifier: GPL-2.0-only
/** The process that makes a call on a mount for its server ({@link MountCalls}): `mount-call.js CALL DEVICE`. */
import { detach, detachLazily } from './detach.js'
import { remountReadOnly } from './kernel-remount.js'

const calls: Readonly<Record<string, (device: string) => unknown>> = {
  unmount: detach,
  'unmount-lazily': detachLazily,
  'remount-read-only': (device) => {
    process.exitCode = -remountReadOnly(device)
  },
}

const [call, device] = process.argv.slice(2)
calls[call!]!(device!)
