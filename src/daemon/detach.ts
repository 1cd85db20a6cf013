// SPDX-License-Identifier: GPL-2.0-only
/**
 * Unmounting a file system wherever one sees it. What else lies at its mount points by now is left alone. The kernel
 * may wait for the server meanwhile, so as long as it serves, a process of its own does this (MountCalls).
 */
import { type MountIdentity, placesOf } from './mount-table.js'
import { unmount } from './unmount.js'

/** @param isOver asked before each place: whether to leave the others @returns where it still is, as it is in use */
export function detach(mount: MountIdentity, isOver = (): boolean => false): string[] {
  unmountEverywhere(mount, false, isOver)
  return placesOf(mount)
}

/** The same of one that is in use: it is taken out of sight, and goes when its last user does. */
export function detachLazily(mount: MountIdentity, isOver = (): boolean => false): void {
  unmountEverywhere(mount, true, isOver)
}

function unmountEverywhere(mount: MountIdentity, lazily: boolean, isOver: () => boolean): void {
  for (const place of placesOf(mount)) {
    if (isOver()) return
    unmount(place, lazily)
  }
}
