// SPDX-License-Identifier: GPL-2.0-only
/**
 * Every suite on one target, or those that it claims to pass, and at the end the target's own verdict: unmounted, and
 * the medium found clean.
 */
import tap from 'tap'
import type { Target } from '../support/target.js'
import { aclSuite } from './suites/acl.js'
import { appendSuite } from './suites/append.js'
import { cachedAttributesSuite } from './suites/cached-attributes.js'
import { copyFileRangeSuite } from './suites/copy-file-range.js'
import { durabilitySuite } from './suites/durability.js'
import { fallocateSuite } from './suites/fallocate.js'
import { holesSuite } from './suites/holes.js'
import { idMappedSuite } from './suites/id-mapped.js'
import { inodeFlagsSuite } from './suites/inode-flags.js'
import { inodesSuite } from './suites/inodes.js'
import { linksSuite } from './suites/links.js'
import { locksSuite } from './suites/locks.js'
import { mmapSuite } from './suites/mmap.js'
import { modesSuite } from './suites/modes.js'
import { namesSuite } from './suites/names.js'
import { nodesSuite } from './suites/nodes.js'
import { openSuite } from './suites/open.js'
import { permissionsSuite } from './suites/permissions.js'
import { privilegesSuite } from './suites/privileges.js'
import { readWriteSuite } from './suites/read-write.js'
import { readdirSuite } from './suites/readdir.js'
import { renameSuite } from './suites/rename.js'
import { renameFlagsSuite } from './suites/rename-flags.js'
import { setTimesSuite } from './suites/set-times.js'
import { statfsSuite } from './suites/statfs.js'
import { symlinksSuite } from './suites/symlinks.js'
import { temporaryFilesSuite } from './suites/temporary-files.js'
import { timesSuite } from './suites/times.js'
import { truncateSuite } from './suites/truncate.js'
import { unlinkSuite } from './suites/unlink.js'
import { xattrSuite } from './suites/xattr.js'

export const allSuites = [
  aclSuite,
  appendSuite,
  cachedAttributesSuite,
  copyFileRangeSuite,
  durabilitySuite,
  fallocateSuite,
  holesSuite,
  idMappedSuite,
  inodeFlagsSuite,
  inodesSuite,
  linksSuite,
  locksSuite,
  mmapSuite,
  modesSuite,
  namesSuite,
  nodesSuite,
  openSuite,
  permissionsSuite,
  privilegesSuite,
  readWriteSuite,
  readdirSuite,
  renameSuite,
  renameFlagsSuite,
  setTimesSuite,
  statfsSuite,
  symlinksSuite,
  temporaryFilesSuite,
  timesSuite,
  truncateSuite,
  unlinkSuite,
  xattrSuite,
]
/**
 * What examples/memory-file-system.ts leaves out: access times, fallocate(2), flags of inodes, extended attributes,
 * SEEK_HOLE, renameat2(2) but for NOREPLACE, O_TMPFILE.
 */
const notInExample = new Set([
  aclSuite,
  cachedAttributesSuite,
  fallocateSuite,
  holesSuite,
  idMappedSuite,
  inodeFlagsSuite,
  renameFlagsSuite,
  temporaryFilesSuite,
  timesSuite,
  xattrSuite,
])
export const claimedByExample = allSuites.filter((suite) => !notInExample.has(suite))

/** Those that take little time, and ask for nothing in which supported kernels differ. */
export const quickSuites: readonly (typeof allSuites)[number][] = [
  appendSuite,
  holesSuite,
  linksSuite,
  renameSuite,
  symlinksSuite,
  temporaryFilesSuite,
  truncateSuite,
  unlinkSuite,
]

/**
 * Where the kernel gathers writes, lseek(2) takes all of a file for data, and a write to a file whose flags forbid it
 * is refused when its pages are written back.
 */
const notGathered = new Set([fallocateSuite, holesSuite, inodeFlagsSuite])
export const gatheredSuites = allSuites.filter((suite) => !notGathered.has(suite))

const FILE_LIMIT_MS = 180_000

export async function runSuites(
  mount: () => Promise<Target>,
  chosen: readonly (typeof allSuites)[number][] = allSuites,
  limitMs = FILE_LIMIT_MS,
): Promise<void> {
  tap.setTimeout(limitMs)
  const target = await mount()
  tap.teardown(() => target.release())
  for (const suite of chosen) suite(target)
  void tap.test(`${target.name} unmounts and its medium is clean`, async (t) => {
    await t.resolves(target.release())
  })
}
