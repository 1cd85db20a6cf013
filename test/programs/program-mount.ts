// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount for programs that people would run on it. PMFS2_CHANNEL names the channel of those that can do with any:
 * .ci/nightly runs these by fuse-native, too.
 */
import type { Test } from 'tap'
import type { TestMount } from '../support/test-mount.js'

/** Options of a mount. */
export const chosenChannel: readonly string[] =
  process.env['PMFS2_CHANNEL'] === undefined ? [] : ['--channel', process.env['PMFS2_CHANNEL']]
const isByFuseNative = chosenChannel.includes('fuse-native')
/** Files cannot be mapped to be shared. */
export const lacksSharedMappings = isByFuseNative
/** They cannot be set. */
export const lacksAcls = isByFuseNative
/** SEEK_HOLE finds none, and fallocate(2) fails. */
export const lacksHoles = isByFuseNative
/** A file's time of access or of modification cannot be set without the other one. */
export const lacksSingleTimes = isByFuseNative
/** How many times as long as by the channels of PMFS2 programs may take. */
export const patience = isByFuseNative ? 4 : 1

/** Unmounts, checks, and mounts again. */
export async function comesBack(t: Test, mount: TestMount, ...args: readonly string[]): Promise<void> {
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount(...args)
}

/** The server is killed, its dead mount taken away, and the volume checked and mounted again. */
export async function survivesKill(t: Test, mount: TestMount, ...args: readonly string[]): Promise<void> {
  await mount.kill()
  await mount.mount(...args)
  await comesBack(t, mount, ...args)
}
