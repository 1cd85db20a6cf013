// SPDX-License-Identifier: GPL-2.0-only
/**
 * Writes over ranges in many pieces: holes, blocks that were never written, and others. What they cost does not depend
 * on the number of pieces, and what they log fits into a lane.
 */
import { type Test, test } from 'tap'
import { entriesPerLane } from '../../layout/lane.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { exploreCall } from '../support/crash-explorer.js'
import { problemsOf } from '../support/invariants.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

const blockBytes = 4096
const mebibyte = 2 ** 20
const blocks = 260

type Piece = 'hole' | 'unwritten' | 'written'

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** A file whose blocks, from `first` on, are of these kinds in turn. They lie apart where free space is fragmented. */
function scattered({ caller }: TestVolume, name: string, first: number, kinds: readonly Piece[]): number {
  const file = must(caller.file(root, name))
  // From the end to the start: what does not grow has no run ahead.
  for (let n = blocks - 1; n >= 0; n--) {
    const at = (first + n) * blockBytes
    const kind = kinds[n % kinds.length]!
    if (kind === 'written') must(caller.write(file, at, Buffer.alloc(blockBytes, 'w')))
    if (kind === 'unwritten') must(caller.fallocate(file, 0, at, blockBytes))
  }
  must(caller.truncate(file, (first + blocks) * blockBytes))
  return file
}

/** Leaves every other one of so many blocks free, and no others but a few. */
function fragment({ caller }: TestVolume, count: number): void {
  const [odd, even] = [must(caller.file(root, 'odd')), must(caller.file(root, 'even'))]
  for (let n = 2 * count - 1; n >= 0; n--)
    must(caller.write(n % 2 ? odd : even, (n >>> 1) * blockBytes, Buffer.alloc(blockBytes, 7)))
  const rest = must(caller.file(root, 'rest'))
  for (let n = 0; caller.usage().freeBlocks > 8; n++)
    must(caller.write(rest, n * blockBytes, Buffer.alloc(blockBytes, 7)))
  must(caller.unlink(root, 'odd'))
  caller.forget(odd)
}

/** Writes 1 MiB, and looks at it. @returns the fences, and the entries of the log, that it took */
function cost(
  t: Test,
  volume: TestVolume,
  file: number,
  offset: number,
): { fences: number; entries: number } {
  const { caller, medium } = volume
  const length = offset + mebibyte + 2 * blockBytes
  const want = caller.read(file, 0, length) as Buffer
  const data = new Random(3).bytes(mebibyte)
  data.copy(want, offset)
  const { fences } = medium
  medium.startRecording()
  t.equal(caller.write(file, offset, data), mebibyte)
  const { events } = medium.stopRecording()
  t.ok(want.equals(caller.read(file, 0, length) as Buffer), 'the data is there, and around it is what was')
  t.same(problemsOf(medium), [])
  const entries = events.filter(({ kind, length: bytes }) => kind === 'streamed' && bytes === 64).length
  return { fences: medium.fences - fences, entries }
}

const patterns: readonly (readonly Piece[])[] = [
  ['written', 'hole'],
  ['written', 'unwritten'],
  ['hole', 'unwritten'],
  ['written', 'hole', 'unwritten', 'hole'],
]

for (const data of ['inplace', 'cow'] satisfies DataMode[]) {
  void test(`data=${data}: the pieces of a range share their fences`, (t) => {
    for (const kinds of patterns) {
      // Within one node of the map, and over the end of one.
      for (const first of [0, 400]) {
        const volume = TestVolume.makeFor(data, 4096)
        const file = scattered(volume, 'f', first, kinds)
        const { fences } = cost(t, volume, file, first * blockBytes + 1)
        // With copy-on-write, the entries of blocks that are replaced change first.
        const replaces = data === 'cow' && kinds.includes('written')
        t.equal(fences, replaces ? 4 : 3, `${kinds.join(', ')} from block ${first}`)
        volume.close()
      }
    }
    t.end()
  })

  void test(`data=${data}: in fragmented free space, the log has room`, (t) => {
    for (const kinds of patterns) {
      const volume = TestVolume.makeFor(data, 4096)
      const free = volume.freeBlocks
      fragment(volume, 1200)
      t.ok(free > 2400)
      const file = scattered(volume, 'f', 400, kinds)
      const { entries } = cost(t, volume, file, 400 * blockBytes + 1)
      t.ok(entries > 100 && entries < entriesPerLane - 100, `${kinds.join(', ')}: ${entries} entries`)
      volume.close()
    }
    t.end()
  })
}

void test('whenever the power fails, all pieces are written or none', (t) => {
  for (const data of ['inplace', 'cow'] satisfies DataMode[]) {
    const volume = TestVolume.makeFor(data, 512)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    for (let n = 1; n < 12; n += 2) must(caller.fallocate(file, 0, (506 + n) * blockBytes, blockBytes))
    const bytes = new Random(4).bytes(8 * blockBytes)
    const call = (v: TestVolume): void => void must(v.caller.write(file, 508 * blockBytes + 9, bytes))
    const { failures, images, fences } = exploreCall(volume, call, new Random(seed))
    t.same(failures.slice(0, 5), [], `${data}: ${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
    volume.drop()
  }
  t.end()
})
