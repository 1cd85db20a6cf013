// SPDX-License-Identifier: GPL-2.0-only
/** Dumps the superblock: the copy that holds, or, where none does, what lies in its places. */
import { blockWords, superblockBlock } from '../../../layout/geometry.js'
import {
  damageTextBytes,
  deviceEntryWords,
  labelBytes,
  mostDevices,
  stateClean,
  stateDirty,
  superblock as layout,
} from '../../../layout/superblock.js'
import type { Superblock } from '../../fs/superblock.js'
import type { Medium } from '../../pmem/medium.js'
import { nameText } from '../name-text.js'
import { loadSuperblock } from '../superblock-check.js'
import { type DumpField, type DumpRow, type DumpSection, field, section } from './section.js'
import { type FieldTeller, bytesAt, hexOf, hexWord, structureFields } from './structure-fields.js'
import { secondsText } from './time-text.js'

const at = layout.word

/** Both copies, whole or not, of a medium of at least one block. */
export function dumpSuperblocks(medium: Medium): DumpSection[] {
  const first = loadSuperblock(medium, superblockBlock)
  const said = first.secondCopyBlock
  const second = said > 0 && said < medium.blockCount && isThere(medium, said) ? said : medium.blockCount - 1
  return [
    dumpCopy(first, `superblock, first copy (block ${superblockBlock})`),
    dumpCopy(loadSuperblock(medium, second), `superblock, second copy (block ${second})`),
  ]
}

export function dumpSuperblock(superblock: Superblock): DumpSection {
  return dumpCopy(superblock, 'superblock')
}

function dumpCopy(superblock: Superblock, title: string): DumpSection {
  const fields = structureFields(layout, superblock.words, 0, tellersFor(superblock))
  const damage: string[] = []
  if (!superblock.hasMagic()) damage.push('it has no magic')
  else if (!superblock.isWhole()) damage.push(`checksum should be 0x${hexWord(superblock.checksum())}`)
  return section(title, fields, deviceRows(superblock), damage)
}

function tellersFor(superblock: Superblock): Readonly<Record<string, FieldTeller>> {
  const magic = (name: string): FieldTeller => {
    return (words, word) => field(name, nameText(bytesAt(words, word, 4)))
  }
  const bits = (name: string): FieldTeller => {
    return (_words, _word, value) => field(name, value, `0x${hexWord(value)}`)
  }
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
    devices: () => field('devices', deviceRows(superblock).length),
  }
}

function deviceRows(superblock: Superblock): DumpRow[] {
  const rows: DumpRow[] = []
  for (let index = 0; index < Math.min(superblock.get(at.deviceCount), mostDevices); index++) {
    const entry = at.devices + index * deviceEntryWords
    rows.push({
      device: index,
      firstBlock: superblock.get(entry + 4),
      blocks: superblock.get(entry + 5),
      identifier: hexOf(superblock.words, entry, 16),
    })
  }
  return rows
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

function isThere(medium: Medium, block: number): boolean {
  return block < medium.blockCount && medium.wordOf(block) + blockWords <= medium.wordsOf(block).length
}
