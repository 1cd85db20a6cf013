// SPDX-License-Identifier: GPL-2.0-only
/** A damaged orphan list holds nobody up: it is set aside where it is damaged, and that is told. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { flagOrphan } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { inodeField as field } from '../../src/fs/inode.js'
import { exploreCall } from '../support/crash-explorer.js'
import { Random } from '../support/random.js'
import { Patient, type SampleInodes, makeSample } from '../support/sample.js'
import { TestVolume, root } from '../support/test-volume.js'

const sample = makeSample()
const beyond = 0x7fff_fff0

/** The list is nameless2, nameless, removed. */
const damages: readonly (readonly [what: string, do_: (p: Patient, inodes: SampleInodes) => void])[] = [
  ['its head is no inode', (p) => p.set(rootsBlock, roots.word.orphanInode, beyond)],
  ['its head is in use', (p, { one }) => p.set(rootsBlock, roots.word.orphanInode, one)],
  ['the head has lost its flag', (p, { nameless2 }) => p.setField(nameless2, field.flags, 0)],
  ['the head is free', (p, { nameless2 }) => p.setField(nameless2, field.mode, 0)],
  ['the head is of no type', (p, { nameless2 }) => p.setField(nameless2, field.mode, 0x1_0000)],
  ['the head has one before it', (p, { nameless2 }) => p.setField(nameless2, field.previous, beyond)],
  ['the head leads to no inode', (p, { nameless2 }) => p.setField(nameless2, field.next, beyond)],
  ['the head leads to itself', (p, { nameless2 }) => p.setField(nameless2, field.next, nameless2)],
  [
    'the head is alone with itself',
    (p, { nameless2 }) => {
      p.setField(nameless2, field.next, nameless2)
      p.setField(nameless2, field.previous, nameless2)
    },
  ],
  ['the second names another', (p, { nameless, one }) => p.setField(nameless, field.previous, one)],
  ['the second has lost its flag', (p, { nameless }) => p.setField(nameless, field.flags, 0)],
  ['the last has lost its flag', (p, { removed }) => p.setField(removed, field.flags, 0)],
  ['the last leads back', (p, { removed, nameless2 }) => p.setField(removed, field.next, nameless2)],
]

for (const isLate of [true, false]) {
  for (const [what, damage] of damages) {
    void test(`${what}, ${isLate ? 'while mounted' : 'before'}`, (t) => {
      const patient = new Patient(sample)
      const told: string[] = []
      const volume = TestVolume.open(isLate ? freshMedium() : damagedMedium())
      function damagedMedium() {
        damage(patient, sample.inodes)
        return patient.medium
      }
      function freshMedium() {
        // Opening would finish the orphans: an open volume is one whose orphans were made since.
        return patient.medium
      }
      const { caller } = volume
      volume.volume.onDamage = (line) => told.push(line)
      if (isLate) {
        const orphans = [caller.mkdir(root, 'gone'), caller.nameless(root), caller.nameless(root)] as const
        caller.rmdir(root, 'gone')
        // The last one added is the first: as in the sample.
        const [removed, nameless, nameless2] = [orphans[0], orphans[1], orphans[2]]
        caller.engine.verify()
        const late = new Patient({ medium: volume.medium, inodes: sample.inodes })
        relink(volume, [nameless2, nameless, removed])
        damage(late, { ...sample.inodes, removed, nameless, nameless2 })
        copyInto(volume, late)
      }
      const calls = () => [
        caller.file(root, 'a'),
        caller.unlink(root, 'a'),
        caller.mkdir(root, 'b'),
        caller.rmdir(root, 'b'),
        caller.file(root, 'c'),
        caller.file(root, 'd'),
        caller.rename(root, 'c', root, 'd'),
        caller.nameless(root),
        caller.unlink(root, 'small'),
        caller.truncate(caller.lookup(root, 'sparse'), 0),
      ]
      const got = calls()
      t.ok(
        got.every((result) => result >= 0),
        got.join(' '),
      )
      if (!isLate) t.match(volume.volume.notices.join(), /list of unlinked files is damaged/)
      volume.close()
      const again = TestVolume.open(volume.medium)
      t.notMatch(again.volume.notices.join(), /list of unlinked files/, 'what is left is a sound list')
      again.close()
      t.end()
    })
  }
}

function copyInto(volume: TestVolume, patient: Patient): void {
  const words = patient.medium.wordsOf(0)
  volume.medium.wordsOf(0).set(words)
}

/** Puts the orphans in this order. */
function relink(volume: TestVolume, order: readonly number[]): void {
  const patient = new Patient({ medium: volume.medium, inodes: sample.inodes })
  patient.set(rootsBlock, roots.word.orphanInode, order[0]!)
  order.forEach((inode, n) => {
    patient.setField(inode, field.next, order[n + 1] ?? 0)
    patient.setField(inode, field.previous, order[n - 1] ?? 0)
  })
  copyInto(volume, patient)
}

void test('power lost while a list is set aside', (t) => {
  const patient = new Patient(sample)
  patient.set(rootsBlock, roots.word.orphanInode, 0)
  const volume = TestVolume.open(patient.medium)
  const random = new Random(3)
  for (const call of [
    () => volume.caller.unlink(root, 'small'),
    () => volume.caller.rename(root, 'one', root, 'sparse'),
  ]) {
    volume.medium.store32(rootsBlock, roots.word.orphanInode, 1)
    t.same(
      exploreCall(volume, call, random, () => null).failures.filter((line) => !/orphan|names/.test(line)),
      [],
    )
  }
  volume.drop()
  t.end()
})

void test('a file whose cut was interrupted is cut before it grows', (t) => {
  for (const grow of ['write', 'truncate'] as const) {
    for (const isListed of [false, true]) {
      const volume = TestVolume.make(1024)
      const { caller } = volume
      const file = caller.file(root, 'file')
      caller.write(file, 0, Buffer.alloc(100_000, 'old'))
      const inner = new Patient({ medium: volume.medium, inodes: sample.inodes })
      // As a crash leaves it, on a volume whose list is damaged: the new size, the flag, and all the blocks.
      inner.setField(file, field.size, 5000)
      inner.setField(file, field.flags, flagOrphan)
      if (isListed) inner.set(rootsBlock, roots.word.orphanInode, file)
      inner.setField(file, field.next, 0)
      inner.setField(file, field.previous, 0)
      copyInto(volume, inner)
      if (grow === 'write') caller.write(file, 90_000, Buffer.from('new'))
      else caller.truncate(file, 90_003)
      const contents = caller.read(file, 0, 100_000) as Buffer
      t.equal(contents.length, 90_003)
      t.ok(
        contents.subarray(5000, 90_000).every((byte) => byte === 0),
        `${grow}: no old bytes`,
      )
      t.equal(caller.attributes(file).size, 90_003)
      if (grow === 'truncate') {
        const after = new Patient({ medium: volume.medium, inodes: sample.inodes })
        t.equal(after.field(file, field.flags), 0, 'it is an orphan no more')
      }
      t.equal(caller.unlink(root, 'file'), 0)
      caller.forget(file)
      volume.close()
    }
  }
  t.end()
})
