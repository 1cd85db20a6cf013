// SPDX-License-Identifier: GPL-2.0-only
/** What info, fsck, dump and mount say of a device that cannot be served, or only just. */
import { mkdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { roots } from '../../layout/roots.js'
import { formatVersion, superblock as layout } from '../../layout/superblock.js'
import { openDevice } from '../../src/pmem/device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import {
  editSuperblocks,
  fileLimitMs,
  fingerprint,
  mebibyte,
  pmfs2,
  readAt,
  refuse,
  refuseUntouched,
  sparseFile,
  succeed,
  writeAt,
} from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t, SHARED_MEMORY)
const mountpoint = join(folder, 'mountpoint')
mkdirSync(mountpoint)

async function volume(t: Parameters<typeof succeed>[0], name: string): Promise<string> {
  const device = join(folder, name)
  await succeed(t, ['mkfs', device, '--size', '2M', '--quiet'])
  return device
}

/** Each command that reads a device, with its exit code for one that it cannot read. */
function readers(device: string): (readonly [args: readonly string[], exitCode: number])[] {
  return [
    [['info', device], 1],
    [['fsck', device], 8],
    [['mount', device, mountpoint], 32],
  ]
}

for (const [what, make, line] of [
  ['a missing device', (path: string) => path, /there is no such file or device/],
  [
    'a directory',
    (path: string) => (mkdirSync(path), path),
    /it is a directory, (neither a regular file nor a block device nor devdax|and no PMFS2 file system)/,
  ],
  ['an empty file', (path: string) => sparseFile(path, 0), /it is empty/],
  [
    'a file too small to hold anything',
    (path: string) => sparseFile(path, 100),
    /it is too small to hold a PMFS2 file system/,
  ],
  ['zeros', (path: string) => sparseFile(path, 2 * mebibyte), /it holds no PMFS2 file system/],
] as const) {
  void t.test(what, async (t) => {
    const device = make(join(folder, what.replaceAll(' ', '-')))
    for (const [args, exitCode] of readers(device)) await refuse(t, args, exitCode, line)
    await refuse(t, ['dump', device], 1, line)
  })
}

void t.test('another version of the format', async (t) => {
  const device = await volume(t, 'version')
  editSuperblocks(device, (words) => (words[layout.word.version] = formatVersion + 1))
  for (const [args, exitCode] of readers(device)) {
    await refuseUntouched(
      t,
      device,
      args,
      exitCode,
      `${args[0]!}: ${device}: its format is version 3; this program serves version 2`,
    )
  }
})

void t.test('an unknown incompatible feature', async (t) => {
  const device = await volume(t, 'feature')
  editSuperblocks(device, (words) => (words[layout.word.incompat] = 0x80))
  const line = 'it uses features that this program does not know (incompat 0x80)'
  for (const [args, exitCode] of readers(device)) {
    await refuseUntouched(t, device, args, exitCode, `${args[0]!}: ${device}: ${line}`)
  }
})

void t.test('an unknown feature that allows to read', async (t) => {
  const device = await volume(t, 'read-only')
  editSuperblocks(device, (words) => (words[layout.word.readOnlyCompat] = 0x4))
  t.match(await succeed(t, ['info', device]), /ro-compat 0x4/)
  await refuseUntouched(t, device, ['mount', device, mountpoint], 32, /it uses features .*-o ro/)
})

void t.test('both superblocks damaged', async (t) => {
  const device = await volume(t, 'both')
  writeAt(device, 4096 + 200, 'damage')
  writeAt(device, 2 * mebibyte - 4096 + 200, 'damage')
  for (const [args, exitCode] of readers(device)) {
    await refuseUntouched(t, device, args, exitCode, `${args[0]!}: ${device}: both superblocks are damaged`)
  }
  const { end, stdout, stderr } = await pmfs2(['dump', device])
  t.equal(end, 1)
  t.match(stdout, /first copy[^]*second copy/, 'what lies there is shown all the same')
  t.match(stderr, /^dump: .*both superblocks are damaged\n$/)
})

for (const [which, offset] of [
  ['first', 4096 + 200],
  ['second', 2 * mebibyte - 4096 + 200],
] as const) {
  void t.test(`the ${which} superblock damaged`, async (t) => {
    const device = await volume(t, which)
    writeAt(device, offset, 'damage')
    const before = fingerprint(device)
    t.match(await succeed(t, ['info', device]), new RegExp(`damage .*the ${which} superblock.* is damaged`))
    const { damage } = JSON.parse(await succeed(t, ['info', device, '--json'])) as { damage: string[] }
    t.equal(damage.length, 1)
    const { end, stdout, stderr } = await pmfs2(['fsck', device])
    t.same({ end, stderr }, { end: 4, stderr: '' })
    t.match(stdout, new RegExp(`superblock.*\n.*1 problem`))
    t.equal(fingerprint(device), before, 'nothing is changed')
    const mount = await pmfs2(['mount', device, mountpoint])
    t.teardown(() => pmfs2(['umount', '--lazy', mountpoint]))
    t.equal(mount.end, 0, 'it mounts from the other copy')
    t.match(mount.stderr, new RegExp(`${which} superblock.* is damaged`), 'and says so')
    await succeed(t, ['umount', mountpoint])
    t.match(await succeed(t, ['fsck', device]), /clean/, 'and both are whole again')
  })
}

void t.test('damage that calls have met', async (t) => {
  const device = await volume(t, 'met')
  const { word } = layout
  editSuperblocks(device, (words) => {
    words[word.damageCount] = 3
    words[word.firstDamageSeconds] = 1_704_067_200
    words[word.lastDamageSeconds] = 1_704_067_201
    const bytes = Buffer.from(words.buffer, words.byteOffset)
    bytes.write('first place', word.firstDamage * 4)
    bytes.write('last\u001b[31m place', word.lastDamage * 4)
  })
  const info = await succeed(t, ['info', device])
  t.match(info, /^ +damage met +3 times so far; fsck tells more$/m)
  t.match(info, /^ +first +2024-01-01T00:00:00Z, first place$/m)
  t.match(info, /^ +last +2024-01-01T00:00:01Z, last\?\[31m place$/m)
  const { damageRecord } = JSON.parse(await succeed(t, ['info', device, '--json'])) as Record<string, unknown>
  t.same(damageRecord, {
    count: 3,
    first: { time: '2024-01-01T00:00:00Z', what: 'first place' },
    last: { time: '2024-01-01T00:00:01Z', what: 'last?[31m place' },
  })
  t.match(
    await succeed(t, ['fsck', device]),
    /^superblock: damage was met 3 times, first on 2024.*\n.*: clean,/,
  )
  const dump = await succeed(t, ['dump', device, 'superblock'])
  t.match(dump, /^ +lastDamage +"last\\x1b\[31m place"$/m)
  t.match(dump, /^ +damageCount +3$/m)
  await succeed(t, ['mkfs', device, '--force', '--quiet'])
  t.notMatch(await succeed(t, ['info', device]), /damage/, 'mkfs clears it')
})

void t.test('cut short', async (t) => {
  const device = await volume(t, 'cut')
  await succeed(t, ['mkfs', device, '--size', '4M', '--force', '--quiet'])
  truncateSync(device, 2 * mebibyte)
  for (const [args, exitCode] of readers(device)) {
    await refuseUntouched(
      t,
      device,
      args,
      exitCode,
      /the device is 2097152 bytes shorter than its file system/,
    )
  }
})

void t.test('in use by another process', async (t) => {
  const device = await volume(t, 'held')
  const holder = openDevice(device, { access: 'read-write', exclusive: true })
  t.teardown(() => holder.close())
  await refuseUntouched(t, device, ['mount', device, mountpoint], 32, /: it is in use by process \d+/)
  await refuseUntouched(
    t,
    device,
    ['fsck', device],
    8,
    /^fsck: .*: it is in use by process \d+ \([^)]+\); kill \d+ ends that\n/,
  )
  t.match(await succeed(t, ['info', device]), /clean/, 'info and dump only look')
  t.match(await succeed(t, ['dump', device]), /superblock/)
})

void t.test('dump of what is damaged prints what it can, and fails', async (t) => {
  const device = await volume(t, 'damaged-dump')
  const line = `dump: ${device}: damage was met, so this is not all; pmfs2-fuse fsck ${device} tells more\n`
  const dump = async (args: readonly string[], printed: RegExp): Promise<void> => {
    const { end, stdout, stderr } = await pmfs2(['dump', device, ...args])
    t.same({ end, stderr }, { end: 1, stderr: line }, args.join(' '))
    t.match(stdout, printed, args.join(' '))
  }
  writeAt(device, 2 * mebibyte - 4096 + 200, 'damage')
  await succeed(t, ['dump', device])
  await dump(['superblock'], /first copy[^]*second copy[^]*damaged: checksum should be/)
  const root = readAt(device, rootsBlock * 4096 + roots.word.tableRoot * 4, 4)
  writeAt(device, rootsBlock * 4096 + roots.word.tableRoot * 4, Uint8Array.of(0xf0, 0xff, 0xff, 0x7f))
  await dump(['inode', '1'], /^inode 1\n +damaged: the inode table is damaged: it names block \d+\n$/)
  await dump(['inode', '1', '--json'], /"damage": \[\n +"the inode table is damaged/)
  writeAt(device, rootsBlock * 4096 + roots.word.tableRoot * 4, root)
  t.match(await succeed(t, ['dump', device, 'inode', '1']), /drwxr-xr-x/)
})

void t.test('dump', async (t) => {
  const device = await volume(t, 'dump')
  t.match(await succeed(t, ['dump', device]), /superblock[^]*roots[^]*undo log/)
  t.match(await succeed(t, ['dump', device, 'superblock']), /first copy[^]*second copy/)
  t.match(await succeed(t, ['dump', device, 'inode', '1']), /drwxr-xr-x/)
  t.match(await succeed(t, ['dump', device, 'dir', '1']), /directory 1/)
  t.match(await succeed(t, ['dump', device, 'blocks', '1']), /blocks of directory 1/)
  const [section] = JSON.parse(await succeed(t, ['dump', device, 'inode', '1', '--json'])) as {
    title: string
    fields: Record<string, unknown>
  }[]
  t.match(section?.title, /^inode 1 /)
  t.equal(section?.fields['uid'], process.getuid!())
  const refused = (args: readonly string[], line: RegExp): Promise<void> =>
    refuse(t, ['dump', device, ...args], 1, line)
  await refused(['frobnicate'], /^dump: there is no frobnicate to dump: .*; try pmfs2-fuse dump --help/)
  await refused(['inode'], /^dump: inode takes the number of an inode; try/)
  await refused(['inode', 'x'], /^dump: x is no number of an inode; try/)
  await refused(['superblock', '3'], /^dump: superblock takes no number; try/)
  const absent = (args: readonly string[], said: string): Promise<void> =>
    refuse(t, ['dump', device, ...args], 1, `dump: ${device}: ${said}`)
  const numbered = 'they are numbered from 1 to 2147483647'
  await absent(['inode', '4294967296'], `there is no inode 4294967296: ${numbered}`)
  await absent(['inode', '5000', '--json'], 'there is no inode 5000: the table ends with 15')
  await absent(['dir', '12'], 'inode 12 is free')
  await absent(['blocks', '3'], 'inode 3 is free')
  t.equal(statSync(device).size, 2 * mebibyte)
})
