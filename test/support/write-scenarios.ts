// SPDX-License-Identifier: GPL-2.0-only
/** Writes and copies during which the power may fail, each with the file /f that it changes. */
import { SET_MODE } from '../../src/fs/attributes.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { type Exploration, type Judge, exploreCall } from './crash-explorer.js'
import { Random, seed } from './random.js'
import { TestVolume, epoch, root } from './test-volume.js'

const blockBytes = 4096
const random = new Random(seed)

export interface Scenario {
  readonly name: string
  /** Of the volume; 256 unless said. */
  readonly blocks?: number
  /** Fills the file /f. */
  readonly prepare: (volume: TestVolume, inode: number) => unknown
  readonly call: (volume: TestVolume, inode: number) => unknown
}

/** What is written must be words of the old or the new bytes in place, and whole with copy-on-write. */
export interface WriteScenario extends Scenario {
  /** A power failure can leave a part of it in place. */
  readonly tears?: boolean
  /** Zeroes parts of blocks in place, also with copy-on-write. */
  readonly zeroesParts?: boolean
}

export function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

export const fill = (length: number) => (v: TestVolume, inode: number) =>
  must(v.caller.write(inode, 0, new Random(3).bytes(length)))

export const write =
  (offset: number, length: number, killPrivileges?: boolean) => (v: TestVolume, inode: number) => {
    if (v.caller.write(inode, offset, new Random(4).bytes(length), killPrivileges) !== length)
      throw new Error('the write was cut short')
  }

export const nothing = (): undefined => undefined

/**
 * Cuts the power everywhere in a scenario's call, on a new volume. `inspect` sees the volume just before it and after.
 */
export function explore(
  data: DataMode,
  { blocks, prepare, call }: Scenario,
  judge?: Judge,
  inspect: (volume: TestVolume) => void = nothing,
): Exploration {
  const volume = TestVolume.makeFor(data, blocks ?? 256)
  const inode = must(volume.caller.file(root, 'f'))
  prepare(volume, inode)
  volume.caller.setClock(epoch + 5000)
  inspect(volume)
  const found = exploreCall(volume, (v) => void call(v, inode), random, judge)
  inspect(volume)
  volume.drop()
  return found
}

/** Fills the volume, but for so many blocks. */
function fillVolume({ caller }: TestVolume, free: number): void {
  const filler = must(caller.file(root, 'filler'))
  for (let n = 0; caller.usage().freeBlocks > free; n++)
    must(caller.write(filler, n * blockBytes, Buffer.alloc(blockBytes, 7)))
}

/** A file of so many blocks, none beside the next in the file's order. */
function scattered({ caller }: TestVolume, inode: number, blocks: number): void {
  const other = must(caller.file(root, 'other'))
  for (let n = blocks - 1; n >= 0; n--) {
    must(caller.write(inode, n * blockBytes, new Random(n).bytes(blockBytes)))
    must(caller.write(other, n * blockBytes, Buffer.alloc(blockBytes, 9)))
  }
}

/** A file of 40 blocks that has grown in turn with another. */
function inTurn({ caller }: TestVolume, inode: number): void {
  const other = must(caller.file(root, 'other'))
  for (let n = 0; n < 80; n++) {
    must(caller.write(n % 2 ? other : inode, (n >>> 1) * blockBytes, Buffer.alloc(blockBytes, n)))
  }
}

/** Leaves only single free blocks, every other one. */
function fragment({ caller }: TestVolume): void {
  const odd = must(caller.file(root, 'odd'))
  const even = must(caller.file(root, 'even'))
  // From the end to the start: what does not grow has no run ahead.
  for (let n = 0; ; n++) {
    if (caller.write(n % 2 ? odd : even, (1000 - (n >>> 1)) * blockBytes, Buffer.alloc(blockBytes, 7)) < 0)
      break
  }
  must(caller.unlink(root, 'odd'))
  caller.forget(odd)
}

/** Blocks of a file at these indices. */
const blocksAt =
  (...indices: readonly number[]) =>
  (v: TestVolume, inode: number) => {
    for (const n of indices) must(v.caller.write(inode, n * blockBytes, new Random(n).bytes(blockBytes)))
  }

const setIds = { mask: SET_MODE, mode: 0o6777 }

/** Copies within the file: what is visible after a failure is what a write of the same bytes would leave. */
function copies(): WriteScenario[] {
  const copy = (offset: number, toOffset: number, length: number) => (v: TestVolume, inode: number) =>
    must(v.caller.copy(inode, offset, inode, toOffset, length, true))
  /** Data in blocks 0, 2 and 4, and in a part of 5. */
  const holed = (v: TestVolume, f: number): void => {
    blocksAt(0, 2, 4)(v, f)
    must(v.caller.write(f, 5 * blockBytes, new Random(5).bytes(100)))
  }
  const withSetId = (v: TestVolume, f: number): void => {
    holed(v, f)
    must(v.caller.setattr(f, setIds))
  }
  return [
    { name: 'copy beyond the end', prepare: fill(9000), call: copy(10, 12_000, 8000) },
    { name: 'copy over blocks', prepare: fill(20_000), call: copy(100, 9000, 8001), tears: true },
    { name: 'copy into a hole', prepare: holed, call: copy(5, blockBytes + 9, 3000) },
    {
      name: 'copy of a hole over blocks',
      prepare: holed,
      call: copy(blockBytes, 4 * blockBytes, 4000),
      zeroesParts: true,
    },
    { name: 'copy of a hole beyond the end', prepare: holed, call: copy(blockBytes, 6 * blockBytes, 4000) },
    { name: 'copy that clears set-ID bits', prepare: withSetId, call: copy(0, 4 * blockBytes, 4000) },
    {
      name: 'copy of a hole that clears set-ID bits',
      prepare: withSetId,
      call: copy(blockBytes, 4 * blockBytes, 4000),
      zeroesParts: true,
    },
  ]
}

export const writes: readonly WriteScenario[] = [
  { name: 'first write', prepare: nothing, call: write(0, 10) },
  { name: 'write of three blocks', prepare: nothing, call: write(0, 3 * blockBytes) },
  { name: 'unaligned write into nothing', prepare: nothing, call: write(5001, 9001) },
  { name: 'append within the last block', prepare: fill(100), call: write(100, 77) },
  { name: 'append across the end of a block', prepare: fill(4000), call: write(4000, 5000) },
  { name: 'append over a gap', prepare: fill(100), call: write(9000, 300) },
  { name: 'append over a gap in one block', prepare: fill(100), call: write(1001, 30) },
  { name: 'append from a run ahead', blocks: 512, prepare: inTurn, call: write(40 * blockBytes, blockBytes) },
  {
    name: 'append that takes a new run ahead',
    blocks: 512,
    prepare: inTurn,
    call: write(40 * blockBytes, 80 * blockBytes),
  },
  { name: 'overwrite of a few bytes', prepare: fill(4 * blockBytes), call: write(4099, 77), tears: true },
  {
    name: 'overwrite of a few bytes in two blocks',
    prepare: fill(4 * blockBytes),
    call: write(4090, 300),
    tears: true,
  },
  {
    name: 'overwrite of the only block',
    prepare: fill(blockBytes),
    call: write(0, blockBytes),
    tears: true,
  },
  {
    name: 'overwrite of a part of the only block',
    prepare: fill(blockBytes),
    call: write(1000, 2000),
    tears: true,
  },
  {
    name: 'overwrite of the only block, and append',
    prepare: fill(blockBytes),
    call: write(100, 9000),
    tears: true,
  },
  {
    name: 'overwrite of one block of many',
    prepare: fill(9 * blockBytes),
    call: write(4 * blockBytes, blockBytes),
    tears: true,
  },
  { name: 'overwrite of a whole file', prepare: fill(20000), call: write(0, 20000), tears: true },
  { name: 'unaligned overwrite', prepare: fill(20000), call: write(4001, 8190), tears: true },
  {
    name: 'unaligned overwrite of 20 blocks',
    prepare: fill(30 * blockBytes),
    call: write(4001, 20 * blockBytes),
    tears: true,
  },
  { name: 'overwrite and append', prepare: fill(6000), call: write(3001, 9999), tears: true },
  {
    name: 'overwrite over two nodes of the map',
    blocks: 1536,
    prepare: (v, f) => blocksAt(...Array.from({ length: 64 }, (_, n) => 480 + n))(v, f),
    call: write(500 * blockBytes + 5, 30 * blockBytes),
    tears: true,
  },
  {
    name: 'overwrite in many pieces',
    blocks: 512,
    prepare: (v, f) => scattered(v, f, 60),
    call: write(7, 50 * blockBytes),
    tears: true,
  },
  {
    name: 'overwrite on a full volume',
    prepare: (v, f) => {
      fill(8 * blockBytes)(v, f)
      fillVolume(v, 0)
    },
    call: write(4090, 3 * blockBytes),
    tears: true,
  },
  {
    name: 'overwrite of blocks and a hole on a nearly full volume',
    prepare: (v, f) => {
      fill(3 * blockBytes)(v, f)
      blocksAt(4)(v, f)
      fillVolume(v, 1)
    },
    call: write(2 * blockBytes + 5, 2 * blockBytes),
    tears: true,
  },
  {
    name: 'write into a hole between blocks',
    prepare: (v, f) => {
      must(v.caller.write(f, 0, Buffer.from('first')))
      must(v.caller.write(f, 8 * blockBytes, Buffer.from('last')))
    },
    call: write(2 * blockBytes + 5, 2 * blockBytes),
  },
  {
    name: 'write over blocks and holes',
    prepare: blocksAt(0, 2, 4, 5),
    call: write(100, 7 * blockBytes),
    tears: true,
  },
  {
    name: 'write by someone without privileges',
    prepare: (v, f) => {
      fill(5000)(v, f)
      must(v.caller.setattr(f, setIds))
    },
    call: write(10, 100, true),
    tears: true,
  },
  ...copies(),
  { name: 'write that raises the map', prepare: fill(100), call: write(600 * blockBytes, 5000) },
  { name: 'write of many runs', blocks: 768, prepare: fragment, call: write(1000, 200 * blockBytes) },
]
