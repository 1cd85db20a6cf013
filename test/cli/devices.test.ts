// SPDX-License-Identifier: GPL-2.0-only
/** mkfs, info, dump and fsck of volumes of several devices. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openFiles } from '../../src/api/index.js'
import { findVolume } from '../../src/cli/find-volume.js'
import { loopOver } from '../support/loop-device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import {
  command,
  fileLimitMs,
  mebibyte,
  pmfs2,
  refuse,
  refuseUntouched,
  sparseFile,
  start,
  succeed,
  uuid,
  writeAt,
} from './cli.js'

t.setTimeout(fileLimitMs)

interface Info {
  readonly device: string
  readonly sizeBytes: number
  readonly devices: readonly { readonly path: string; readonly blocks: number; readonly identifier: string }[]
}

async function places(t: Test): Promise<(name: string) => string> {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  return (name) => join(folder, name)
}

async function infoOf(t: Test, ...args: readonly string[]): Promise<Info> {
  return JSON.parse(await succeed(t, ['info', '--json', ...args])) as Info
}

void t.test('makes one file system on all of them', async (t) => {
  const place = await places(t)
  const [a, b, c] = [place('a'), sparseFile(place('b'), 2 * mebibyte), place('c')]
  const said = await succeed(t, ['mkfs', a, b, c, '--size', '3M', '--uuid', uuid])
  t.match(said, `Made a PMFS2 file system on ${a} and ${b} and ${c}`)
  t.match(said, /size +9 MiB, 2304 blocks/)
  for (const file of [a, b, c]) t.equal(statSync(file).size, 3 * mebibyte, 'the size is that of each file')
  for (const file of [a, b, c]) {
    const info = await infoOf(t, file)
    t.match(info, { device: a, uuid, sizeBytes: 9 * mebibyte })
    t.same(
      info.devices.map(({ path }) => path),
      [a, b, c],
    )
    t.equal(new Set(info.devices.map(({ identifier }) => identifier)).size, 3)
    t.match(await succeed(t, ['fsck', file]), /clean/)
  }
  const shown = await succeed(t, ['info', b])
  t.ok(shown.startsWith(`${a}\n`))
  t.match(shown, new RegExp(`devices +1: ${a}, 3 MiB.*\n +2: ${b}, 3 MiB.*\n +3: ${c}, 3 MiB`))
  t.match(await succeed(t, ['fsck', c, a]), /clean/)
  t.match(await succeed(t, ['dump', b]), /header of device|superblock/)
  t.match(await succeed(t, ['dump', c, 'dir', '1', '--device', a, '--device', b]), /./)
  const again = await succeed(t, ['mkfs', '--force', c, a, '--quiet'])
  t.equal(again, '')
  t.same(
    (await infoOf(t, a)).devices.map(({ path }) => path),
    [c, a],
    'in the order in which they are named',
  )
  await refuse(t, ['info', b], 1, /device number 1 of its 3, identifier .* is missing/)
})

void t.test('a device elsewhere, which is named', async (t) => {
  const place = await places(t)
  mkdirSync(place('elsewhere'))
  const [a, b, moved] = [place('a'), place('b'), place('elsewhere/b')]
  await succeed(t, ['mkfs', a, b, '--size', '2M', '--quiet'])
  renameSync(b, moved)
  const missing = /^\w+: \S+: device number 2 of its 2, identifier [0-9a-f]{32}, is missing/
  await refuse(t, ['info', a], 1, missing)
  await refuse(t, ['dump', a], 1, missing)
  await refuse(t, ['fsck', a], 8, missing)
  t.equal((await infoOf(t, a, '--device', moved)).devices[1]!.path, moved)
  t.match(await succeed(t, ['fsck', moved, a]), /clean/)
  t.match(await succeed(t, ['dump', a, '--device', moved]), /superblock/)
  await refuse(
    t,
    ['fsck', a, place('none')],
    8,
    `fsck: cannot open ${place('none')}: there is no such file or device`,
  )
})

void t.test('one whose header is lost, which is recognized if all are named', async (t) => {
  const place = await places(t)
  const paths = [place('a'), place('b'), place('c')]
  const [a, b, c] = paths as [string, string, string]
  await succeed(t, ['mkfs', a, b, c, '--size', '2M', '--quiet'])
  for (const [n, lost] of paths.entries()) {
    writeAt(lost, 0, new Uint8Array(4096))
    const header = `the header of ${lost} is damaged`
    const advice = `${header}: name all 3 devices of the volume, and it is recognized by the place that the others leave`
    const other = paths.find((path) => path !== lost)!
    await refuseUntouched(t, paths, ['info', lost], 1, `info: ${lost}: ${advice}`)
    await refuseUntouched(
      t,
      paths,
      ['dump', other, '--device', lost],
      1,
      `dump: ${other}, ${lost}: ${advice}`,
    )
    await refuseUntouched(t, paths, ['fsck', lost, other], 8, `fsck: ${lost}, ${other}: ${advice}`)
    await refuse(t, ['fsck', other], 8, new RegExp(`: device number ${n + 1} of its 3, .* is missing`))

    const rest = ['--device', b, '--device', c]
    const said = `the header of device number ${n + 1}, ${lost}, is damaged; its superblock says that it belongs here`
    t.match(await succeed(t, ['info', a, ...rest]), new RegExp(`^ *damage +${said}; fsck tells more$`, 'm'))
    t.same(
      (await infoOf(t, a, ...rest)).devices.map(({ path }) => path),
      paths,
    )
    t.match(await succeed(t, ['dump', a, 'dir', '1', ...rest]), /./)
    const dumped = await pmfs2(['dump', a, 'superblock', ...rest])
    t.match(dumped.stdout, new RegExp(`header of device ${n} `))
    t.match(dumped.stderr, /damage/)
    const { end, stdout } = await pmfs2(['fsck', c, b, a])
    t.equal(end, 4)
    t.match(stdout, new RegExp(`^header of device ${n} .*: it has no magic\n\\S+: 1 problem`))

    const further = place(`further-${n}`)
    if (n === 2) {
      await succeed(t, ['grow', a, further, ...rest, '--size', '2M', '--quiet'])
      t.match(await succeed(t, ['fsck', b]), /clean/, 'growing makes it anew')
      return
    }
    await (await openFiles(paths)).close()
    t.match(await succeed(t, ['fsck', lost]), /clean/, 'and so does opening it for writing')
  }
})

void t.test('they are laid out one after the other, and in no other way', async (t) => {
  const place = await places(t)
  const [a, b] = [sparseFile(place('a'), 2 * mebibyte), sparseFile(place('b'), 2 * mebibyte)]
  const mkfs = (layout: string) => ['mkfs', a, b, '--layout', layout]
  await refuseUntouched(
    t,
    [a, b],
    mkfs('stripe'),
    1,
    /^mkfs: --layout stripe: striping is not supported; use concat, .* at once; try pmfs2-fuse mkfs --help$/m,
  )
  await refuseUntouched(
    t,
    [a, b],
    mkfs('raid'),
    1,
    "mkfs: --layout: 'raid' is no layout; concat is the only one; try pmfs2-fuse mkfs --help",
  )
  await succeed(t, [...mkfs('concat'), '--quiet'])
  t.match(await succeed(t, ['dump', a, 'superblock']), / 0 +0 +0 +0 +512 .*\n +1 +1 +0 +262144 +512 /)
})

void t.test('a file, and a loop device over it', async (t) => {
  const place = await places(t)
  const [file, volume] = [sparseFile(place('file'), 4 * mebibyte), place('volume')]
  const loop = loopOver(t, file)
  const over = loopOver(t, loop)
  const below = (upper: string): string => `lies below ${upper}, and both are the same storage`
  await succeed(t, ['mkfs', volume, '--size', '4M', '--quiet'])
  for (const [lower, upper] of [
    [file, loop],
    [file, over],
    [loop, over],
  ] as const) {
    for (const names of [
      [lower, upper],
      [upper, lower],
    ]) {
      await refuse(t, ['mkfs', ...names], 1, `mkfs: ${lower}: it ${below(upper)}`)
      await refuse(t, ['grow', volume, ...names], 1, `grow: ${lower}: it ${below(upper)}`)
    }
  }
  await succeed(t, ['mkfs', over, '--quiet'])
  mkdirSync(place('mountpoint'))
  for (const names of [
    [file, loop],
    [loop, file],
  ]) {
    const line = `${file} ${below(loop)}`
    await refuse(t, ['fsck', ...names], 8, `fsck: ${names.join(', ')}: ${line}`)
    await refuse(t, [...names, place('mountpoint')], 32, `mount: ${names[0]}: ${line}`)
  }
  await refuse(t, ['grow', over, file], 1, `grow: ${file}: it ${below(over)}`)
})

void t.test('a UUID that finds a device without its header', async (t) => {
  const place = await places(t)
  const paths = [place('a'), place('b')]
  await succeed(t, ['mkfs', ...paths, '--size', '2M', '--quiet'])
  const [a, b] = paths.map((path) => loopOver(t, path)) as [string, string]
  const found = JSON.parse(await succeed(t, ['info', '--json', a])) as { uuid: string }
  writeAt(b, 0, new Uint8Array(4096))
  const line = new RegExp(
    `^info: UUID=${found.uuid}: (${a} and ${b}|${b} and ${a}) hold such a file system, and the header of ${b} is lost; name the device, or all devices of the volume\\n$`,
  )
  await refuse(t, ['info', `UUID=${found.uuid}`], 1, line)
  t.match(await succeed(t, ['info', a, '--device', b]), `2: ${b}, `)
})

void t.test('what looks like a superblock in the last block of a device that has grown', async (t) => {
  const place = await places(t)
  const [volume, other] = [place('volume'), place('other')]
  for (const path of [volume, other]) await succeed(t, ['mkfs', path, '--size', '2M', '--quiet'])
  await succeed(t, ['grow', volume, '--size', '8M', '--quiet'])
  const { uuid } = JSON.parse(await succeed(t, ['info', '--json', volume])) as { uuid: string }
  // Each time, its superblock is written anew, and newer.
  for (const size of ['4M', '6M', '8M']) await succeed(t, ['grow', other, '--size', size, '--quiet'])
  writeAt(volume, 8 * mebibyte - 4096, readFileSync(other).subarray(4096, 8192))
  writeAt(volume, 0, new Uint8Array(4096))
  for (const command of ['info', 'fsck']) {
    const { stdout } = await pmfs2([command, volume, ...(command === 'info' ? ['--json'] : [])])
    if (command === 'info') t.equal((JSON.parse(stdout) as { uuid: string }).uuid, uuid)
    else t.match(stdout, /header of device 0 .*: it has no magic/)
  }
})

void t.test('a device that is named twice', async (t) => {
  const place = await places(t)
  const [a, b, link] = [place('a'), place('b'), place('link')]
  await succeed(t, ['mkfs', a, b, '--size', '2M', '--quiet'])
  symlinkSync(b, link)
  await refuse(t, ['fsck', a, b, a], 8, new RegExp(`: ${a} is named twice$`, 'm'))
  await refuse(t, ['fsck', b, link], 8, new RegExp(`: ${link} is the same device as ${b}$`, 'm'))
  // An option may repeat what is named.
  const again = ['--device', a, '--device', link, '--device', b]
  for (const command of [
    ['info', a],
    ['dump', b],
    ['grow', link],
  ])
    t.equal((await pmfs2([...command, ...again])).stderr, '', command.join(' '))
  const [second, first] = [loopOver(t, b), loopOver(t, a)]
  const { uuid } = JSON.parse(await succeed(t, ['info', '--json', a])) as { uuid: string }
  t.match(await succeed(t, ['fsck', `UUID=${uuid}`, second, `UUID=${uuid}`, first]), /: clean, /)
  await refuse(t, ['fsck', `UUID=${uuid}`, first, first], 8, new RegExp(`: ${first} is named twice$`, 'm'))
})

void t.test('all become the file system, or none is changed', async (t) => {
  const place = await places(t)
  const [a, b] = [sparseFile(place('a'), 2 * mebibyte), sparseFile(place('b'), 2 * mebibyte)]
  writeAt(a, mebibyte, 'kept')
  symlinkSync(a, place('link'))
  linkSync(a, place('hard'))
  const mine = (...more: readonly string[]) => ['mkfs', a, b, ...more]
  await refuseUntouched(t, [a, b], mine(a), 1, `mkfs: ${a}: it is named twice`)
  for (const name of ['link', 'hard'])
    await refuseUntouched(
      t,
      [a, b],
      mine(place(name)),
      1,
      `mkfs: ${place(name)}: it is the same device as ${a}`,
    )
  await refuse(
    t,
    ['mkfs', place('new'), join(place('.'), 'new'), '--size', '2M'],
    1,
    /it is the same device as|it is named twice/,
  )
  await refuseUntouched(
    t,
    [a, b],
    mine(place('new')),
    1,
    /new: there is no such file or device; --size makes/,
  )
  await refuseUntouched(t, [a, b], mine(place('.'), '--force'), 1, /neither a regular file/)
  await refuseUntouched(
    t,
    [a, b],
    mine(place('new'), '--size', '1M'),
    1,
    /: it is 2 MiB long, more than --size/,
  )
  const many = Array.from({ length: 17 }, (_, n) => sparseFile(place(`many-${n}`), mebibyte))
  const usage = 'mkfs: a volume has 16 devices at most; try pmfs2-fuse mkfs --help'
  await refuseUntouched(t, many, ['mkfs', ...many], 1, usage)
  const further = many.map((path) => `${path}-further`)
  const excess = `grow: ${many[0]}: a volume has 16 devices at most, and this one has 1 already`
  await succeed(t, ['mkfs', many[0]!, '--quiet'])
  await refuseUntouched(t, many, ['grow', many[0]!, ...further.slice(1), '--size', '1M'], 1, excess)
  t.notOk(further.some((path) => existsSync(path)))
  for (const [name, size] of [
    ['8 KiB', 8192],
    ['1020 KiB', mebibyte - 4096],
  ] as const) {
    const small = sparseFile(place(name), size)
    const line = `mkfs: ${small}: it has ${name}; each device of a volume needs 1 MiB at least`
    await refuseUntouched(t, [a, small], ['mkfs', a, small], 1, line)
  }

  const held = place('held')
  await succeed(t, ['mkfs', held, '--size', '2M', '--quiet'])
  await refuseUntouched(
    t,
    [a, b, held],
    mine(held),
    1,
    `mkfs: ${held} holds a PMFS2 file system; --force overwrites it`,
  )
  await refuseUntouched(
    t,
    [a, held],
    ['mkfs', a, held, place('new'), '--size', '4M'],
    1,
    /holds a PMFS2 file system/,
  )
  t.notOk(existsSync(place('new')), 'what was to be made is not there')

  const child = spawn('flock', ['-x', held, '-c', 'echo; cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await refuse(t, ['mkfs', a, held, '--force'], 1, new RegExp(`^mkfs: ${held}: it is in use by process \\d+`))
  child.stdin.end()
  await once(child, 'exit')
  t.match(await succeed(t, ['fsck', held]), /clean/)
  await succeed(t, mine(held, '--force', '--quiet'))
  t.match(await succeed(t, ['fsck', held]), /clean/)
})

void t.test('the device that fails is the one that is named', async (t) => {
  const place = await places(t)
  const [a, b] = [sparseFile(place('a'), 4 * mebibyte), sparseFile(place('b'), 2 * mebibyte)]
  const limited = ['-c', 'ulimit -f 10 && exec "$@"', 'bash', process.execPath, command]
  const { end, stderr } = await start('bash', [
    ...limited,
    'mkfs',
    a,
    b,
    '--size',
    '4M',
    '--sparse',
    '--force',
  ])
  t.equal(end, 1)
  t.match(stderr, new RegExp(`^mkfs: cannot make ${b} 4194304 bytes long: this process may make no file`))
  t.equal(statSync(b).size, 2 * mebibyte)
})

void t.test('as many as a volume has at the most, small and large', async (t) => {
  const place = await places(t)
  const files = Array.from({ length: 16 }, (_, n) => sparseFile(place(`device-${n}`), (n + 1) * mebibyte))
  await succeed(t, ['mkfs', ...files, '--quiet'])
  const { devices, sizeBytes } = await infoOf(t, files[7]!)
  t.same(
    devices.map(({ path }) => path),
    files,
  )
  t.equal(sizeBytes, 136 * mebibyte)
  t.match(await succeed(t, ['fsck', files[15]!]), /clean/)
  const { end } = await pmfs2(['fsck', ...files.toReversed()])
  t.equal(end, 0)
})

void t.test('of repeated options the last one holds', async (t) => {
  const place = await places(t)
  await succeed(t, ['mkfs', place('a'), '--size', '1M', '--size', '2M', '--label', 'x', '--label', 'y', '-q'])
  t.match(await infoOf(t, place('a')), { sizeBytes: 2 * mebibyte, label: 'y' })
})

void t.test('UUID= and LABEL= name a volume to each command', async (t) => {
  for (const name of [`UUID=${uuid}`, `pmfs2:UUID=${uuid}`, 'LABEL=of no volume']) {
    const line = `${name.replace('pmfs2:', '')}: no block device and no devdax device holds such a PMFS2 file system`
    // In a container, root may be kept from some.
    const unseen = '(?:; \\S+ could not be looked at: .+)?'
    for (const [command, exitCode] of [
      ['info', 1],
      ['dump', 1],
      ['grow', 1],
      ['fsck', 8],
      ['umount', 32],
    ] as const)
      await refuse(t, [command, name], exitCode, new RegExp(`^${command}: ${line}${unseen}$`, 'm'))
  }
})

void t.test('who may not read the devices of the machine is told so', async (t) => {
  const place = await places(t)
  loopOver(t, sparseFile(place('file'), mebibyte))
  const line =
    /: no block device and no devdax device holds such a PMFS2 file system; \/dev\/.* could not be looked at: no permission/
  process.seteuid!(65534)
  try {
    t.throws(() => findVolume('UUID', uuid), { message: line })
  } finally {
    process.seteuid!(0)
  }
})
