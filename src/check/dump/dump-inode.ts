// SPDX-License-Identifier: GPL-2.0-only
/** Dumps an inode field by field, a symbolic link's target, and extended attributes. */
import {
  flagAppend,
  flagCapability,
  flagDirSync,
  flagImmutable,
  flagInlineData,
  flagNoAtime,
  flagNoDump,
  flagOrphan,
  flagPreallocated,
  flagProjectInherit,
  flagSync,
  inlineBytes,
  inode as layout,
} from '../../../layout/inode.js'
import type { Inode } from '../../fs/inode.js'
import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT, isDirectory } from '../../fs/mode.js'
import { longestTargetBytes } from '../../fs/symlink.js'
import { hasOneName } from '../../fs/xattr-name.js'
import { readAcl } from '../acl-check.js'
import { aclText } from '../acl-text.js'
import { octal, sizeOf } from '../inode-fields.js'
import { nameText } from '../name-text.js'
import type { VolumeView } from '../volume-view.js'
import { type FoundXattr, xattrsOf } from '../xattr-walk.js'
import { modeText } from './mode-text.js'
import { type DumpField, type DumpRow, type DumpSection, field, section } from './section.js'
import { type FieldTeller, structureFields } from './structure-fields.js'

export function dumpInode(view: VolumeView, inode: Inode): DumpSection {
  const { medium } = view
  const words = medium.wordsOf(inode.block)
  const start = medium.wordOf(inode.block) + inode.word
  const fields = structureFields(layout, words, start, tellersFor(inode))
  const title = `inode ${inode.number} (block ${inode.block}, byte ${inode.word * 4})`
  const damage: string[] = []
  const xattrs = inode.mode === 0 ? [] : xattrRows(view, inode, damage)
  return section(title, [...fields, ...targetOf(view, inode)], xattrs, damage)
}

function tellersFor(inode: Inode): Readonly<Record<string, FieldTeller>> {
  const type = inode.mode & S_IFMT
  const isDevice = type === S_IFCHR || type === S_IFBLK
  return {
    mode: (_words, _word, value) =>
      field('mode', value, value === 0 ? '0 (free)' : `${modeText(value)} (${octal(value)})`),
    flags: (_words, _word, value) => field('flags', value, flagsText(value)),
    device: (_words, _word, value) =>
      field(
        isDirectory(inode.mode) ? 'entries' : 'device',
        value,
        isDevice ? deviceText(value) : String(value),
      ),
  }
}

/** As lsattr(1) calls them. */
const userFlagNames = [
  [flagAppend, 'append only'],
  [flagImmutable, 'immutable'],
  [flagNoAtime, 'no atime'],
  [flagSync, 'sync'],
  [flagDirSync, 'dirsync'],
  [flagNoDump, 'no dump'],
  [flagProjectInherit, 'project hierarchy'],
] as const

function flagsText(flags: number): string {
  const names: string[] = []
  if (flags & flagInlineData) names.push('inline data')
  if (flags & flagOrphan) names.push('orphan')
  if (flags & flagPreallocated) names.push('preallocated')
  if (flags & flagCapability) names.push('security.capability')
  for (const [flag, name] of userFlagNames) if (flags & flag) names.push(name)
  return names.length === 0 ? String(flags) : `${flags} (${names.join(', ')})`
}

/** Major and minor number, as the kernel encodes them in 32 bits (new_encode_dev). */
function deviceText(device: number): string {
  const major = (device >>> 8) & 0xfff
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  return `${device} (${major}:${minor})`
}

function targetOf(view: VolumeView, inode: Inode): DumpField[] {
  if ((inode.mode & S_IFMT) !== S_IFLNK) return []
  const inline = (inode.flags & flagInlineData) !== 0
  if (!inline && !(view.isShared(inode.root) && view.canRead(inode.root))) return []
  const block = inline ? inode.block : inode.root
  const length = Math.min(sizeOf(inode), inline ? inlineBytes : longestTargetBytes)
  const start = view.medium.byteOf(block) + (inline ? (inode.word + layout.word.inline) * 4 : 0)
  return [field('target', nameText(view.medium.bytesOf(block).subarray(start, start + length)))]
}

/** Bytes of a value that are shown. */
const mostValueBytes = 64

function xattrRows(view: VolumeView, inode: Inode, damage: string[]): DumpRow[] {
  const rows: DumpRow[] = []
  const canUse = (block: number): boolean => {
    const isData = view.isShared(block) && view.canRead(block)
    if (!isData) damage.push(`attribute block ${block} is not in the data area`)
    return isData
  }
  for (const found of xattrsOf(view, inode, canUse, (problem) => damage.push(problem))) {
    rows.push({
      attribute: found.name,
      place: found.place,
      byte: found.byte,
      bytes: found.length,
      value: shownValue(found),
    })
  }
  return rows
}

/** Text or bytes, an ACL as setfacl(1) has it, or the blocks where the value lies. */
function shownValue({ blocks, namespace, value }: FoundXattr): string {
  if (blocks.length > 0) return `blocks ${blocks.join(' ')}`
  const acl = hasOneName(namespace) ? readAcl(value) : null
  if (acl !== null) return aclText(acl)
  return nameText(value.subarray(0, mostValueBytes)) + (value.length > mostValueBytes ? '…' : '')
}
