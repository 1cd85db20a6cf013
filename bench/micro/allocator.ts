// SPDX-License-Identifier: GPL-2.0-only
/** Finding free blocks and giving them back, in the working bitmap: where all is free, and where little is. */
import { type Subject, keep } from './subject.js'

/** Every other block of so many is taken, so that no run is longer than one. */
const combedBlocks = 4096

export const allocator: Subject = {
  title: 'allocator: claim and release',
  prepare({ allocator }) {
    const claimAndRelease = (goal: number, want: number) => {
      const got = allocator.claim(goal, want)
      allocator.release(allocator.runStart, got)
      keep(got)
    }
    allocator.claim(0, combedBlocks)
    const comb = allocator.runStart
    for (let n = 0; n < combedBlocks; n += 2) allocator.release(comb + n, 1)
    allocator.claim(0, 1)
    const free = allocator.runStart + 1
    return [
      { name: '1 block, at its goal', call: () => claimAndRelease(free, 1) },
      { name: '1 block, searched for', call: () => claimAndRelease(0, 1) },
      { name: '256 blocks, at their goal', call: () => claimAndRelease(free, 256) },
      { name: '256 blocks, searched for', call: () => claimAndRelease(0, 256) },
      { name: '256 blocks, where every other one is taken', call: () => claimAndRelease(comb, 256) },
    ]
  },
}
