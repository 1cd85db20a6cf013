// SPDX-License-Identifier: GPL-2.0-only
/** Files whose names are not UTF-8, or that a terminal would obey. */
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nameBytes, nameOf } from '../../src/native/file-name.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { fileLimitMs, refuse, succeed } from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t, SHARED_MEMORY)
/** The byte 0xff, which is in no UTF-8, and a newline. */
const name = nameOf(Buffer.from([0x61, 0xff, 0x0a, 0x62]))
const device = join(folder, name)
const shown = `${folder}/a\\xff\\x0ab`

void t.test('a device of such a name', async (t) => {
  t.match(await succeed(t, ['mkfs', device, '--size', '2M']), `Made a PMFS2 file system on ${shown}\n`)
  t.same(readdirSync(folder, { encoding: 'buffer' }), [nameBytes(name)], 'has the bytes that were given')
  t.ok((await succeed(t, ['info', device])).startsWith(`${shown}\n`))
  const json = await succeed(t, ['info', device, '--json'])
  t.same((JSON.parse(json) as { device: string }).device, device, 'JSON has the name whole')
  t.match(await succeed(t, ['fsck', device]), `${shown}: clean`)
  t.match(await succeed(t, ['dump', device]), /magic/)
  await refuse(t, ['mkfs', device], 1, `mkfs: ${shown} holds a PMFS2 file system; --force overwrites it`)
  await succeed(t, ['mkfs', device, '--force', '--quiet'])
  await refuse(
    t,
    ['mkfs', `${device}2`],
    1,
    `mkfs: ${shown}2: there is no such file or device; --size makes a file of that size`,
  )
  await refuse(t, ['umount', device], 32, `umount: ${shown}: not mounted`)
})

void t.test('a label is UTF-8', async (t) => {
  const line = 'mkfs: --label "\\xff" is not UTF-8; a label is a line of text; try pmfs2-fuse mkfs --help'
  await refuse(t, ['mkfs', join(folder, 'new'), '--size', '2M', '--label', '\udcff'], 1, line)
  t.notOk(existsSync(join(folder, 'new')))
})

void t.test('what a new file lacks', async (t) => {
  const missing = join(folder, 'missing')
  const args = (path: string): string[] => ['mkfs', path, '--size', '2M']
  await refuse(t, args(join(missing, 'x')), 1, `mkfs: ${missing}/x: the directory ${missing} does not exist`)
  await refuse(
    t,
    args(join(missing, 'x/y')),
    1,
    `mkfs: ${missing}/x/y: the directory ${missing}/x does not exist`,
  )
  t.notOk(existsSync(missing))
  const dangling = join(folder, 'dangling')
  symlinkSync('nowhere', dangling)
  await refuse(
    t,
    args(dangling),
    1,
    `mkfs: ${dangling}: it is a symbolic link to nowhere, which does not exist`,
  )
  t.ok(lstatSync(dangling).isSymbolicLink())
  await refuse(t, args(`${device}/x`), 1, `mkfs: ${shown}/x: a part of its path is not a directory`)
  const long = join(folder, 'x'.repeat(300))
  await refuse(t, args(long), 1, `mkfs: ${long}: the name is too long`)
})

void t.test('a directory is no device', async (t) => {
  const directory = join(folder, 'directory')
  mkdirSync(directory)
  const line = `${directory}: it is a directory, and no PMFS2 file system is mounted there`
  await refuse(t, ['info', directory], 1, `info: ${line}`)
  await refuse(t, ['info', directory, '--json'], 1, `info: ${line}`)
  await refuse(t, ['info', '/proc'], 1, 'info: /proc: it is a mount of type proc, not fuse.pmfs2')
  await refuse(
    t,
    ['fsck', directory],
    8,
    /^fsck: cannot open \S+: it is a directory, neither a regular file nor/,
  )
  await refuse(
    t,
    ['info', '/dev/null'],
    1,
    /^info: cannot open \/dev\/null: it is a character device, neither/,
  )
})
