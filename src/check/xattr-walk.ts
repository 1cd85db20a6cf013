// SPDX-License-Identifier: GPL-2.0-only
/** The extended attributes of an inode as they lie on the medium, whatever they are: for the check and the dump. */
import { blockBytes } from '../../layout/geometry.js'
import { flagInlineData, inlineBytes } from '../../layout/inode.js'
import {
  largestXattrValue,
  longestXattrName,
  xattrBlock,
  xattrDirect,
  xattrEntry,
  xattrInBlocks,
  xattrPrefixes,
} from '../../layout/xattr.js'
import { type Inode, inodeField } from '../fs/inode.js'
import { hasOneName } from '../fs/xattr-name.js'
import { nameText } from './name-text.js'
import type { VolumeView } from './volume-view.js'

export interface FoundXattr {
  /** With its prefix, quoted. */
  readonly name: string
  readonly namespace: number
  readonly place: 'inode' | 'block'
  /** First byte of the entry in the inode or the block. */
  readonly byte: number
  /** Bytes of the value. */
  readonly length: number
  /** The blocks of the value; none where it follows the name. */
  readonly blocks: readonly number[]
  /** The value, where it follows the name. */
  readonly value: Uint8Array
  /** Whether name and value are padded with zeros. */
  readonly isPadded: boolean
}

/** Bytes of entries, in the medium. */
interface Place {
  readonly kind: 'inode' | 'block'
  readonly block: number
  /** First byte in the block of the inode or of the attributes, from which bytes are told. */
  readonly base: number
  readonly start: number
  readonly bytes: number
}

const headerBytes = xattrBlock.lengthBytes
const roomOfBlock = blockBytes - headerBytes

/** @param say is told what is wrong; then the walk ends, or goes on in the other place */
export function* xattrsOf(
  view: VolumeView,
  inode: Inode,
  canUseBlock: (block: number) => boolean,
  say: (problem: string) => void,
): Generator<FoundXattr, void, undefined> {
  const inInode = placeInInode(inode, say)
  if (inInode !== null) yield* walk(view, inInode, say)
  const root = inode.get(inodeField.xattrRoot)
  if (root === 0 || !canUseBlock(root)) return
  const inBlock = placeInBlock(view, inode, root, say)
  if (inBlock !== null) yield* walk(view, inBlock, say)
}

function placeInInode(inode: Inode, say: (problem: string) => void): Place | null {
  const bytes = inode.get(inodeField.xattrBytes)
  const target = inode.flags & flagInlineData ? inode.sizeLow : 0
  const start = Math.min(Math.ceil(target / 4) * 4, inlineBytes)
  const room = inlineBytes - start
  if (bytes > room || bytes % 4 !== 0) {
    say(`attributes in it take ${bytes} bytes, should be a multiple of 4 up to ${room}`)
    return null
  }
  const base = inode.word * 4
  return { kind: 'inode', block: inode.block, base, start: inodeField.inline * 4 + start, bytes }
}

function placeInBlock(
  view: VolumeView,
  inode: Inode,
  block: number,
  say: (problem: string) => void,
): Place | null {
  const owner = view.word(block, xattrBlock.word.inode)
  if (owner !== inode.number) {
    say(`attribute block ${block} says that it belongs to inode ${owner}`)
    return null
  }
  const bytes = view.word(block, xattrBlock.word.bytes)
  if (bytes === 0 || bytes > roomOfBlock || bytes % 4 !== 0) {
    say(
      `attribute block ${block} has ${bytes} bytes of attributes, should be a multiple of 4 up to ${roomOfBlock}`,
    )
    return null
  }
  const { checksum, reserved } = xattrBlock.word
  if (view.word(block, checksum) !== 0 || view.word(block, reserved) !== 0)
    say(`attribute block ${block}: reserved words are not 0`)
  return { kind: 'block', block, base: 0, start: headerBytes, bytes }
}

function* walk(view: VolumeView, place: Place, say: (problem: string) => void): Generator<FoundXattr> {
  const end = place.start + place.bytes
  for (let byte = place.start; byte < end;) {
    const found = entryAt(view, place, byte, end)
    if (typeof found === 'string') {
      const where = place.kind === 'inode' ? 'in it' : `in block ${place.block}`
      say(`attribute at byte ${byte} ${where}: ${found}`)
      return
    }
    yield found.xattr
    byte = found.next
  }
}

/** @returns what is there and where the next one begins; or why there is none */
function entryAt(
  view: VolumeView,
  place: Place,
  byte: number,
  end: number,
): { xattr: FoundXattr; next: number } | string {
  const word = (place.base + byte) / 4
  if (byte + xattrEntry.lengthBytes > end) return 'its header does not fit'
  const key = view.word(place.block, word + xattrEntry.word.key)
  const length = view.word(place.block, word + xattrEntry.word.length)
  const [namespace, nameLength, form] = [key & 0xff, (key >>> 8) & 0xff, key >>> 16]
  const prefix = xattrPrefixes[namespace]
  if (prefix === undefined) return `its namespace is ${namespace}`
  if (hasOneName(namespace) !== (nameLength === 0) || prefix.length + nameLength > longestXattrName)
    return `its name has ${nameLength} bytes behind ${prefix}`
  if (length > largestXattrValue)
    return `its value has ${length} bytes, should be ${largestXattrValue} at most`
  if (form !== xattrDirect && (form !== xattrInBlocks || length === 0)) return `its form is ${form}`
  const nameStart = byte + xattrEntry.lengthBytes
  const valueStart = nameStart + padded(nameLength)
  const blockCount = form === xattrInBlocks ? Math.ceil(length / blockBytes) : 0
  const next = valueStart + (form === xattrInBlocks ? blockCount * 4 : padded(length))
  if (next > end) return `it has ${next - byte} bytes, of which only ${end - byte} are there`
  const from = view.medium.byteOf(place.block) + place.base
  const bytes = view.medium.bytesOf(place.block).subarray(from, from + next)
  const suffix = bytes.subarray(nameStart, nameStart + nameLength)
  if (suffix.includes(0)) return 'its name has a NUL'
  const valueEnd = form === xattrInBlocks ? next : valueStart + length
  const isZero = (part: Uint8Array): boolean => part.every((value) => value === 0)
  const firstNumber = (place.base + valueStart) / 4
  const xattr = {
    name: nameText(Buffer.concat([Buffer.from(prefix), suffix])),
    namespace,
    place: place.kind,
    byte,
    length,
    blocks: Array.from({ length: blockCount }, (_, n) => view.word(place.block, firstNumber + n)),
    value: bytes.subarray(valueStart, form === xattrInBlocks ? valueStart : valueEnd),
    isPadded: isZero(bytes.subarray(nameStart + nameLength, valueStart)) && isZero(bytes.subarray(valueEnd)),
  }
  return { xattr, next }
}

/** @param canUseBlock of a value that has blocks of its own @returns the value; null where a block cannot be used */
export function valueOf(
  view: VolumeView,
  { blocks, length, value }: FoundXattr,
  canUseBlock: (block: number) => boolean,
): Uint8Array | null {
  if (blocks.length === 0) return value
  if (!blocks.every(canUseBlock)) return null
  const whole = blocks.map((block) => {
    const start = view.medium.byteOf(block)
    return view.medium.bytesOf(block).subarray(start, start + blockBytes)
  })
  return Buffer.concat(whole).subarray(0, length)
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4
}
