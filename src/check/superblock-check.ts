// SPDX-License-Identifier: GPL-2.0-only
/** Checks both copies of the superblock, and the numbers of the one that holds. */
import { headerBlock } from '../../layout/geometry.js'
import { deviceHeader } from '../../layout/device-header.js'
import { stateClean, stateDirty, superblock as layout } from '../../layout/superblock.js'
import { damageRecord, damageRecordText } from '../fs/damage-record.js'
import { headerFor, loadHeader } from '../fs/device-header.js'
import { deviceSegments } from '../fs/segments.js'
import { type Superblock, loadSuperblock } from '../fs/superblock.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

const at = layout.word

/** @returns whether the volume can be walked */
export function checkSuperblocks(view: VolumeView, report: Report): boolean {
  const problems = view.geometryProblems()
  for (const problem of problems) report.problem('superblock', `superblock: ${problem}`)
  view.superblock.copyBlocks.forEach((block, n) => {
    // That it is bad has been reported.
    if (view.isReadable(block) && !view.bad.has(block)) checkCopy(view, block, copyName(n), report)
  })
  if (problems.length === 0) checkDeviceHeaders(view, report)
  const state = view.superblock.get(at.state)
  if (state !== stateClean && state !== stateDirty) {
    report.problem('superblock', `superblock: state is ${state}, should be ${stateClean} or ${stateDirty}`)
  }
  noteRecord(view.superblock, report)
  return problems.length === 0
}

function copyName(n: number): string {
  if (n < 2) return n === 0 ? 'first superblock' : 'second superblock'
  return `superblock of device ${n - 1}`
}

function checkDeviceHeaders(view: VolumeView, report: Report): void {
  for (const [device, { first }] of deviceSegments(view.superblock).entries()) {
    if (view.bad.has(first + headerBlock)) continue
    const header = loadHeader(view.medium, first + headerBlock)
    const name = `header of device ${device} (block ${first + headerBlock})`
    if (!header.isWhole()) {
      const why = header.hasMagic() ? 'its checksum is wrong' : 'it has no magic'
      report.problem('device-header', `${name}: ${why}`)
      continue
    }
    const right = headerFor(view.superblock, device)
    for (const { name: field, offsetBytes, lengthBytes } of deviceHeader.fields.filter(isFixed)) {
      const [said, should] = [header, right].map(({ bytes }) =>
        bytes.subarray(offsetBytes, offsetBytes + lengthBytes),
      )
      if (Buffer.compare(said!, should!) !== 0)
        report.problem('device-header', `${name}: ${field} is not what the superblock says`)
    }
  }
}

/** What a header must share with the superblock for ever. */
function isFixed({ name }: { readonly name: string }): boolean {
  return ['version', 'volume', 'device', 'index', 'secondCopy'].includes(name)
}

/** What mounts have met may be gone, or lie where this check finds nothing wrong: it is no problem by itself. */
function noteRecord(superblock: Superblock, report: Report): void {
  const record = damageRecord(superblock)
  if (record !== null) report.note(`superblock: ${damageRecordText(record)}`)
}

function checkCopy(view: VolumeView, block: number, name: string, report: Report): void {
  const copy = loadSuperblock(view.medium, block)
  if (!copy.hasMagic()) {
    report.problem('superblock', `${name} (block ${block}): it has no magic`)
  } else if (!copy.isWhole()) {
    const [said, right] = [copy.get(at.checksum), copy.checksum()].map((sum) =>
      sum.toString(16).padStart(8, '0'),
    )
    report.problem('superblock', `${name} (block ${block}): checksum is 0x${said}, should be 0x${right}`)
  } else if (copy.getNumber(at.sequence) < view.superblock.getNumber(at.sequence)) {
    // Copies are written one after the other, so a power failure may leave one of them older.
    report.note(`${name} (block ${block}): it is older than the other one`)
  }
}
