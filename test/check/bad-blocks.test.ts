// SPDX-License-Identifier: GPL-2.0-only
/** What fsck says of bad blocks. */
import { test } from 'tap'
import { checkVolume } from '../../src/check/check-volume.js'
import { Report } from '../../src/check/report.js'
import { BadBlocks } from '../../src/fs/bad-blocks.js'
import { inodeField as field } from '../../src/fs/inode.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { FaultyMedium } from '../support/faulty-medium.js'
import { Patient, makeSample } from '../support/sample.js'

const sample = makeSample()

void test('fsck reports a bad block once, and not of what would follow from it', (t) => {
  const patient = new Patient(sample)
  const medium = FaultyMedium.of(patient.medium)
  const block = patient.field(sample.inodes.long, field.root)
  t.not(block, 0)
  medium.spoil(block)
  const bad = new BadBlocks()
  medium.onBadBlock = (found) => bad.add(found) !== 'full'
  const report = new Report()
  checkVolume(medium, readSuperblock(medium).superblock, report, () => undefined, bad)
  t.match(
    report.problems.map(({ message }) => message),
    [new RegExp(`^inode ${sample.inodes.long}: .* is bad, and holds its target$`)],
  )
  t.equal(report.problems.length, 1)
  t.end()
})
