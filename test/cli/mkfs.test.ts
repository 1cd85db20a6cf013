// SPDX-License-Identifier: GPL-2.0-only
/** mkfs: what it makes, and that it changes nothing where it refuses. */
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { blockBytes, blocksPerBitmapBlock, laneBlocks, laneCountFor } from '../../layout/geometry.js'
import { formatVersion, superblock } from '../../layout/superblock.js'
import { mountAround, readMountTable } from '../../src/pmem/mount-info.js'
import { mkfsCommand } from '../../src/cli/mkfs.js'
import { openDevice } from '../../src/pmem/device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import {
  command,
  editSuperblocks,
  fileLimitMs,
  fingerprint,
  mebibyte,
  readAt,
  refuse,
  refuseUntouched,
  sparseFile,
  start,
  succeed,
  uuid,
  writeAt,
} from './cli.js'

t.setTimeout(fileLimitMs)

const tebibyte = 2 ** 40
/** Superblocks, roots and the inode table. */
const mostStoredBlocks = 16

interface Info {
  readonly label: string
  readonly uuid: string
  readonly sizeBytes: number
  readonly state: string
}

const folder = await temporaryDirectory(t, SHARED_MEMORY)
const place = (name: string): string => join(folder, name)
/** Blocks that a file takes: the others are holes. */
const blocksOf = (path: string): number => (statSync(path).blocks * 512) / blockBytes

void t.test('makes a file', async (t) => {
  const device = place('new')
  const said = await succeed(t, [
    'mkfs',
    device,
    '--size',
    '16M',
    '--label',
    'Größe',
    '--uuid',
    uuid.toUpperCase(),
  ])
  t.match(said, /16 MiB/)
  t.match(said, /Größe/)
  t.ok(said.includes(uuid))
  t.match(said, /lies in RAM/)
  t.ok(said.split('\n').length <= 8, 'in few lines')
  t.equal(statSync(device).size, 16 * mebibyte)
  t.equal(statSync(device).mode & 0o777, 0o600)
  const info = JSON.parse(await succeed(t, ['info', device, '--json'])) as Info
  t.match(info, { label: 'Größe', uuid, sizeBytes: 16 * mebibyte, state: 'clean' })
  t.match(await succeed(t, ['fsck', device]), /clean/)
})

void t.test('is quiet if told so', async (t) => {
  t.equal(await succeed(t, ['mkfs', place('quiet'), '--size', '1.5M', '--quiet']), '')
  t.equal(statSync(place('quiet')).size, 1.5 * mebibyte)
})

void t.test('rounds a size down to whole blocks', async (t) => {
  await succeed(t, ['mkfs', place('odd'), '--size', `${2 * mebibyte + 5000}`])
  t.equal(statSync(place('odd')).size, 2 * mebibyte + 4096)
  await succeed(t, ['mkfs', sparseFile(place('odd-file'), 2 * mebibyte + 5000)])
  t.equal(statSync(place('odd-file')).size, 2 * mebibyte + 5000, 'of a file that is there, the rest is left')
  await succeed(t, ['fsck', place('odd-file')])
})

// What makes it quick: of a file that was just made or emptied, all that is zero stays a hole, and so does the bitmap.
/** Blocks of a volume of 1 TiB that hold no data at first. */
const bitmapBlocks = tebibyte / blockBytes / blocksPerBitmapBlock
const mostMetadataBlocks = bitmapBlocks + laneCountFor(tebibyte / blockBytes) * laneBlocks + mostStoredBlocks

void t.test('a sparse file of 1 TiB takes the blocks of the metadata', async (t) => {
  t.equal(bitmapBlocks * blockBytes, 32 * mebibyte)
  const device = place('huge')
  const start = performance.now()
  await succeed(t, ['mkfs', device, '--size', '1T', '--sparse'])
  t.comment(`made in ${Math.round(performance.now() - start)} ms`)
  t.equal(statSync(device).size, tebibyte)
  t.ok(blocksOf(device) <= mostMetadataBlocks, `new: ${blocksOf(device)}`)
  await succeed(t, ['mkfs', device, '--force', '--sparse'])
  t.equal(statSync(device).size, tebibyte)
  t.ok(blocksOf(device) <= mostMetadataBlocks, `made again: ${blocksOf(device)}`)
})

void t.test(
  'where a file of 1 TiB may hold something, its bitmap and its log are written, and no more',
  async (t) => {
    const device = sparseFile(place('holes'), tebibyte)
    await succeed(t, ['mkfs', device, '--sparse'])
    t.ok(blocksOf(device) <= mostMetadataBlocks, `${blocksOf(device)} blocks`)
  },
)

void t.test('an empty file, and a shorter one, are made longer', async (t) => {
  await refuseUntouched(
    t,
    sparseFile(place('empty'), 0),
    ['mkfs', place('empty')],
    1,
    /it is empty; --size makes/,
  )
  await succeed(t, ['mkfs', place('empty'), '--size', '2M'])
  t.equal(statSync(place('empty')).size, 2 * mebibyte)
  await succeed(t, ['mkfs', sparseFile(place('short'), mebibyte), '--size', '2M'])
  t.equal(statSync(place('short')).size, 2 * mebibyte)
  await succeed(t, ['fsck', place('short')])
})

void t.test('a longer file is made shorter only by force, which drops what it held', async (t) => {
  const device = sparseFile(place('long'), 4 * mebibyte)
  writeAt(device, 3 * mebibyte, 'old')
  writeAt(device, 1.5 * mebibyte, 'old')
  const args = ['mkfs', device, '--size', '2M']
  await refuseUntouched(t, device, args, 1, /4 MiB long, more than --size; --force makes it shorter/)
  await succeed(t, [...args, '--force'])
  t.equal(statSync(device).size, 2 * mebibyte)
  t.same(readAt(device, 1.5 * mebibyte, 3), Uint8Array.of(0, 0, 0))
})

void t.test('what is stored already is formatted over, dirt and all', async (t) => {
  const device = sparseFile(place('dirt'), 2 * mebibyte)
  writeAt(device, 0, new Uint8Array(2 * mebibyte).fill(0xa5))
  await succeed(t, ['mkfs', device])
  t.match(await succeed(t, ['fsck', device]), /clean/)
})

void t.test('what is made stays where nothing can be printed', async (t) => {
  const [a, b] = [sparseFile(place('untold-old'), 2 * mebibyte), place('untold-new')]
  const { log } = console
  t.teardown(() => (console.log = log))
  console.log = () => {
    throw new Error('nobody listens')
  }
  const options = { label: '', uuid: undefined, layout: 'concat', force: false, sparse: false, quiet: false }
  const made = async () =>
    mkfsCommand.handler({ device: [a, b], size: '4M', ...options, _: ['mkfs'], $0: 'pmfs2-fuse' })
  await t.rejects(made(), /nobody listens/)
  console.log = log
  t.equal(statSync(a).size, 4 * mebibyte)
  t.match(await succeed(t, ['fsck', a, b]), /clean/)
})

void t.test('under a limit on the size of files', async (t) => {
  const device = place('limited')
  await succeed(t, ['mkfs', device, '--size', '2M'])
  writeAt(device, mebibyte, 'old')
  const limited = (...args: readonly string[]) =>
    start('bash', ['-c', 'ulimit -f 10 && exec "$@"', 'bash', process.execPath, command, ...args])
  const before = fingerprint(device)
  for (const more of [[], ['--sparse']]) {
    const { end, stderr } = await limited('mkfs', '--force', '--size', '4M', ...more, device)
    t.equal(end, 1)
    t.match(stderr, /^mkfs: [^\n]*this process may make no file of this size \(ulimit -f\)[^\n]*\n$/)
    t.equal(fingerprint(device), before, 'a failure leaves what the file holds')
  }
  t.match(await limited('info', device), { end: 0, stderr: '' }, 'it does not concern memory')
  t.match(
    await limited('mkfs', '--force', '--size', '2M', device),
    { end: 0, stderr: '' },
    'nor a length that is had',
  )
  t.same(readAt(device, mebibyte, 3), Uint8Array.of(0, 0, 0))
})

void t.test('there is one already', async (t) => {
  const device = place('ours')
  await succeed(t, ['mkfs', device, '--size', '2M'])
  const line = `mkfs: ${device} holds a PMFS2 file system; --force overwrites it`
  await refuseUntouched(t, device, ['mkfs', device], 1, line)
  writeAt(device, 100, 'damage')
  await refuseUntouched(t, device, ['mkfs', device], 1, line)
  writeAt(device, 2 * mebibyte - 4000, 'damage')
  await refuseUntouched(t, device, ['mkfs', device], 1, line)
  await succeed(t, ['mkfs', device, '--force'])
  editSuperblocks(device, (words) => (words[superblock.word.version] = formatVersion + 1))
  await refuseUntouched(t, device, ['mkfs', device], 1, line)
  await succeed(t, ['mkfs', device, '--force', '--label', 'again'])
  t.match(await succeed(t, ['info', device]), /again/)
})

void t.test('wrong values', async (t) => {
  const device = sparseFile(place('values'), 2 * mebibyte)
  const refused = (option: string, value: string, line: string | RegExp): Promise<void> =>
    refuseUntouched(t, device, ['mkfs', device, '--force', option, value], 1, line)
  for (const size of ['1X', 'abc', '', '1.5', '1e9', '9999P'])
    await refused('--size', size, /not a size|not enough|16 TiB less/)
  await refused('--size', '-1', /^mkfs: .*size/)
  await refused('--size', '0', `mkfs: ${device}: a volume needs 1 MiB at least`)
  await refused('--size', '1020K', `mkfs: ${device}: a volume needs 1 MiB at least`)
  for (const size of ['0', '1020K']) {
    const line = `mkfs: ${device}: a volume needs 1 MiB at least`
    await refuseUntouched(t, device, ['mkfs', device, '--size', size], 1, line)
  }
  await refused(
    '--size',
    '17T',
    /^mkfs: .*: a volume has 17592186040320 bytes at most: 16 TiB less one block/,
  )
  for (const id of ['1', uuid.slice(1), `${uuid}0`, uuid.replace('f', 'g'), `{${uuid}}`]) {
    await refused(
      '--uuid',
      id,
      new RegExp(`^mkfs: --uuid: '.*' is not a UUID; .* is, for example; try pmfs2-fuse mkfs --help`),
    )
  }
  await refused('--label', 'x'.repeat(65), `mkfs: ${device}: the label is longer than 64 bytes`)
  await refused('--label', 'ä'.repeat(33), `mkfs: ${device}: the label is longer than 64 bytes`)
  await refused(
    '--label',
    'red\u001b[31m\nline',
    'mkfs: --label "red\\x1b[31m\\x0aline" has control characters; a label is a line of text; try pmfs2-fuse mkfs --help',
  )
  await succeed(t, ['mkfs', device, '--label', 'ä'.repeat(32)])
})

void t.test('a label that a stranger has made is not obeyed', async (t) => {
  const device = place('strange')
  await succeed(t, ['mkfs', device, '--size', '1M', '--label', 'plain words'])
  t.match(await succeed(t, ['info', device]), /^ +label +plain words$/m)
  editSuperblocks(device, (words) => {
    const bytes = new Uint8Array(words.buffer, words.byteOffset + superblock.word.label * 4, 64)
    bytes.fill(0).set(Buffer.from('red\u001b[31m\nline'))
  })
  t.match(await succeed(t, ['info', device]), /^ +label +"red\\x1b\[31m\\x0aline"$/m)
})

void t.test('a file that could not be made leaves nothing', async (t) => {
  const device = place('never')
  await refuse(
    t,
    ['mkfs', device],
    1,
    `mkfs: ${device}: there is no such file or device; --size makes a file of that size`,
  )
  await refuse(t, ['mkfs', device, '--size', '1023K'], 1, `mkfs: ${device}: a volume needs 1 MiB at least`)
  await refuse(t, ['mkfs', device, '--size', '4M', '--label', 'x'.repeat(65)], 1, /label/)
  await refuse(
    t,
    ['mkfs', join(device, 'below'), '--size', '4M'],
    1,
    `mkfs: ${join(device, 'below')}: the directory ${device} does not exist`,
  )
  t.notOk(existsSync(device))
  // Where /dev is a directory like any other, so are those below it.
  const isMount = existsSync('/dev/net') && mountAround('/dev/net', readMountTable())?.mountpoint === '/dev'
  for (const folder of isMount ? ['/dev', '/dev/net'] : ['/dev']) {
    const missing = join(folder, 'pmfs2-test-missing')
    await refuse(t, ['mkfs', missing, '--size', '4M'], 1, `mkfs: ${missing}: there is no such device`)
    t.notOk(existsSync(missing))
  }
})

void t.test('what is no device', async (t) => {
  mkdirSync(place('folder'))
  await refuse(
    t,
    ['mkfs', place('folder'), '--force'],
    1,
    /neither a regular file nor a block device nor devdax/,
  )
  t.same(readdirSync(place('folder')), [])
  await refuse(t, ['mkfs', '/dev/null', '--force'], 1, /neither a regular file/)
  symlinkSync('loop', place('loop'))
  await refuse(t, ['mkfs', place('loop'), '--force'], 1, /too many symbolic links/)
})

void t.test('too small', async (t) => {
  const device = sparseFile(place('small'), mebibyte - 4096)
  await refuseUntouched(t, device, ['mkfs', device], 1, `mkfs: ${device}: a volume needs 1 MiB at least`)
  await refuseUntouched(
    t,
    device,
    ['mkfs', device, '--force'],
    1,
    `mkfs: ${device}: a volume needs 1 MiB at least`,
  )
  await refuseUntouched(t, sparseFile(place('tiny'), 10), ['mkfs', place('tiny')], 1, /1 MiB at least/)
  await succeed(t, ['mkfs', sparseFile(place('least'), mebibyte)])
  await succeed(t, ['fsck', place('least')])
})

void t.test('in use', async (t) => {
  const path = sparseFile(place('held'), 2 * mebibyte)
  const holder = openDevice(path, { access: 'read-write', exclusive: true })
  t.teardown(() => holder.close())
  for (const more of [[], ['--force'], ['--size', '4M'], ['--force', '--size', '1M']]) {
    await refuseUntouched(
      t,
      path,
      ['mkfs', path, ...more],
      1,
      new RegExp(
        `^mkfs: ${path}: it is in use by process ${process.pid} \\(node[^)]*\\); kill ${process.pid} ends that$`,
        'm',
      ),
    )
  }
})
