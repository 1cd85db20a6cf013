// SPDX-License-Identifier: GPL-2.0-only
/** Defects of the order in which copies of the superblock are written, and of how often they are. */
import { mutantsOf } from './mutant.js'

const tests = ['fs/superblock-writes', 'fs/superblock-copies']

const copies = mutantsOf(
  'src/fs/superblock-copies.ts',
  [
    ['whole copies go before damaged ones', 'of [false, true]) {', 'of [true, false]) {'],
    [
      'damaged copies are left as they are',
      'if (isWhole[n] !== wholeOnes) return',
      'if (!wholeOnes || isWhole[n] !== wholeOnes) return',
    ],
    [
      'the copies of the first device go first, both of them',
      'const blocks = [...others, first!]',
      'const blocks = [others[0]!, first!, ...others.slice(1)]',
    ],
    [
      'the copies of the first device go last, both of them',
      'const blocks = [...others, first!]',
      'const blocks = [...others.slice(1), others[0]!, first!]',
    ],
    [
      'the first copy goes first, and the second one last',
      'const blocks = [...others, first!]',
      'const blocks = [first!, ...others.slice(1), others[0]!]',
    ],
    [
      'all copies are on their way together',
      '      superblock.storeDurably(medium, block)\n    })\n  }',
      '      superblock.store(medium, block)\n    })\n  }\n  medium.fence()',
    ],
    [
      'the sequence stays as it is',
      '  superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)\n',
      '',
    ],
    [
      'copies that are behind stay so',
      '    if (!newest.includes(block)) superblock.storeDurably(medium, block)\n',
      '    void block\n',
    ],
  ],
  tests,
)

const states = mutantsOf(
  'src/fs/volume.ts',
  [
    [
      'the state of several devices is written once',
      '    if (this.superblock.get(at.deviceCount) > 1) this.#superblock.write(() => undefined)\n',
      '',
    ],
    [
      'the state of one device is written twice',
      '    if (this.superblock.get(at.deviceCount) > 1) this.#superblock.write',
      '    this.#superblock.write',
    ],
    [
      'the state changes with the first of two writes',
      '    if (this.superblock.get(at.deviceCount) > 1) this.#superblock.write(() => undefined)\n    this.#superblock.write(change)\n',
      '    this.#superblock.write(change)\n    if (this.superblock.get(at.deviceCount) > 1) this.#superblock.write(() => undefined)\n',
    ],
    ['a mount leaves copies behind', '      if (!options.readOnly) levelCopies(medium, superblock)\n', ''],
    ['a mount that becomes writable leaves copies behind', '    levelCopies(this.#medium, superblock)\n', ''],
    [
      'headers are made anew after the state has changed',
      `    despiteBadBlocks(this.#medium, () => {
      levelHeaders(this.#medium, this.superblock)
      this.#medium.fence()
    })
    this.#writeState((superblock) => {
      superblock.set(at.state, stateDirty)
      superblock.setNumber(at.mountedSeconds, Math.floor(now / 1000))
      superblock.set(at.mountCount, superblock.get(at.mountCount) + 1)
    })`,
      `    this.#writeState((superblock) => {
      superblock.set(at.state, stateDirty)
      superblock.setNumber(at.mountedSeconds, Math.floor(now / 1000))
      superblock.set(at.mountCount, superblock.get(at.mountCount) + 1)
    })
    despiteBadBlocks(this.#medium, () => {
      levelHeaders(this.#medium, this.superblock)
      this.#medium.fence()
    })`,
    ],
  ],
  tests,
)

const growth = mutantsOf(
  'src/fs/grow.ts',
  [
    ['a volume that grows is written once', '  write(() => undefined)\n', ''],
    [
      'a volume grows with the first of two writes',
      `  write(() => undefined)
  prepare(current, next)
  renewCopies(medium, current, addedBy(current, next))
  enter()
  write((superblock) => addGains(superblock, gains))`,
      `  prepare(current, next)
  renewCopies(medium, current, addedBy(current, next))
  enter()
  write((superblock) => addGains(superblock, gains))
  write(() => undefined)`,
    ],
    [
      'the superblock names what the medium has not yet',
      '  enter()\n  write((superblock) => addGains(superblock, gains))\n',
      '  write((superblock) => addGains(superblock, gains))\n  enter()\n',
    ],
    [
      'what joins has a copy of the superblock before its header',
      `    headerFor(next, device, Math.floor(now / 1000)).storeAtOnce(medium, first + headerBlock)
    new Superblock(current.words.slice()).storeAtOnce(medium, first + superblockBlock)`,
      `    new Superblock(current.words.slice()).storeAtOnce(medium, first + superblockBlock)
    headerFor(next, device, Math.floor(now / 1000)).storeAtOnce(medium, first + headerBlock)`,
    ],
  ],
  tests,
)

const making = mutantsOf(
  'src/fs/format.ts',
  [
    [
      'what was there need not be gone before its blocks are used',
      'for (const block of superblock.copyBlocks) medium.zero(block, 0, blockBytes)\n  medium.fence()',
      'for (const block of superblock.copyBlocks) medium.zero(block, 0, blockBytes)',
    ],
    [
      'a new volume has its superblock before the rest is durable',
      '  writeHeaders(medium, superblock)\n  medium.fence()',
      '  writeHeaders(medium, superblock)',
    ],
  ],
  ['fs/power-failure-volume', 'fs/power-failure-devices'],
)

export const superblock = [...copies, ...states, ...growth, ...making]
