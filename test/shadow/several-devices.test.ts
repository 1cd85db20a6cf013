// SPDX-License-Identifier: GPL-2.0-only
/**
 * Power lost on a volume of two devices that are made durable in different ways: the log may lie on one and what it
 * undoes on the other, a file's blocks on one and the pointers to them on the other.
 */
import { ShadowMedium } from '../support/shadow/shadow-medium.js'
import tap from 'tap'
import { windowBlocks } from '../../layout/geometry.js'
import { exploreCall, judgeAtomic } from '../support/crash-explorer.js'
import { sampleOf } from '../support/extent.js'
import { useMedium } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import type { MemoryKind } from '../support/shadow/recording.js'
import { TestVolume, root } from '../support/test-volume.js'

tap.setTimeout(600_000)

const random = new Random(seed)
/** The lanes of a volume that reaches into a second window take most of the first device. */
const deviceBlocks = [704, 256]
const blockBytes = 4096

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** A volume whose first device is full, with some files; what is made from now on lies on the second. */
function volumeOf(): TestVolume {
  const volume = TestVolume.make(...deviceBlocks)
  const { caller, medium } = volume
  const old = must(caller.file(root, 'old'))
  must(caller.write(old, 0, random.bytes(9000)))
  must(caller.mkdir(root, 'folder'))
  const filler = must(caller.file(root, 'filler'))
  const chunk = random.bytes(4 * blockBytes)
  const second = medium.bytes[1]!.slice()
  for (let at = 0; Buffer.compare(medium.bytes[1]!, second) === 0; at += chunk.length)
    must(caller.write(filler, at, chunk))
  return volume
}

const calls: Record<string, (volume: TestVolume) => unknown> = {
  mkdir: ({ caller }) => must(caller.mkdir(root, 'new')),
  create: ({ caller }) => must(caller.file(root, 'new')),
  append: ({ caller }) => must(caller.write(must(caller.lookup(root, 'old')), 9000, random.bytes(20_000))),
  rename: ({ caller }) => must(caller.rename(root, 'old', must(caller.lookup(root, 'folder')), 'moved')),
  unlink: ({ caller }) => must(caller.unlink(root, 'filler')),
}

const mixtures: readonly (readonly [MemoryKind, MemoryKind])[] = [
  ['cache-lines', 'pages'],
  ['pages', 'cache-lines'],
  ['fence-only', 'pages'],
]

for (const mixture of mixtures) {
  void tap.test(mixture.join(' and '), (t) => {
    useMedium((windows) => ShadowMedium.holding(windows, ...mixture), 1)
    for (const [name, call] of sampleOf(Object.entries(calls), 5)) {
      const volume = volumeOf()
      const { bytes } = volume.medium
      const before = bytes.map((window) => window.slice())
      const { failures, images } = exploreCall(volume, call, random, judgeAtomic)
      t.same(failures, [], `${name}: ${images} images`)
      const changed = bytes.map((window, n) => Buffer.compare(window, before[n]!) !== 0)
      if (name === 'append') t.same(changed, [true, true], 'both devices take part')
      volume.drop()
    }
    t.comment(`PMFS2_SEED=${seed}, second device from block ${windowBlocks} on`)
    t.end()
  })
}
