// SPDX-License-Identifier: GPL-2.0-only
/**
 * Puts the helper that was built over the shadow's primitives (test/native/shadow/) in the place of the released one,
 * for this thread. So it has to be imported before anything that loads the helper.
 */
import { Module, createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mapping, Native } from '../../../src/native/index.js'
import { findPackageRoot } from '../../../src/native/package-root.js'

export interface Shadow {
  /** Notes what the primitives do to a mapping. @returns its number in the events, or -EINVAL */
  record(mapping: Mapping): number
  /** The kernel has put zeros there: they last from the next fence on. */
  punched(mapping: Mapping, offset: number, lengthBytes: number): number
  /** All events since the first {@link record}, as recording.ts reads them; nothing is recorded any more. */
  stopRecording(): Buffer
  /**
   * What becomes durable of a mapping goes to this part of a file, too. @param how PERSIST_CACHE_LINES or
   * PERSIST_PAGES: what the memory is, whatever the helper is told
   */
  carry(mapping: Mapping, fd: number, offsetBytes: number, how: number): number
  /**
   * Has this thread receive the signal of a machine check.
   * @param code of the signal: 4 where a load has met it, 5 where nobody has
   * @param how 1: the kernel does not divide the mapping, as with devdax; 2: in a system call that reads it
   */
  machineCheck(mapping: Mapping, offset: number, code: number, how: number): number
  /** Ends that, before the mapping does. */
  forget(mapping: Mapping): number
}

const require = createRequire(import.meta.url)
const builds = join(findPackageRoot(dirname(fileURLToPath(import.meta.url))), 'build')
const released = join(builds, 'Release/pmfs2.node')
if (require.cache[released] !== undefined) throw new Error('the released helper has been loaded before')

export const shadow = require(join(builds, 'Shadow/pmfs2.node')) as Shadow & Native

/** Whoever loads the helper from now on gets this one. */
export function putInPlace(helper: Native): void {
  const replaced = new Module(released)
  replaced.exports = helper
  replaced.loaded = true
  require.cache[released] = replaced
}

putInPlace(shadow)
