// SPDX-License-Identifier: GPL-2.0-only
/**
 * What finding, adding and removing a name costs does not grow with the directory: a call touches as many blocks among
 * 200,000 names as among ten, and the nodes above the leaf.
 */
import { test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, formatSmall, root } from '../support/test-volume.js'

const volumeBlocks = 8192
const few = 10
const many = 200_000
/** As many names are looked for, added and removed. */
const sample = 2000
/** Leaves of about a hundred names each are more than one node's 512 entries can tell apart, and fewer than 512². */
const nodesAbove = 2
/** A leaf among few names is only ever compacted; one among many may be divided instead, into two fresh blocks. */
const dividing = 1

/** Knows which blocks were loaded from or stored to. */
class TouchedMedium extends RecordingMedium {
  readonly touched = new Set<number>()

  override wordsOf(block: number): Uint32Array {
    this.touched.add(block)
    return super.wordsOf(block)
  }

  override bytesOf(block: number): Uint8Array {
    this.touched.add(block)
    return super.bytesOf(block)
  }
}

/** The most blocks that one call touched. */
interface Cost {
  find: number
  miss: number
  add: number
  remove: number
}

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** Makes a directory of so many names, which are links to one file, and calls on it. */
function costAmong(names: number, caller: EngineCaller, medium: TouchedMedium): Cost {
  const directory = must(caller.mkdir(root, `${names} names`))
  const file = must(caller.file(root, `file of ${names} names`))
  const cost: Cost = { find: 0, miss: 0, add: 0, remove: 0 }
  const count = (kind: keyof Cost, call: () => number): number => {
    medium.touched.clear()
    const result = call()
    cost[kind] = Math.max(cost[kind], medium.touched.size)
    return result
  }
  const link = (name: string): number => caller.link(file, directory, name)
  for (let n = 0; n < names; n++) {
    must(link(`file-${n}`))
    caller.forget(file)
  }
  for (let n = 0; n < sample; n++) {
    must(count('find', () => caller.lookup(directory, `file-${n % names}`)))
    count('miss', () => caller.lookup(directory, `missing-${n}`))
    must(count('add', () => link(`new-${n}`)))
    must(count('remove', () => caller.unlink(directory, `new-${n}`)))
    caller.forget(file, 2)
  }
  return cost
}

void test('blocks that a call touches', (t) => {
  const medium = new TouchedMedium([new Uint8Array(volumeBlocks * blockBytes)])
  formatSmall(medium, [volumeBlocks])
  const volume = TestVolume.open(medium)
  t.teardown(() => volume.close())
  const small = costAmong(few, volume.caller, medium)
  const large = costAmong(many, volume.caller, medium)
  t.comment(`among ${few}: ${JSON.stringify(small)}; among ${many}: ${JSON.stringify(large)}`)
  t.equal(small.find, 2, 'the inode and the only leaf')
  t.equal(large.find, small.find + nodesAbove, 'find')
  t.equal(large.miss, small.miss + nodesAbove, 'miss')
  t.equal(large.remove, small.remove + nodesAbove, 'remove')
  t.ok(small.add > small.find, 'the log as well')
  t.ok(large.add <= small.add + nodesAbove + dividing, `add: ${large.add} for ${small.add}`)
  t.end()
})
