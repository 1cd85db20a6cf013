// SPDX-License-Identifier: GPL-2.0-only
/**
 * The conformance suite on mounts of every kind: over io_uring and /dev/fuse, with writes in place and by
 * copy-on-write, through the page cache and without it. Writing in place through the page cache, as mounts do by
 * default, each channel passes all suites in every run. Of the other kinds a usual run takes a slice in which each
 * suite meets copy-on-write and direct_io, together or apart, and an exhaustive one takes all. Half of the kinds have
 * volumes of two devices.
 */
import { type DeviceCount, devicesPreferring } from '../support/device-count.js'
import { isExhaustive } from '../support/extent.js'
import { mountPmfs2With } from '../support/target.js'
import { allSuites, runSuites } from './run-suites.js'

export type Channel = 'uring' | 'devfuse'
/** What follows `-o`. */
export type Kind = 'data=cow' | 'direct_io' | 'data=cow,direct_io'

/** Each suite takes one of these lines in turn. */
const slices: readonly Partial<Record<Channel, Kind>>[] = [
  { devfuse: 'data=cow,direct_io' },
  { devfuse: 'data=cow', uring: 'direct_io' },
  { uring: 'data=cow,direct_io' },
  { devfuse: 'direct_io', uring: 'data=cow' },
]

/** Unless PMFS2_DEVICES says otherwise. */
const preferredDevices: Record<Channel, Record<Kind, DeviceCount>> = {
  uring: { 'data=cow': 2, direct_io: 2, 'data=cow,direct_io': 1 },
  devfuse: { 'data=cow': 1, direct_io: 1, 'data=cow,direct_io': 2 },
}

/** @param channel of which the kernel's switch is on */
export function runVariant(channel: Channel, kind: Kind): Promise<void> {
  const suites = allSuites.filter((_, n) => isExhaustive || slices[n % slices.length]![channel] === kind)
  const count = devicesPreferring(preferredDevices[channel][kind])
  return runSuites(() => mountPmfs2With(count, '--channel', channel, '-o', kind), suites)
}
