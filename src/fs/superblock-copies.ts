// SPDX-License-Identifier: GPL-2.0-only
/** Reading and writing the superblock, of which there are two copies at least; the newest good one holds. */
import { deviceHeader } from '../../layout/device-header.js'
import {
  blockBytes,
  headerBlock,
  rootsBlock,
  smallestVolumeBlocks,
  superblockBlock,
  windowBlocks,
} from '../../layout/geometry.js'
import { roots } from '../../layout/roots.js'
import { formatVersion, superblock as layout } from '../../layout/superblock.js'
import type { Medium } from '../pmem/medium.js'
import { despiteBadBlocks } from './bad-blocks.js'
import { type DeviceHeader, checkHeaders, deviceName, isOfVolume, loadHeader, nth } from './device-header.js'
import { hasIdentifier, isSameIdentifier } from './identifier.js'
import { wordsOfBlock } from './self-describing-block.js'
import { type Superblock, checkSuperblock, loadSuperblock, refuseVersion } from './superblock.js'
import { VolumeError } from './volume-error.js'

const at = layout.word
const headerAt = deviceHeader.word

export interface SuperblockReading {
  readonly superblock: Superblock
  /** Which copies are damaged, in words for people; empty where all are good. */
  readonly damage: readonly string[]
  /** Whether the header of a device is damaged. */
  readonly isHeaderDamaged: boolean
  /** Writing is not allowed, because of a read-only-compatible feature that this program does not know. */
  readonly readOnly: boolean
}

/** @throws VolumeError where there is no superblock that this program can serve */
export function readSuperblock(medium: Medium): SuperblockReading {
  if (medium.blockCount < smallestVolumeBlocks) {
    throw new VolumeError('foreign', 'it is too small to hold a PMFS2 file system')
  }
  const superblock = findNewest(medium)
  const readOnly = checkSuperblock(superblock)
  const damage = checkHeaders(medium, superblock, (device) =>
    copiesOn(superblock, device).some((block) => {
      const copy = loadSuperblock(medium, block)
      return copy.isWhole() && isSameVolume(copy, superblock)
    }),
  )
  checkLengths(medium, superblock)
  const isHeaderDamaged = damage.length > 0
  return { superblock, damage: [...checkCopies(medium, superblock), ...damage], isHeaderDamaged, readOnly }
}

/** @throws VolumeError where a device has become shorter */
function checkLengths(medium: Medium, superblock: Superblock): void {
  const { segments } = superblock
  segments.forEach(({ first, blocks, device }) => {
    if (medium.has(first + blocks - 1)) return
    const missing = (first + blocks - medium.blockCount) * blockBytes
    const isOnly = segments.length === 1
    const what = isOnly ? `the device is ${missing} bytes` : `${deviceName(medium, superblock, device)} is`
    throw new VolumeError('size', `${what} shorter than its file system`)
  })
}

/**
 * The newest whole copy of the superblock. All devices are looked at, whichever copy names them: the first one may be
 * from before the volume grew.
 * @throws VolumeError where there is none
 */
function findNewest(medium: Medium): Superblock {
  const header = loadHeader(medium, headerBlock)
  const understood = header.isUnderstood() ? header : null
  const first = loadSuperblock(medium, superblockBlock)
  const whole = first.isWhole() ? first : null
  const second = secondCopyOf(medium.firstDeviceBlocks, understood, whole)
  const near = second === 0 ? [first] : [first, loadSuperblock(medium, second)]
  const own = near.filter((copy) => isCopyOn(copy, understood, whole, () => wordsOfBlock(medium, rootsBlock)))
  const ofFirst = newestOf(own)
  const found = newestOf([...own, ...copiesElsewhere(medium, understood, ofFirst)])
  if (found === null) refuse(medium, header, near)
  return found
}

/**
 * Where the second copy on a device is looked for: where its header says, or else its first copy, or else in its last
 * block.
 * @param header null unless it is whole and in this format @param first null unless it is whole
 * @returns 0 for nowhere
 */
export function secondCopyOf(
  deviceBlocks: number,
  header: DeviceHeader | null,
  first: Superblock | null,
): number {
  const said = header?.get(headerAt.secondCopy) ?? first?.secondCopyBlock ?? deviceBlocks - 1
  return said < deviceBlocks ? said : 0
}

/**
 * Whether what looks like a copy of the superblock on a device is one. A file may have the block where the second copy
 * is looked for. The header tells, or else the first copy, or else the roots.
 * @param header null unless it is whole and in this format @param first null unless it is whole
 * @param loadRoots loads what lies in block 2 of the device
 */
export function isCopyOn(
  copy: Superblock,
  header: DeviceHeader | null,
  first: Superblock | null,
  loadRoots: () => Uint32Array,
): boolean {
  if (header !== null) return isOfVolume(header, copy)
  return first === null ? isNamedBy(loadRoots(), copy) : isSameVolume(copy, first)
}

/** Whether these are roots, and those of a superblock's volume. */
function isNamedBy(words: Uint32Array, superblock: Superblock): boolean {
  const { identity, tableRoot } = roots.word
  return (
    !mayBeBitmap(words[tableRoot]!) &&
    hasIdentifier(words, identity) &&
    isSameIdentifier(words, identity, superblock.words, at.identity)
  )
}

/**
 * Whether a bitmap may begin with the word. In the place of the roots, further devices have one, which users can shape,
 * but for its first three bits: these blocks are always in use.
 */
export function mayBeBitmap(word: number): boolean {
  return (word & 7) === 7
}

/** The newest whole copy; null where none is. */
export function newestOf(copies: readonly Superblock[]): Superblock | null {
  return copies
    .filter((copy) => copy.isWhole())
    .reduce<Superblock | null>(
      (newest, copy) => (newest === null || isNewer(copy, newest) ? copy : newest),
      null,
    )
}

/**
 * Two with the same sequence can be of two clones of the volume that have changed without each other. Then the one that
 * names more devices counts as the newer one, so that no device is left out of account.
 */
function isNewer(copy: Superblock, than: Superblock): boolean {
  const ahead = copy.getNumber(at.sequence) - than.getNumber(at.sequence)
  return ahead > 0 || (ahead === 0 && copy.get(at.deviceCount) > than.get(at.deviceCount))
}

/** Whether two copies say that they are of the same volume. */
export function isSameVolume(copy: Superblock, other: Superblock): boolean {
  return isSameIdentifier(copy.words, at.identity, other.words, at.identity)
}

/**
 * The copies where further devices begin, as far as they are of the volume of the first one, if that says so.
 * @param header of the first device, null unless it is understood @param ofFirst its newest copy
 */
function copiesElsewhere(
  medium: Medium,
  header: DeviceHeader | null,
  ofFirst: Superblock | null,
): Superblock[] {
  const copies: Superblock[] = []
  for (let first = windowBlocks; first < medium.blockCount; first += windowBlocks) {
    // Elsewhere, the block is a file's.
    if (!medium.beginsDevice(first) || !medium.has(first + superblockBlock)) continue
    copies.push(loadSuperblock(medium, first + superblockBlock))
  }
  if (ofFirst !== null) return copies.filter((copy) => isSameVolume(copy, ofFirst))
  return header === null ? copies : copies.filter((copy) => isOfVolume(header, copy))
}

/**
 * Says what there is in place of a superblock. Version 1 had its superblocks where headers and second copies are now.
 */
function refuse(medium: Medium, header: DeviceHeader, copies: readonly Superblock[]): never {
  const headers = [header, loadHeader(medium, medium.firstDeviceBlocks - 1)]
  const old = headers.find((header) => header.isWhole() && header.get(headerAt.version) !== formatVersion)
  if (old !== undefined) refuseVersion(old.get(headerAt.version))
  if (copies[1]?.isWhole() === true && !header.isWhole()) {
    const start = 'the header and the first superblock are damaged'
    throw new VolumeError(
      'damaged',
      `${start}, and nothing tells whether the second one belongs to the volume`,
    )
  }
  if (header.hasMagic() || copies.some((copy) => copy.hasMagic())) {
    throw new VolumeError(
      'damaged',
      `${medium.blockCount > windowBlocks ? 'all' : 'both'} superblocks are damaged`,
    )
  }
  throw new VolumeError('foreign', 'it holds no PMFS2 file system')
}

/** Blocks of the copies that a device has. */
function copiesOn({ copyBlocks }: Superblock, device: number): number[] {
  return device === 0 ? copyBlocks.slice(0, 2) : copyBlocks.slice(device + 1, device + 2)
}

/** @returns which copies are damaged, in words for people @throws VolumeError where a device is of another time */
function checkCopies(medium: Medium, superblock: Superblock): string[] {
  const copies = superblock.copyBlocks.map((block) => loadSuperblock(medium, block))
  const ofFirst = copies.slice(0, 2)
  const ofOthers = copies.slice(2).map((copy) => [copy])
  if (ofOthers.length > 0) {
    for (const [device, own] of [ofFirst, ...ofOthers].entries()) {
      const copy = newestOf(own)
      const problem = copy === null ? null : whyForeign(superblock, copy)
      if (problem !== null)
        throw new VolumeError('foreign', `${deviceName(medium, superblock, device)} ${problem}`)
    }
  }
  return copies.flatMap((copy, n) => {
    const isOther = copies.length === 2 ? 'the other one holds' : 'others hold'
    return copy.isWhole() ? [] : [`the ${copyName(n)} is damaged; ${isOther}`]
  })
}

/**
 * Why a device is not one of the volume as it is, in words that follow its name; null where it is.
 * @param copy the newest good one of the device
 */
function whyForeign(superblock: Superblock, copy: Superblock): string | null {
  const behind = superblock.getNumber(at.sequence) - copy.getNumber(at.sequence)
  // Copies are written one after the other, so one may be older by one write. A mount and its end take two writes each.
  const isSmaller = copy.get(at.segmentCount) < superblock.get(at.segmentCount)
  if (behind > 1) {
    const when = isSmaller
      ? 'it is from before the volume grew'
      : 'it was not there when the volume was last mounted'
    return `is stale: ${when}`
  }
  if (behind === 1) return isSmaller && !isOfSameMount(copy, superblock) ? changedApart : null
  // One that is newer was written since the superblock was read: a server has the volume in use.
  if (behind < 0 || Buffer.compare(copy.bytes, superblock.bytes) === 0) return null
  return changedApart
}

/** What is said of a device, after its name. */
export const changedApart =
  'and the others have changed without each other: they are of different copies of the volume'

/** Whether the volume was not mounted between two copies: the write that makes it larger changes nothing else. */
function isOfSameMount(copy: Superblock, other: Superblock): boolean {
  const isSame = (field: number): boolean => copy.getNumber(field) === other.getNumber(field)
  return isSame(at.mountedSeconds) && copy.get(at.mountCount) === other.get(at.mountCount)
}

/** A copy of {@link Superblock.copyBlocks} for people. */
export function copyName(n: number): string {
  if (n === 0) return 'first superblock'
  return n === 1 ? 'second superblock, at the end of the first device,' : `superblock of ${nth(n - 1)}`
}

/**
 * Writes all copies, one after the other, so that one is whole at every moment: damaged ones go first, or losing power
 * twice in a row would cost all of them. The first device has two; the others come between these. So whoever looks at
 * the first device alone finds what any other has.
 */
export function writeSuperblock(medium: Medium, superblock: Superblock): void {
  const [first, ...others] = superblock.copyBlocks
  const blocks = [...others, first!]
  const isWhole = blocks.map((block) => loadSuperblock(medium, block).isWhole())
  superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)
  for (const wholeOnes of [false, true]) {
    blocks.forEach((block, n) => {
      if (isWhole[n] !== wholeOnes) return
      superblock.storeDurably(medium, block)
    })
  }
}

/**
 * Makes copies that are damaged, or older by a write that was cut off, the same as the others. Another write that is
 * cut off then leaves none that is older by two, for which its device would be taken for a stale one.
 * @param superblock as it was read: what is changed comes with a new sequence, by {@link writeSuperblock}
 */
export function levelCopies(medium: Medium, superblock: Superblock): void {
  const sequence = superblock.getNumber(at.sequence)
  const isNewest = (block: number): boolean => {
    const copy = loadSuperblock(medium, block)
    return copy.isWhole() && copy.getNumber(at.sequence) === sequence
  }
  const newest = superblock.copyBlocks.filter(isNewest)
  // A server that was killed may have stored them, and not made them durable: until they are, an older one is needed.
  despiteBadBlocks(medium, () => {
    for (const block of newest) medium.flush(block, 0, blockBytes)
    medium.fence()
  })
  for (const block of superblock.copyBlocks)
    if (!newest.includes(block)) superblock.storeDurably(medium, block)
}
