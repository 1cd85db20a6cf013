// SPDX-License-Identifier: GPL-2.0-only
/** Damage that a program meets through the API: the error names it, and the volume is marked. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { test } from 'tap'
import { inode } from '../../layout/inode.js'
import { openFiles } from '../../src/api/volume-files.js'
import { checkDevices } from '../../src/check/check-device.js'
import { memoryDevice } from './formatted-device.js'

/** An owner that no other bytes on the device look like, to find the inode by. */
const owner = { uid: 0x1234_5678, gid: 0x2345_6789 }
const beyond = 0x7fff_fff0

function loseBlocks(path: string): void {
  const mark = Buffer.alloc(8)
  mark.writeUInt32LE(owner.uid, 0)
  mark.writeUInt32LE(owner.gid, 4)
  const at = readFileSync(path).indexOf(mark)
  if (at < 0) throw new Error('the inode is nowhere')
  const word = Buffer.alloc(4)
  word.writeUInt32LE(beyond)
  const fd = openSync(path, 'r+')
  writeSync(fd, word, 0, 4, at + (inode.word.root - inode.word.uid) * 4)
  closeSync(fd)
}

void test('a file that has lost its blocks', async (t) => {
  const path = memoryDevice(t, 2 ** 22)
  const first = await openFiles(path)
  await first.writeFile('/lost', 'contents')
  await first.chown('/lost', owner.uid, owner.gid)
  const { ino } = await first.stat('/lost')
  await first.close()
  loseBlocks(path)

  const what = `inode ${ino}: block ${beyond} is named as data`
  const message = `EUCLEAN: the volume is damaged, read: ${what}`
  const reader = await openFiles(path, { readOnly: true })
  await t.rejects(reader.readFile('/lost'), { code: 'EUCLEAN', message })
  await reader.close()
  t.same(checkDevices([path]).notes, [], 'a volume that is open for reading only is not marked')

  const second = await openFiles(path)
  t.same(
    second.notices.filter((notice) => notice.includes('damage')),
    [],
  )
  for (let n = 0; n < 2; n++) await t.rejects(second.readFile('/lost'), { code: 'EUCLEAN', message })
  await t.rejects(second.readFile('/missing'), { code: 'ENOENT', message: /'\/missing'$/ })
  await second.close()
  t.match(checkDevices([path]).notes, [/^superblock: damage was met 2 times, .*is named as data\)$/])

  const third = await openFiles(path)
  t.ok(
    third.notices.some((notice) => notice.startsWith(`${path}: damage was met 2 times, `)),
    'it is told',
  )
  await third.close()
})
