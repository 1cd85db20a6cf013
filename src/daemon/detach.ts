// SPDX-License-Identifier: GPL-2.0-only
/**
 * Unmounting a file system wherever one sees it. What else lies at its mount points by now is left alone. The kernel
 * may wait for the server meanwhile, so as long as it serves, a process of its own does this (MountCalls).
 */
import { placesOf } from './mount-table.js'
import { unmount } from './unmount.js'

/** @param device as the mount table has it @returns where it still is, as it is in use */
export function detach(device: string): string[] {
  for (const place of placesOf(device)) unmount(place, false)
  return placesOf(device)
}

/** The same of one that is in use: it is taken out of sight, and goes when its last user does. */
export function detachLazily(device: string): void {
  for (const place of placesOf(device)) unmount(place, true)
}
