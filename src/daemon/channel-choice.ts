// SPDX-License-Identifier: GPL-2.0-only
/** Which channel a mount is served by: io_uring where the kernel has it and its switch is on, else /dev/fuse. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { native } from '../native/index.js'
import { MountError, exitPermission } from './mount-error.js'

export const channelNames = ['auto', 'uring', 'devfuse', 'fuse-native'] as const
export type ChannelName = (typeof channelNames)[number]
/** Those that workers serve. */
export type OwnChannelName = Exclude<ChannelName, 'fuse-native'>

/** Y or N; there since Linux 6.14. Root may write it. */
export const ringSwitch = '/sys/module/fuse/parameters/enable_uring'

export interface ChannelChoice {
  readonly channel: 'uring' | 'devfuse'
  /** What people should know about it, or null. */
  readonly notice: string | null
}

/**
 * @param turnOn turn the kernel's switch on if it is off
 * @param switchFile where the switch is
 * @throws MountError where what is asked for cannot be had
 */
export function chooseChannel(
  wanted: OwnChannelName,
  turnOn: boolean,
  switchFile: string = ringSwitch,
): ChannelChoice {
  if (wanted === 'devfuse') return { channel: 'devfuse', notice: null }
  const found = readSwitch(switchFile)
  const turned = found === 'off' && turnOn
  if (turned) turnSwitchOn(switchFile)
  const notice = turned ? `turned FUSE over io_uring on (${switchFile})` : null
  const obstacle = obstacleOf(turned ? 'on' : found)
  if (obstacle === null) return { channel: 'uring', notice }
  if (wanted === 'uring') throw new MountError(`the channel uring cannot be had: ${obstacle}`)
  return { channel: 'devfuse', notice: `serving over /dev/fuse: ${obstacle}` }
}

function obstacleOf(state: 'on' | 'off' | 'missing'): string | null {
  if (state === 'missing') return 'FUSE over io_uring needs Linux 6.14 or newer'
  if (state === 'off') return 'FUSE over io_uring is off in the kernel (--enable-uring turns it on)'
  return ringObstacle()
}

function readSwitch(file: string): 'on' | 'off' | 'missing' {
  loadModule()
  try {
    return readFileSync(file, 'utf8').startsWith('Y') ? 'on' : 'off'
  } catch {
    return 'missing'
  }
}

/** The switch is there once the module is; opening the device loads it. A failure is reported when it is mounted. */
function loadModule(): void {
  try {
    closeSync(openSync('/dev/fuse', 'r+'))
  } catch {
    return
  }
}

function turnSwitchOn(file: string): void {
  try {
    writeFileSync(file, 'Y')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new MountError(`--enable-uring: ${file} cannot be written (${code}); only root may`, exitPermission)
  }
}

function ringObstacle(): string | null {
  const ring = native.openRing(1, 0, 0)
  if (ring < 0) return `io_uring is refused here (${getSystemErrorName(ring)})`
  native.closeRing(ring)
  return null
}
