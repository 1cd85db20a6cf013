// SPDX-License-Identifier: GPL-2.0-only
/**
 * The format, pinned: every field's place as literal numbers. A change here is a change of what lies on people's
 * media, and needs a new version or a feature bit.
 */
import { test } from 'tap'
import { structures } from '../../layout/index.js'
import { headerMagicHigh, headerMagicLow, headerMagicText } from '../../layout/device-header.js'
import { magicHigh, magicLow, magicText } from '../../layout/superblock.js'

interface Golden {
  readonly lengthBytes: number
  /** Name, offset, length; in bytes. */
  readonly fields: readonly (readonly [name: string, offset: number, length: number])[]
}

const golden: Readonly<Record<string, Golden>> = {
  'device header': {
    lengthBytes: 4096,
    fields: [
      ['magicLow', 0, 4],
      ['magicHigh', 4, 4],
      ['version', 8, 4],
      ['checksum', 12, 4],
      ['volume', 16, 16],
      ['device', 32, 16],
      ['index', 48, 4],
      ['blocks', 52, 4],
      ['joinedSeconds', 56, 8],
      ['secondCopy', 64, 4],
      ['reserved', 68, 4028],
    ],
  },
  superblock: {
    lengthBytes: 4096,
    fields: [
      ['magicLow', 0, 4],
      ['magicHigh', 4, 4],
      ['version', 8, 4],
      ['checksum', 12, 4],
      ['compat', 16, 4],
      ['incompat', 20, 4],
      ['readOnlyCompat', 24, 4],
      ['state', 28, 4],
      ['sequence', 32, 8],
      ['blockCount', 40, 4],
      ['blockBytes', 44, 4],
      ['uuid', 48, 16],
      ['label', 64, 64],
      ['createdSeconds', 128, 8],
      ['mountedSeconds', 136, 8],
      ['mountCount', 144, 4],
      ['laneStart', 148, 4],
      ['laneCount', 152, 4],
      ['secondCopy', 156, 4],
      ['hashKey', 160, 16],
      ['identity', 176, 16],
      ['deviceCount', 192, 4],
      ['segmentCount', 196, 4],
      ['devices', 200, 256],
      ['segments', 456, 1024],
      ['firstDamageSeconds', 1480, 8],
      ['lastDamageSeconds', 1488, 8],
      ['damageCount', 1496, 4],
      ['firstDamage', 1500, 120],
      ['lastDamage', 1620, 120],
      ['reserved', 1740, 2356],
    ],
  },
  segment: {
    lengthBytes: 32,
    fields: [
      ['first', 0, 4],
      ['blocks', 4, 4],
      ['device', 8, 4],
      ['deviceBlock', 12, 4],
      ['bitmapStart', 16, 4],
      ['dataStart', 20, 4],
      ['reserved', 24, 8],
    ],
  },
  roots: {
    lengthBytes: 64,
    fields: [
      ['tableRoot', 0, 4],
      ['tableHeight', 4, 4],
      ['tableBlocks', 8, 4],
      ['freeInode', 12, 4],
      ['orphanInode', 16, 4],
      ['usedInodes', 20, 4],
      ['heldBlocks', 24, 4],
      ['freshGeneration', 28, 4],
      ['isListed', 32, 4],
      ['badRoot', 36, 4],
      ['badHeight', 40, 4],
      ['identity', 44, 16],
      ['reserved', 60, 4],
    ],
  },
  'lane header': {
    lengthBytes: 64,
    fields: [
      ['generation', 0, 8],
      ['reserved', 8, 56],
    ],
  },
  'undo entry': {
    lengthBytes: 64,
    fields: [
      ['generation', 0, 8],
      ['checksum', 8, 4],
      ['kind', 12, 4],
      ['block', 16, 4],
      ['offset', 20, 4],
      ['data', 24, 40],
    ],
  },
  inode: {
    lengthBytes: 256,
    fields: [
      ['mode', 0, 4],
      ['uid', 4, 4],
      ['gid', 8, 4],
      ['links', 12, 4],
      ['size', 16, 8],
      ['blocks', 24, 4],
      ['flags', 28, 4],
      ['mtime', 32, 8],
      ['ctime', 40, 8],
      ['root', 48, 4],
      ['height', 52, 4],
      ['atime', 56, 8],
      ['btime', 64, 8],
      ['generation', 72, 4],
      ['device', 76, 4],
      ['parent', 80, 4],
      ['next', 84, 4],
      ['xattrRoot', 88, 4],
      ['previous', 92, 4],
      ['xattrBytes', 96, 4],
      ['project', 100, 4],
      ['checksum', 104, 4],
      ['reserved', 108, 20],
      ['inline', 128, 128],
    ],
  },
  'map entry': {
    lengthBytes: 8,
    fields: [
      ['block', 0, 4],
      ['flags', 4, 4],
    ],
  },
  'attribute entry': {
    lengthBytes: 8,
    fields: [
      ['key', 0, 4],
      ['length', 4, 4],
    ],
  },
  'attribute block': {
    lengthBytes: 16,
    fields: [
      ['inode', 0, 4],
      ['bytes', 4, 4],
      ['checksum', 8, 4],
      ['reserved', 12, 4],
    ],
  },
  'acl header': {
    lengthBytes: 4,
    fields: [['version', 0, 4]],
  },
  'acl entry': {
    lengthBytes: 8,
    fields: [
      ['tag', 0, 4],
      ['id', 4, 4],
    ],
  },
  'leaf header': {
    lengthBytes: 24,
    fields: [
      ['slots', 0, 4],
      ['recordStart', 4, 4],
      ['garbageWords', 8, 4],
      ['depth', 12, 4],
      ['checksum', 16, 4],
      ['reserved', 20, 4],
    ],
  },
  'leaf slot': {
    lengthBytes: 8,
    fields: [
      ['hash', 0, 4],
      ['place', 4, 4],
    ],
  },
  'leaf record': {
    lengthBytes: 4,
    fields: [['inode', 0, 4]],
  },
}

void test('every structure lies as it always did', (t) => {
  t.same(
    structures.map(({ name }) => name),
    Object.keys(golden),
  )
  for (const { name, lengthBytes, fields } of structures) {
    const found = fields.map((field) => [field.name, field.offsetBytes, field.lengthBytes])
    t.same({ lengthBytes, fields: found }, golden[name], name)
  }
  t.end()
})

void test('fields follow one another without gaps', (t) => {
  for (const { name, fields, lengthBytes, lengthWords, word } of structures) {
    let next = 0
    for (const field of fields) {
      t.equal(field.offsetBytes, next, `${name}.${field.name}`)
      t.equal(word[field.name], field.offsetBytes / 4, `word of ${name}.${field.name}`)
      next += field.lengthBytes
    }
    t.equal(next, lengthBytes, `${name} is filled`)
    t.equal(lengthWords * 4, lengthBytes, `${name} in words`)
  }
  t.end()
})

void test('each magic spells its name', (t) => {
  for (const [low, high, text] of [
    [headerMagicLow, headerMagicHigh, headerMagicText],
    [magicLow, magicHigh, magicText],
  ] as const) {
    const bytes = Buffer.alloc(8)
    bytes.writeUInt32LE(low, 0)
    bytes.writeUInt32LE(high, 4)
    t.equal(bytes.toString('latin1'), text)
  }
  t.same([headerMagicText, magicText], ['PMFS2\0\r\n', 'PMFS2SB\n'])
  t.end()
})
