// SPDX-License-Identifier: GPL-2.0-only
/** All contenders, in the order in which a round runs them and the table shows them. */
import type { MakeContender } from './contender.js'
import { makeFloor } from './floor.js'
import { makePmfs2 } from './pmfs2.js'
import { makeTmpfs } from './tmpfs.js'

export const contenders: Readonly<Record<string, MakeContender>> = {
  pmfs2: makePmfs2,
  floor: makeFloor,
  tmpfs: makeTmpfs,
}
