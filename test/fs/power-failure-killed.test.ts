// SPDX-License-Identifier: GPL-2.0-only
/**
 * A loss of power after a server was killed. What that had stored is in the caches: the next server sees it, goes on
 * from it, and has to make durable what it relies on.
 */
import tap from 'tap'
import { blockBytes, headerBlock } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { SET_MODE } from '../../src/fs/attributes.js'
import { headerFor, loadHeader } from '../../src/fs/device-header.js'
import { deviceSegments } from '../../src/fs/segments.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { exploreRecording, settle } from '../support/crash-explorer.js'
import { EngineCaller } from '../support/engine-caller.js'
import { extent } from '../support/extent.js'
import { useDevicesBySeed } from '../support/medium-in-use.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, root } from '../support/test-volume.js'
import { difference } from '../support/tree.js'

useDevicesBySeed()
tap.setTimeout(240_000)

const at = layout.word
const random = new Random(seed)
/** Of the moments at which a server is killed, one in so many is tried, and the last ones of each call. */
const momentsEvery = extent(1, 12)
const lastMoments = 4

class Killed extends Error {}

/** A medium whose server dies before it flushes something, or waits for what it has flushed. */
class MortalMedium extends RecordingMedium {
  /** So many flushes and fences are still done. */
  left = Infinity

  /** What had been handed to the helper, and not done, is lost. */
  revive(): void {
    this.left = Infinity
    this.steps = []
  }

  override flush(block: number, offset: number, length: number): void {
    this.#live()
    super.flush(block, offset, length)
  }

  override fence(): void {
    this.#live()
    super.fence()
  }

  #live(): void {
    if (--this.left < 0) throw new Killed('the server was killed')
  }
}

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

const calls: Readonly<Record<string, (caller: EngineCaller) => void>> = {
  nothing: () => undefined,
  create: (caller) => must(caller.file(root, 'new')),
  mkdir: (caller) => must(caller.mkdir(root, 'new')),
  rename: (caller) => must(caller.rename(root, 'one', root, 'moved')),
  unlink: (caller) => must(caller.unlink(root, 'one')),
  append: (caller) => must(caller.write(must(caller.lookup(root, 'one')), 9000, Buffer.alloc(7000, 2))),
  truncate: (caller) => must(caller.truncate(must(caller.lookup(root, 'one')), 100)),
}

/** Changes what each of these has changed: the directory, and the inode of `one` where it is there. */
function goOn(caller: EngineCaller): void {
  must(caller.setattr(root, { mask: SET_MODE, mode: 0o711 }))
  must(caller.file(root, 'later'))
  for (const name of ['one', 'moved']) {
    const inode = caller.lookup(root, name)
    if (inode > 0) must(caller.setattr(inode, { mask: SET_MODE, mode: 0o600 }))
  }
  must(caller.rename(root, 'two', root, 'second'))
}

function made(): readonly Uint8Array[] {
  const volume = TestVolume.make(256)
  for (const name of ['one', 'two']) {
    const inode = must(volume.caller.file(root, name))
    must(volume.caller.write(inode, 0, Buffer.alloc(9000, 1)))
  }
  volume.close()
  return volume.medium.bytes
}

const copyOf = (bytes: readonly Uint8Array[]): MortalMedium =>
  new MortalMedium(bytes.map((window) => window.slice()))

/** Records what a server does, which dies after so many flushes and fences. @returns how many were left */
function dieIn(medium: MortalMedium, steps: number, serve: () => void): number {
  medium.startRecording()
  medium.left = steps
  try {
    serve()
  } catch (error) {
    if (!(error instanceof Killed)) throw error
  }
  const { left } = medium
  medium.revive()
  return left
}

/** Records a mount and a call, in which the server may die. */
function serveAndDie(medium: MortalMedium, steps: number, call: (caller: EngineCaller) => void): number {
  return dieIn(medium, steps, () => {
    const volume = TestVolume.open(medium)
    call(volume.caller)
    volume.drop()
  })
}

for (const [name, call] of Object.entries(calls)) {
  void tap.test(
    `${name}: the server is killed at any moment, and the power is lost while the next one serves`,
    (t) => {
      const bytes = made()
      const most = 1e6
      const [mount, all] = [calls['nothing']!, call].map(
        (done) => most - serveAndDie(copyOf(bytes), most, done),
      )
      let images = 0
      for (let steps = name === 'nothing' ? 0 : mount!; steps <= all!; steps++) {
        if (steps < all! - lastMoments && random.below(momentsEvery) > 0) continue
        const medium = copyOf(bytes)
        serveAndDie(medium, steps, call)
        const next = TestVolume.open(medium)
        // Another worker than the one that was in the call.
        const other = new EngineCaller(next.volume.engine(1), medium)
        goOn(other)
        other.release()
        const recording = medium.stopRecording()
        next.drop()
        const after = settle(medium.clone()).tree
        const found = exploreRecording(recording, random, (got, returned) =>
          returned ? difference(got, after) : null,
        )
        images += found.images
        t.same(found.failures, [], `killed at ${steps} of ${all}`)
      }
      t.ok(images > 10, `${images} images (PMFS2_SEED=${seed})`)
      t.end()
    },
  )
}

/** Has a server die in storing something, and mounts for the next one. */
function storedByKilled(medium: MortalMedium, store: () => void): Replay {
  dieIn(medium, 0, store)
  const next = TestVolume.open(medium)
  const replay = new Replay(medium.stopRecording())
  next.drop()
  return replay
}

void tap.test('a header that it has stored anew is durable once the next one has mounted', (t) => {
  const bytes = made()
  const { superblock } = readSuperblock(copyOf(bytes))
  for (const [device, { first }] of deviceSegments(superblock).entries()) {
    const block = first + headerBlock
    const medium = copyOf(bytes)
    medium.zero(block, 0, blockBytes)
    const header = headerFor(superblock, device)
    const replay = storedByKilled(medium, () => header.store(medium, block))
    while (replay.advance());
    t.ok(loadHeader(replay.image({ kind: 'certain' }), block).isWhole(), `device ${device + 1}`)
  }
  t.end()
})

void tap.test('a copy of the superblock that it has stored is durable before another is written', (t) => {
  const bytes = made()
  for (const block of readSuperblock(copyOf(bytes)).superblock.copyBlocks) {
    const medium = copyOf(bytes)
    const { superblock } = readSuperblock(medium)
    superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)
    const replay = storedByKilled(medium, () => superblock.store(medium, block))
    while (replay.advance()) {
      const blocks = replay.lines.map((line) => Math.floor(line / blockBytes))
      const underWay = superblock.copyBlocks.filter((copy) => blocks.includes(copy))
      t.ok(underWay.length <= 1, `block ${block}, fence ${replay.fence}: ${underWay.join()}`)
    }
  }
  t.end()
})
