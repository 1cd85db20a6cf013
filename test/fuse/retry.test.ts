// SPDX-License-Identifier: GPL-2.0-only
/** A request that found no space is served again when some has come back, and not where none can. */
import { test } from 'tap'
import { ECONNABORTED, ENOSPC } from '../../src/fs/errno.js'
import { sliceCost } from '../../src/fuse/patience.js'
import { FUSE_MKDIR, FUSE_WRITE } from '../../src/fuse/protocol.js'
import { CUT_SHORT, Retry } from '../../src/fuse/retry.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

interface Case {
  readonly what: string
  readonly orphans: number
  /** What a wait does and costs. `comeAndGo`: others remove a file that was none of the orphans. */
  readonly wait: (giveBack: () => void, comeAndGo: () => void) => number
  /** What the request gets each time that it is served again; the last one ever after. */
  readonly results: readonly number[]
  readonly served: number
  readonly waits: number
  readonly result: number
}

const cases: readonly Case[] = [
  {
    what: 'a device that is simply full',
    orphans: 0,
    wait: () => sliceCost,
    results: [0],
    ...{ served: 0, waits: 0, result: -ENOSPC },
  },
  {
    what: 'a file is about to be forgotten',
    orphans: 1,
    wait: (giveBack) => (giveBack(), 1),
    results: [0],
    ...{ served: 1, waits: 1, result: 0 },
  },
  {
    what: 'what comes back is not enough',
    orphans: 3,
    wait: (giveBack) => (giveBack(), 1),
    results: [-ENOSPC, CUT_SHORT],
    ...{ served: 3, waits: 3, result: CUT_SHORT },
  },
  {
    what: 'the first of what comes back is enough',
    orphans: 3,
    wait: (giveBack) => (giveBack(), 1),
    results: [CUT_SHORT, 0],
    ...{ served: 2, waits: 2, result: 0 },
  },
  {
    what: 'a file that stays open',
    orphans: 1,
    wait: () => sliceCost,
    results: [0],
    ...{ served: 0, waits: 20, result: -ENOSPC },
  },
  {
    what: 'a file that stays open, and others are served for as long as one waits',
    orphans: 1,
    wait: () => 1,
    results: [0],
    ...{ served: 0, waits: 20 * sliceCost, result: -ENOSPC },
  },
  {
    what: 'waiting is of no use',
    orphans: 1,
    wait: () => 0,
    results: [0],
    ...{ served: 0, waits: 1, result: -ENOSPC },
  },
  {
    what: 'space keeps coming back while one file stays open',
    orphans: 1,
    wait: (_giveBack, comeAndGo) => (comeAndGo(), 1),
    results: [-ENOSPC],
    ...{ served: 100, waits: 100, result: -ENOSPC },
  },
  {
    what: 'space keeps coming back, but too late each time',
    orphans: 1,
    wait: (_giveBack, comeAndGo) => (comeAndGo(), sliceCost),
    results: [CUT_SHORT],
    ...{ served: 20, waits: 20, result: CUT_SHORT },
  },
]

for (const { what, orphans, wait, results, served, waits, result } of cases) {
  void test(what, (t) => {
    const volume = new MemoryVolume(2 ** 24)
    t.teardown(() => volume.release())
    const { engine } = volume
    const nameless = (): number => engine.createNameless(root, newInode(0o100644, 0))
    const held = Array.from({ length: orphans }, nameless)
    const found = { served: 0, waits: 0, result: 0 }
    const patience = {
      isStopped: false,
      wait: () => {
        found.waits++
        return wait(
          () => engine.forget(held.pop()!, 1),
          () => engine.forget(nameless(), 1),
        )
      },
    }
    const servant = { serve: () => results[Math.min(found.served++, results.length - 1)]! }
    const retry = new Retry(engine, patience, servant)
    found.result = retry.serve(FUSE_MKDIR, -ENOSPC, engine.space.freed)
    t.same(found, { served, waits, result })
    for (const inode of held) engine.forget(inode, 1)
    t.end()
  })
}

void test('space that came back while the request was served', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const { engine } = volume
  const seen = engine.space.freed
  engine.forget(engine.createNameless(root, newInode(0o100644, 0)), 1)
  const retry = new Retry(engine, { isStopped: false, wait: () => 0 }, { serve: () => 0 })
  t.equal(retry.serve(FUSE_WRITE, -ENOSPC, seen), 0)
  t.end()
})

void test('files that are being freed are waited for, however long that takes', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const { space } = volume.engine
  const parts = 500
  let waits = 0
  const patience = {
    isStopped: false,
    wait: () => {
      // Every other wait sees none of it.
      if (waits++ % 2 === 1) space.noteFreed()
      if (waits === 2 * parts) space.noteComing(-1)
      return sliceCost
    },
  }
  let served = 0
  const servant = { serve: () => (++served < parts ? -ENOSPC : 0) }
  space.noteComing(1)
  t.equal(new Retry(volume.engine, patience, servant).serve(FUSE_WRITE, -ENOSPC, space.freed), 0)
  t.same([served, waits], [parts, 2 * parts])

  space.noteComing(1)
  const ended = { isStopped: false, wait: () => (space.noteComing(-1), 1) }
  const full = { serve: () => -ENOSPC }
  t.equal(new Retry(volume.engine, ended, full).serve(FUSE_WRITE, -ENOSPC, space.freed), -ENOSPC)
  t.notOk(space.isComing)

  space.noteComing(1)
  const vain = { isStopped: false, wait: () => 0 }
  t.equal(new Retry(volume.engine, vain, full).serve(FUSE_WRITE, -ENOSPC, space.freed), -ENOSPC)
  t.end()
})

void test('a stop cuts a wait short, and is no lack of space', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const { engine } = volume
  const { space } = engine
  const full = { serve: () => -ENOSPC }
  const stopped = new Retry(engine, { isStopped: true, wait: () => 0 }, full)
  const end = (first: number): number => stopped.serve(FUSE_WRITE, first, space.freed)
  t.equal(end(-ENOSPC), -ENOSPC, 'nothing would have come back')
  const held = engine.createNameless(root, newInode(0o100644, 0))
  t.equal(end(-ENOSPC), -ECONNABORTED, 'a file is about to be forgotten')
  t.equal(end(CUT_SHORT), CUT_SHORT, 'there is space for a part')
  engine.forget(held, 1)
  space.noteComing(1)
  t.equal(end(-ENOSPC), -ECONNABORTED, 'a file is being freed')
  t.end()
})

void test('a wait in vain makes the next one short', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const { engine } = volume
  const held = engine.createNameless(root, newInode(0o100644, 0))
  let waits = 0
  const retry = new Retry(engine, { isStopped: false, wait: () => (waits++, sliceCost) }, { serve: () => 0 })
  for (const wanted of [20, 2]) {
    waits = 0
    retry.serve(FUSE_WRITE, -ENOSPC, engine.space.freed)
    t.equal(waits, wanted)
  }
  engine.forget(held, 1)
  t.end()
})

for (const layout of ['devfuse', 'uring'] as const) {
  void test(`writes on a full device as ${layout} lays them out`, (t) => {
    const volume = new MemoryVolume(2 ** 24)
    t.teardown(() => volume.release())
    const driver = new RequestDriver(volume, layout)
    t.teardown(() => driver.release())
    const { engine } = volume
    const file = engine.create(root, nameOf('file'), newInode(0o100644, 0))
    const wanted = 300_000
    let offset = 0
    let written: number
    while ((written = driver.write(file, offset, wanted)) === wanted) offset += written
    t.ok(written > 0 && written < wanted, `the last one that fits is cut short: ${written} bytes`)
    t.equal(driver.getattr(file), offset + written)
    t.equal(driver.write(file, offset + written, wanted), -ENOSPC)
    t.equal(driver.getattr(file), offset + written)
    engine.forget(file, 1)
    t.end()
  })
}
