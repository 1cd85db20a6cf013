// SPDX-License-Identifier: GPL-2.0-only
/** A file whose block map leads nowhere: whoever reads it meets a defect. It is found on the device by its owner. */
import { open, readFile } from 'node:fs/promises'
import { inode } from '../../layout/inode.js'

export const marks = { uid: 0x5a17_c0de, gid: 0x5bad_cafe }
const atNoBlock = 0x7fff_fff0

/** Points the block map of the marked file at a block far beyond the device. */
export async function damageMarkedFile(device: string): Promise<void> {
  const mark = Buffer.alloc(8)
  mark.writeUInt32LE(marks.uid, 0)
  mark.writeUInt32LE(marks.gid, 4)
  const found = (await readFile(device)).indexOf(mark)
  if (found < 0) throw new Error('the inode is not on the device')
  const root = Buffer.alloc(4)
  root.writeUInt32LE(atNoBlock)
  const file = await open(device, 'r+')
  await file.write(root, 0, 4, found + (inode.word.root - inode.word.uid) * 4)
  await file.close()
}
