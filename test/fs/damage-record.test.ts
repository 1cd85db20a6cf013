// SPDX-License-Identifier: GPL-2.0-only
/** What becomes of the damage that calls meet: each place is told once, and the superblock keeps count over mounts. */
import { test } from 'tap'
import { childIsNode, leafHeader } from '../../layout/directory.js'
import { superblock as layout } from '../../layout/superblock.js'
import { type DamageRecord, damageRecord, recordDamage } from '../../src/fs/damage-record.js'
import { mostDamagedPlaces } from '../../src/fs/damage.js'
import { EUCLEAN } from '../../src/fs/errno.js'
import { inodeField as field } from '../../src/fs/inode.js'
import { Superblock } from '../../src/fs/superblock.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { DeviceError } from '../../src/pmem/device-error.js'
import { EngineCaller } from '../support/engine-caller.js'
import { Patient, makeSample } from '../support/sample.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const sample = makeSample()
const { one, many, small } = sample.inodes
const beyond = 0x7fff_fff0

/** A volume on which file `one` has lost its block. */
function damagedVolume(): TestVolume {
  const patient = new Patient(sample)
  patient.setField(one, field.root, beyond)
  return TestVolume.open(patient.medium)
}

/** What the medium says, for whoever opens it next. */
function recordOn({ medium }: TestVolume): DamageRecord | null {
  return damageRecord(readSuperblock(medium).superblock)
}

const lost = `inode ${one}: block ${beyond} is named as data`

void test('a place is told once, and counted each time', (t) => {
  const volume = damagedVolume()
  const told: string[] = []
  volume.volume.onDamage = (what) => told.push(what)
  t.equal(recordOn(volume), null, 'nothing was met yet')
  t.equal(volume.caller.read(one, 0, 1), -EUCLEAN)
  t.match(
    recordOn(volume),
    { count: 1, first: { what: lost }, last: { what: lost } },
    'when the call returns',
  )
  for (let n = 0; n < 9; n++) t.equal(volume.caller.read(one, 0, 1), -EUCLEAN)
  t.same(told, [lost])
  t.same(volume.volume.damagedPlaces, [lost])
  t.equal(volume.volume.state.damageMet, 10)
  volume.close()
  t.equal(recordOn(volume)?.count, 10, 'the end of a mount leaves the whole count')

  volume.reopen()
  t.match(volume.volume.notices, [
    /^damage was met 10 times, first on \d{4}-\d\d-\d\dT\S+Z \(inode \d+: .*\), last on .*; pmfs2-fuse fsck/,
  ])
  t.equal(volume.caller.read(one, 0, 1), -EUCLEAN)
  t.equal(recordOn(volume)?.count, 11, 'the next mount goes on counting')
  volume.close()
  t.end()
})

void test('the first place stays, the last one changes', (t) => {
  const volume = damagedVolume()
  const places = [
    ['place 1', epoch],
    ['place 2', epoch + 5000],
    ['place 1', epoch + 9000],
  ] as const
  for (const [place, now] of places) {
    volume.volume.state.countDamage()
    volume.volume.noteDamage(place, now)
  }
  const [first, last] = [
    { seconds: epoch / 1000, what: 'place 1' },
    { seconds: epoch / 1000 + 5, what: 'place 2' },
  ]
  t.match(recordOn(volume), { first, last })
  volume.drop()
  t.end()
})

void test('a volume in ruins', (t) => {
  const volume = damagedVolume()
  const told: string[] = []
  volume.volume.onDamage = (what) => told.push(what)
  for (let n = 0; n < 1000; n++) volume.volume.noteDamage(`place ${n}`, epoch)
  t.equal(told.length, mostDamagedPlaces + 1)
  t.match(told.at(-1), /^in 64 places so far; further ones are counted, and not told$/)
  t.equal(volume.volume.damagedPlaces.length, mostDamagedPlaces)
  volume.drop()
  t.end()
})

void test('a listing that leaves something out', (t) => {
  const patient = new Patient(sample)
  const leaf = patient.field(many, field.height) === childIsNode ? patient.get(patient.rootOf(many), 0) : 0
  patient.set(leaf, leafHeader.lengthWords + 1, (0x3ff | (255 << 10) | (8 << 18)) >>> 0)
  const volume = TestVolume.open(patient.medium)
  t.ok(volume.caller.entries(many).length > 300)
  t.match(recordOn(volume), {
    last: { what: `inode ${many}: an entry of leaf ${leaf} of a directory reaches beyond it` },
  })
  volume.drop()
  t.end()
})

void test('an inode of no known type, and a file that is too large', (t) => {
  const patient = new Patient(sample)
  patient.setField(one, field.mode, 0o030644)
  patient.setField(small, field.size + 1, 0x7fff_ffff)
  const volume = TestVolume.open(patient.medium)
  const { caller } = volume
  t.equal(caller.stat(one), -EUCLEAN)
  t.equal(recordOn(volume)?.last.what, `inode ${one} is of no known type (mode 030644)`)
  for (const call of [() => caller.read(small, 0, 1), () => caller.truncate(small, 5)]) {
    t.equal(call(), -EUCLEAN)
    t.equal(recordOn(volume)?.last.what, `inode ${small} is larger than any file`)
  }
  t.equal(volume.volume.state.damageMet, 3)
  volume.drop()
  t.end()
})

void test('what nobody asked for', (t) => {
  const volume = damagedVolume()
  t.equal(volume.caller.lookup(root, 'one'), one)
  t.equal(volume.caller.unlink(root, 'one'), 0)
  t.equal(volume.volume.state.damageMet, 0)
  volume.caller.forget(one)
  t.match(
    recordOn(volume),
    { count: 1, last: { what: new RegExp(`^inode ${one}: `) } },
    'an eviction that fails',
  )
  volume.drop()
  t.end()
})

void test('a volume that is open for reading only is not marked', (t) => {
  const patient = new Patient(sample)
  patient.setField(one, field.root, beyond)
  const before = readSuperblock(patient.medium).superblock.getNumber(layout.word.sequence)
  const volume = Volume.open(patient.medium, { readOnly: true, now: epoch })
  const caller = new EngineCaller(volume.engine(0), patient.medium)
  t.equal(caller.read(one, 0, 1), -EUCLEAN)
  t.same(volume.damagedPlaces, [lost], 'but it is told')
  volume.close()
  caller.release()
  t.equal(readSuperblock(patient.medium).superblock.getNumber(layout.word.sequence), before)
  t.end()
})

void test('damage that was met read-only is recorded once the volume is writable', (t) => {
  const patient = new Patient(sample)
  patient.setField(one, field.root, beyond)
  const { medium } = patient
  const volume = Volume.open(medium, { readOnly: true, now: epoch })
  const caller = new EngineCaller(volume.engine(0), medium)
  volume.noteDamage('place 1', epoch)
  for (let n = 0; n < 2; n++) t.equal(caller.read(one, 0, 1), -EUCLEAN)
  const recorded = () => damageRecord(readSuperblock(medium).superblock)
  t.equal(recorded(), null)
  volume.becomeWritable(epoch + 5000, false)
  const first = { seconds: epoch / 1000, what: 'place 1' }
  t.match(recorded(), { count: 2, first, last: { what: lost } })
  volume.becomeReadOnly(true)
  volume.noteDamage('place 2', epoch + 9000)
  t.match(recorded(), { count: 2, first, last: { what: lost } })
  volume.becomeWritable(epoch + 9000, false)
  t.match(recorded(), { count: 2, first, last: { seconds: epoch / 1000 + 9, what: 'place 2' } })
  volume.close()
  caller.release()
  t.end()
})

void test('what a failed device yields is no damage', (t) => {
  const volume = damagedVolume()
  const told: string[] = []
  volume.volume.onDamage = (what) => told.push(what)
  const before = readSuperblock(volume.medium).superblock.getNumber(layout.word.sequence)
  volume.medium.check = () => {
    throw new DeviceError('EIO', 'it has failed')
  }
  t.throws(() => volume.caller.read(one, 0, 1), { name: 'DeviceError' })
  t.throws(() => volume.volume.noteDamage('what another worker took for damage', epoch), {
    name: 'DeviceError',
  })
  t.equal(volume.volume.state.damageMet, 0)
  t.same(volume.volume.damagedPlaces, [])
  t.same(told, [])
  t.equal(
    readSuperblock(volume.medium).superblock.getNumber(layout.word.sequence),
    before,
    'nothing is stored',
  )
  t.ok(volume.volume.state.isFailed)
  volume.drop()
  t.end()
})

void test('a listing of what a failed device yields', (t) => {
  const patient = new Patient(sample)
  const leaf = patient.field(many, field.height) === childIsNode ? patient.get(patient.rootOf(many), 0) : 0
  patient.set(leaf, leafHeader.lengthWords + 1, (0x3ff | (255 << 10) | (8 << 18)) >>> 0)
  const volume = Volume.open(patient.medium, { readOnly: true, now: epoch })
  const caller = new EngineCaller(volume.engine(0), patient.medium)
  patient.medium.check = () => {
    throw new DeviceError('EIO', 'it has failed')
  }
  t.throws(() => caller.entries(many), { name: 'DeviceError' }, 'also where it is open for reading only')
  t.equal(volume.state.damageMet, 0)
  t.ok(volume.state.isFailed)
  volume.close()
  caller.release()
  t.end()
})

void test('texts of any length, and of a stranger', (t) => {
  const superblock = new Superblock()
  t.equal(damageRecord(superblock), null)
  recordDamage(superblock, 'x'.repeat(500), epoch)
  superblock.set(layout.word.damageCount, 1)
  t.equal(damageRecord(superblock)?.first.what, 'x'.repeat(120))
  t.equal(superblock.get(layout.word.reserved), 0, 'nothing is written beyond')
  superblock.bytes.set(Buffer.from('\u001b[2J\n'), layout.word.firstDamage * 4)
  t.match(damageRecord(superblock)?.first.what, /^\?\[2J\?x/)
  t.end()
})
