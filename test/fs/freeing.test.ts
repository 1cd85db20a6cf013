// SPDX-License-Identifier: GPL-2.0-only
/** Freeing a large file: its fences do not grow with its nodes, and others come in between its transactions. */
import { type Test, test } from 'tap'
import { entriesPerLane } from '../../layout/lane.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../src/fs/fallocate.js'
import { between } from '../support/between.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, root } from '../support/test-volume.js'
import { makeUnfilled } from '../support/unfilled-medium.js'

const blockBytes = 4096
const mib = 2 ** 20
const gib = 2 ** 30
const data = Buffer.alloc(mib, 7)
const mostMore = 10

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

function fencesOf({ medium }: TestVolume, call: () => unknown): number {
  const before = medium.fences
  call()
  return medium.fences - before
}

function fill({ caller }: TestVolume, file: number, bytes: number): void {
  for (let at = 0; at < bytes; at += mib) must(caller.write(file, at, data))
}

function remove({ caller }: TestVolume, name: string, file: number): void {
  must(caller.unlink(root, name))
  caller.forget(file)
}

void test('cutting or removing 1 GiB takes at most 10 fences more than 1 MiB', (t) => {
  const volume = makeUnfilled(5)
  const { caller } = volume
  const fences = (bytes: number, call: (name: string, file: number) => unknown): number => {
    const name = `${bytes} ${call.name}`
    const file = must(caller.file(root, name))
    fill(volume, file, bytes)
    return fencesOf(volume, () => call(name, file))
  }
  const calls: readonly ((name: string, file: number) => unknown)[] = [
    function cut(_name, file) {
      must(caller.truncate(file, 0))
    },
    function cutToOneBlock(_name, file) {
      must(caller.truncate(file, blockBytes))
    },
    function removal(name, file) {
      remove(volume, name, file)
    },
  ]
  for (const call of calls) {
    const [little, much] = [fences(mib, call), fences(gib, call)]
    t.ok(much <= little + mostMore, `${call.name}: ${much} fences for 1 GiB, ${little} for 1 MiB`)
  }
  volume.drop()
  t.end()
})

void test('a file in single blocks takes as many transactions as its runs fill logs', (t) => {
  const volume = makeUnfilled(1)
  const { caller } = volume
  const file = must(caller.file(root, 'scattered'))
  const blocks = 30_000
  // Every other block belongs to a file that stays.
  const other = must(caller.file(root, 'other'))
  for (let n = blocks - 1; n >= 0; n--) {
    must(caller.write(file, n * blockBytes, Buffer.from('one')))
    must(caller.write(other, n * blockBytes, Buffer.from('two')))
  }
  const nodes = Math.ceil(blocks / 512)
  const logs = Math.ceil((blocks + nodes) / 5 / (entriesPerLane - 150))
  const fences = fencesOf(volume, () => must(caller.truncate(file, 0)))
  t.ok(fences <= 3 * logs, `${fences} fences for ${nodes} nodes, whose blocks fill ${logs} logs`)
  t.equal(caller.attributes(file).blocks, 0)
  t.same(problemsOf(volume.medium), [])
  volume.drop()
  t.end()
})

void test('the leaves and nodes of a directory go without a fence for each node', (t) => {
  const volume = TestVolume.of(t, 8192)
  const { caller } = volume
  const directory = must(caller.mkdir(root, 'directory'))
  const file = must(caller.file(root, 'file'))
  const names = 60_000
  for (let n = 0; n < names; n++) must(caller.link(file, directory, `a name as long as this ${n}`))
  for (let n = 1; n < names; n++) must(caller.unlink(directory, `a name as long as this ${n}`))
  const { blocks } = caller.attributes(directory)
  const fences = fencesOf(volume, () => must(caller.unlink(directory, 'a name as long as this 0')))
  t.equal(caller.attributes(directory).blocks, 0)
  t.ok(fences <= 3 * 4, `${fences} fences for ${blocks} blocks`)
  t.same(problemsOf(volume.medium, true), [])
  t.end()
})

const parts = 1400

/** Cuts a file of several transactions to 1 byte, with another worker's calls between the first ones. */
function cutMeanwhile(
  t: Test,
  happens: (other: EngineCaller, file: number, time: number) => void,
  isNamed = true,
): { volume: TestVolume; file: number; times: number } {
  const volume = TestVolume.of(t, 4096)
  const other = new EngineCaller(volume.volume.engine(1), volume.medium)
  t.teardown(() => other.release())
  const file = must(volume.caller.file(root, 'file'))
  for (let n = parts - 1; n >= 0; n--)
    must(volume.caller.write(file, n * 512 * blockBytes, Buffer.from('old')))
  if (!isNamed) must(volume.caller.unlink(root, 'file'))
  const times = between(t, (time) => happens(other, file, time))
  t.equal(volume.caller.truncate(file, 1), 0)
  return { volume, file, times: times() }
}

void test('another worker makes a file between each two parts of a cut', (t) => {
  const made: number[] = []
  const { volume, file, times } = cutMeanwhile(t, (other, _file, time) => {
    made.push(must(other.file(root, `made ${time}`)))
  })
  t.ok(times >= 3, `${times} times`)
  t.equal(made.length, times)
  t.equal(volume.caller.attributes(file).size, 1)
  t.equal(volume.caller.attributes(file).blocks <= 4, true, 'all of it is freed when the call returns')
  t.same(problemsOf(volume.medium), [])
  t.end()
})

for (const isNamed of [true, false]) {
  const which = isNamed ? 'a file' : 'a nameless file'
  void test(`${which} that is cut is written, read, cut and removed meanwhile`, (t) => {
    const seen: unknown[] = []
    const { volume, file, times } = cutMeanwhile(
      t,
      (other, number, time) => {
        if (time === 1) {
          seen.push(other.attributes(number).size, (other.read(number, 0, 100) as Buffer).toString())
          // It grows: what is left of the cut goes first, so no old bytes come back.
          seen.push(other.write(number, 5 * 512 * blockBytes + 3, Buffer.from('new')))
        }
        if (time === 2) seen.push(other.truncate(number, 3 * 512 * blockBytes + 2))
        if (time === 2 && isNamed) seen.push(other.unlink(root, 'file'))
      },
      isNamed,
    )
    t.ok(times >= 1)
    t.same(seen.slice(0, 3), [1, 'o', 3])
    const { size } = volume.caller.attributes(file)
    t.ok(size === 5 * 512 * blockBytes + 6 || size === 3 * 512 * blockBytes + 2, `${size} bytes`)
    for (let n = 1; n < 6; n++) {
      const got = volume.caller.read(file, n * 512 * blockBytes, 3) as Buffer
      t.ok(
        got.every((byte) => byte === 0),
        'zeros, where old bytes were',
      )
    }
    if (volume.caller.lookup(root, 'file') > 0) must(volume.caller.unlink(root, 'file'))
    volume.reopen()
    t.same(problemsOf(volume.medium), [])
    t.end()
  })
}

void test('a copy into a file that is being cut frees what is left first', (t) => {
  const seen: unknown[] = []
  const { volume, file, times } = cutMeanwhile(t, (other, number, time) => {
    if (time !== 1) return
    const source = must(other.file(root, 'source'))
    must(other.write(source, 0, Buffer.from('new')))
    seen.push(other.copy(source, 0, number, 5 * 512 * blockBytes + 3, 3))
  })
  t.ok(times >= 1)
  t.same(seen, [3])
  t.equal(volume.caller.attributes(file).size, 5 * 512 * blockBytes + 6)
  for (let n = 1; n < 6; n++)
    t.same(volume.caller.read(file, n * 512 * blockBytes, 3), Buffer.alloc(3), `${n}`)
  t.same(volume.caller.read(file, 5 * 512 * blockBytes + 3, 3), Buffer.from('new'))
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a cut far beyond the map of a sparse file reads its nodes alone', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller, medium } = volume
  const file = caller.file(root, 'sparse')
  must(caller.write(file, 0, Buffer.alloc(3 * blockBytes, 1)))
  must(caller.truncate(file, 2 ** 38))
  const wordsOf = medium.wordsOf.bind(medium)
  let strayed = 0
  medium.wordsOf = (block) => {
    const base = medium.wordOf(block)
    return new Proxy(wordsOf(block), {
      get(words, key) {
        const index = Number(key)
        if (!Number.isNaN(index) && (index < base || index >= base + blockBytes / 4)) strayed++
        const value: unknown = Reflect.get(words, key)
        return typeof value === 'function' ? (value.bind(words) as unknown) : value
      },
    })
  }
  t.equal(caller.truncate(file, 2 ** 38 - 2 ** 30), 0)
  t.equal(caller.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 ** 37, blockBytes), 0)
  t.equal(strayed, 0)
  t.end()
})
