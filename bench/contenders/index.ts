// SPDX-License-Identifier: GPL-2.0-only
/** All contenders, in the order in which a round runs them and tables show them. */
import type { Contender } from './contender.js'
import { makeExt4 } from './ext4.js'
import { makeDevfuseFloor, makeLookingFloor, makeUringFloor } from './floor.js'
import { makeFuse2fs } from './fuse2fs.js'
import { makeNtfs3g } from './ntfs-3g.js'
import { makeBindfs, makeMergerfs } from './passthrough.js'
import { makePmfs2Devfuse, makePmfs2FuseNative, makePmfs2Uring, makePmfs2UringCow } from './pmfs2.js'
import { makeTmpfs } from './tmpfs.js'

export function allContenders(packageRoot: string): readonly Contender[] {
  return [
    makePmfs2Uring(packageRoot),
    makePmfs2UringCow(packageRoot),
    makePmfs2Devfuse(packageRoot),
    makePmfs2FuseNative(packageRoot),
    makeUringFloor(packageRoot),
    makeLookingFloor(packageRoot),
    makeDevfuseFloor(packageRoot),
    makeMergerfs(),
    makeBindfs(),
    makeFuse2fs(),
    makeNtfs3g(),
    makeExt4(),
    makeTmpfs(),
  ]
}
