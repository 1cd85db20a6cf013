// SPDX-License-Identifier: GPL-2.0-only
/** Dumps the superblock: the copy that holds, or, where none does, what lies in its places. */
import { deviceHeader } from '../../../layout/device-header.js'
import { headerBlock, superblockBlock } from '../../../layout/geometry.js'
import {
  damageTextBytes,
  labelBytes,
  mostDevices,
  stateClean,
  stateDirty,
  superblock as layout,
} from '../../../layout/superblock.js'
import { type DeviceHeader, identifierText, loadHeader } from '../../fs/device-header.js'
import { beginsDevice } from '../../fs/segments.js'
import { type Superblock, loadSuperblock } from '../../fs/superblock.js'
import { secondCopyOf } from '../../fs/superblock-copies.js'
import type { Medium } from '../../pmem/medium.js'
import { nameText } from '../name-text.js'
import { type DumpField, type DumpRow, type DumpSection, field, section } from './section.js'
import { type FieldTeller, bytesAt, hexWord, structureFields } from './structure-fields.js'
import { secondsText } from './time-text.js'

const at = layout.word

/** The headers of devices and all copies of the superblock, whole or not, of a medium of at least two blocks. */
export function dumpSuperblocks(medium: Medium): DumpSection[] {
  const first = loadSuperblock(medium, superblockBlock)
  const header = loadHeader(medium, headerBlock)
  const second = placeOfSecond(medium, header, first)
  const sections = [
    dumpHeader(header, headerBlock, 0),
    dumpCopy(first, `superblock, first copy (block ${superblockBlock})`),
    dumpCopy(loadSuperblock(medium, second), `superblock, second copy (block ${second})`),
  ]
  for (const segment of first.segments.slice(1).filter(beginsDevice)) {
    const copy = segment.first + superblockBlock
    if (!medium.has(segment.first) || !medium.has(copy)) continue
    const { device } = segment
    const title = `superblock, copy of device ${device} (block ${copy})`
    sections.push(
      dumpHeader(loadHeader(medium, segment.first), segment.first, device),
      dumpCopy(loadSuperblock(medium, copy), title),
    )
  }
  return sections
}

/**
 * Where opening looks for the second copy, where the first one says that it is, even if damaged, or the last block: the
 * first place with a whole copy, or else the first place.
 */
function placeOfSecond(medium: Medium, header: DeviceHeader, first: Superblock): number {
  const { firstDeviceBlocks } = medium
  const understood = header.isUnderstood() ? header : null
  const sought = secondCopyOf(firstDeviceBlocks, understood, first.isWhole() ? first : null)
  const places = [sought, first.secondCopyBlock, firstDeviceBlocks - 1].filter(
    (block) => block > 0 && block < firstDeviceBlocks,
  )
  return places.find((block) => loadSuperblock(medium, block).isWhole()) ?? places[0]!
}

function dumpHeader(header: DeviceHeader, block: number, device: number): DumpSection {
  const fields = structureFields(deviceHeader, header.words, 0, {
    magicLow: magic('magicLow'),
    magicHigh: magic('magicHigh'),
    checksum: bits('checksum'),
    joinedSeconds: (words, word) => secondsField('joinedSeconds', words[word]! + words[word + 1]! * 2 ** 32),
  })
  const damage: string[] = []
  if (!header.hasMagic()) damage.push('it has no magic')
  else if (!header.isWhole()) damage.push(`checksum should be 0x${hexWord(header.checksum())}`)
  return section(`header of device ${device} (block ${block})`, fields, [], damage)
}

function magic(name: string): FieldTeller {
  return (words, word) => field(name, nameText(bytesAt(words, word, 4)))
}

function bits(name: string): FieldTeller {
  return (_words, _word, value) => field(name, value, `0x${hexWord(value)}`)
}

export function dumpSuperblock(superblock: Superblock): DumpSection {
  return dumpCopy(superblock, 'superblock')
}

function dumpCopy(superblock: Superblock, title: string): DumpSection {
  const fields = structureFields(layout, superblock.words, 0, tellersFor(superblock))
  const damage: string[] = []
  if (!superblock.hasMagic()) damage.push('it has no magic')
  else if (!superblock.isWhole()) damage.push(`checksum should be 0x${hexWord(superblock.checksum())}`)
  return section(title, fields, segmentRows(superblock), damage)
}

function tellersFor(superblock: Superblock): Readonly<Record<string, FieldTeller>> {
  const text = (name: string, lengthBytes: number): FieldTeller => {
    return (words, word) => field(name, nameText(withoutPadding(bytesAt(words, word, lengthBytes))))
  }
  const seconds = (name: string): FieldTeller => {
    return (_words, word) => secondsField(name, superblock.getNumber(word))
  }
  return {
    magicLow: magic('magicLow'),
    magicHigh: magic('magicHigh'),
    checksum: bits('checksum'),
    compat: bits('compat'),
    incompat: bits('incompat'),
    readOnlyCompat: bits('readOnlyCompat'),
    state: (_words, _word, value) => field('state', value, `${value} (${stateText(value)})`),
    uuid: () => field('uuid', superblock.uuid),
    label: text('label', labelBytes),
    createdSeconds: seconds('createdSeconds'),
    mountedSeconds: seconds('mountedSeconds'),
    firstDamageSeconds: seconds('firstDamageSeconds'),
    lastDamageSeconds: seconds('lastDamageSeconds'),
    firstDamage: text('firstDamage', damageTextBytes),
    lastDamage: text('lastDamage', damageTextBytes),
    devices: () => field('devices', superblock.get(at.deviceCount)),
    segments: () => field('segments', segmentRows(superblock).length),
  }
}

function segmentRows(superblock: Superblock): DumpRow[] {
  return superblock.segments.map((entry, index) => {
    const { first, blocks, device, deviceBlock, bitmapStart, dataStart } = entry
    // A damaged copy may name any device.
    const identifier = identifierText(superblock, Math.min(device, mostDevices - 1))
    const place = { device, deviceBlock, firstBlock: first, blocks }
    return { segment: index, ...place, bitmapStart, dataStart, identifier }
  })
}

function secondsField(name: string, seconds: number): DumpField {
  return field(name, seconds, seconds === 0 ? 'never' : `${secondsText(seconds)}Z`)
}

function stateText(state: number): string {
  return state === stateClean ? 'clean' : state === stateDirty ? 'dirty' : 'unknown'
}

function withoutPadding(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0)
  return end < 0 ? bytes : bytes.subarray(0, end)
}
