// SPDX-License-Identifier: GPL-2.0-only
/** The mount table, with all that proc(5) allows in it. */
import { statSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  deviceNumber,
  findMount,
  findMountBySource,
  findOurMount,
  parseMountTable,
  placesOf,
  readMountTable,
  realMountpoint,
} from '../../src/daemon/mount-table.js'
import { temporaryDirectory } from '../support/temporary.js'

const text = String.raw`21 26 0:20 / /proc rw,nosuid - proc proc rw
36 26 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue
42 26 0:39 / /mnt/with\040blank rw,relatime shared:9 - fuse.pmfs2 /dev/pm\011\134\012em rw,user_id=0
43 42 0:40 / /mnt/with\040blank ro - tmpfs tmpfs ro
44 26 0:41 / /mnt/a-dash - rw - fuse.pmfs2 - rw
`

void t.test('parses', (t) => {
  const table = parseMountTable(text)
  t.same(table[0], {
    device: '0:20',
    mountpoint: '/proc',
    type: 'proc',
    source: 'proc',
    options: ['rw', 'nosuid', 'rw'],
    superOptions: ['rw'],
  })
  t.equal(table[1]?.type, 'ext3', 'behind any number of optional fields')
  t.same(table[2], {
    device: '0:39',
    mountpoint: '/mnt/with blank',
    type: 'fuse.pmfs2',
    source: '/dev/pm\t\\\nem',
    options: ['rw', 'relatime', 'rw', 'user_id=0'],
    superOptions: ['rw', 'user_id=0'],
  })
  t.end()
})

void t.test('of two mounts at one place the last is seen', (t) => {
  const table = parseMountTable(text)
  t.equal(findMount('/mnt/with blank', table)?.type, 'tmpfs')
  t.equal(findMount('/mnt', table), null)
  t.end()
})

void t.test('ours is found by its mount point or its device, where one sees it', (t) => {
  const line = (id: number, place: string, rest: string): string =>
    `${id} 26 0:${id} / ${place} rw - ${rest}\n`
  const ours = line(50, '/none/a', 'fuse.pmfs2 /none/pm rw') + line(51, '/none/b', 'fuse.pmfs2 /none/pm rw')
  const place = (target: string, table: string): string | undefined =>
    findOurMount(target, parseMountTable(table))?.mountpoint
  const ofDevice = (target: string, table: string): string | undefined =>
    findMountBySource(target, parseMountTable(table))?.mountpoint
  t.equal(place('/none/a', ours), '/none/a')
  t.equal(place('/none/pm', ours), undefined)
  t.equal(ofDevice('/none/pm', ours), '/none/b', 'the last one of a device')
  t.equal(ofDevice('/none/a', ours), undefined)
  const covered = ours + line(52, '/none/b', 'tmpfs tmpfs rw')
  t.equal(ofDevice('/none/pm', covered), '/none/a', 'what lies above another is left alone')
  t.equal(place('/none/b', covered), undefined)
  t.equal(ofDevice('/none/disk', line(50, '/none/a', 'ext4 /none/disk rw')), undefined)
  t.end()
})

void t.test('a file system is seen where nothing is mounted on it', (t) => {
  const more = parseMountTable(
    `${text}45 26 0:39 / /mnt/copy rw - fuse.pmfs2 /dev/pm rw\n46 26 0:39 /a /mnt/part rw - fuse.pmfs2 /dev/pm rw\n`,
  )
  t.same(placesOf({ device: '0:39', source: '/dev/pm' }, more), ['/mnt/copy', '/mnt/part'])
  t.same(placesOf({ device: '0:40', source: 'tmpfs' }, more), ['/mnt/with blank'])
  t.same(placesOf({ device: '0:99', source: '/dev/pm' }, more), [])
  t.same(placesOf({ device: '0:39', source: '/dev/gone' }, more), [], 'another one has its number now')
  t.end()
})

void t.test("a file system's number is that of stat(2)", (t) => {
  t.equal(deviceNumber('0:39'), 39)
  t.equal(deviceNumber('0:300'), 0x10002c)
  t.equal(deviceNumber('8:1'), 0x801)
  t.equal(deviceNumber(findMount('/proc')!.device), statSync('/proc').dev)
  t.end()
})

void t.test('lines that are none are skipped', (t) => {
  t.same(parseMountTable(''), [])
  t.same(parseMountTable('36 35 98:0 /mnt1 /mnt2 rw,noatime master:1\n\n - \n1 2 3 4 5 6 - ext4\n'), [])
  t.end()
})

void t.test('the real one', (t) => {
  t.equal(findMount('/proc', readMountTable())?.type, 'proc')
  t.end()
})

void t.test('a mount point by other names', async (t) => {
  const folder = realMountpoint(await temporaryDirectory(t))
  await symlink(folder, join(folder, 'link'))
  t.equal(realMountpoint(join(folder, 'link')), folder, 'through a link')
  t.equal(
    realMountpoint(join(folder, 'link', 'missing')),
    join(folder, 'missing'),
    'where the last part is not there',
  )
  t.equal(realMountpoint('/nonexistent/a/../b/'), '/nonexistent/b', 'where nothing is there')
})
