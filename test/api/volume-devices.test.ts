// SPDX-License-Identifier: GPL-2.0-only
/**
 * Volumes of several files: any of them, or all in any order, are named; what does not belong together is named too.
 */
import fs, {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { deviceHeader } from '../../layout/device-header.js'
import { headerBlock, superblockBlock, windowBytes } from '../../layout/geometry.js'
import { gainsOf } from '../../src/api/device-growth.js'
import { openVolume } from '../../src/api/opened-volume.js'
import type { Search } from '../../src/api/device-search.js'
import { findDevices, lookAt } from '../../src/api/volume-devices.js'
import { openFiles } from '../../src/api/volume-files.js'
import { checkDevices } from '../../src/check/check-device.js'
import { dumpDevices } from '../../src/check/dump/dump-device.js'
import { withDevices, withMedium } from '../../src/check/with-devices.js'
import { growVolume } from '../../src/fs/grow.js'
import { DeviceHeader } from '../../src/fs/device-header.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { lockHolder } from '../../src/pmem/lock-holder.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { fingerprint, readAt, sparseFile, writeAt } from '../cli/cli.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { formattedFiles, problemsOn } from './formatted-device.js'

const mebibyte = 2 ** 20
const blockBytes = 4096
/** The second device begins beyond a gap, and reaches over the end of a window. */
const sizes = [3 * mebibyte, windowBytes + 5 * mebibyte, 2 * mebibyte] as const

async function folderOf(t: Test): Promise<string> {
  return temporaryDirectory(t, SHARED_MEMORY)
}

/** Small ones. */
async function three(t: Test): Promise<{ folder: string; paths: [string, string, string] }> {
  const folder = await folderOf(t)
  const paths = formattedFiles(folder, 3 * mebibyte, 2 * mebibyte, 4 * mebibyte)
  return { folder, paths: paths as [string, string, string] }
}

function refusal(named: readonly string[], search?: Search): string {
  try {
    findDevices(named, search)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return 'it is not refused'
}

/** File access of this process as of another user, who is not root. */
function asUser<Result>(uid: number, body: () => Result): Result {
  process.seteuid!(uid)
  try {
    return body()
  } finally {
    process.seteuid!(0)
  }
}

/** Reading the file fails meanwhile, as that of a broken device does. */
function whileUnreadable(path: string, body: () => void): void {
  const { readSync } = fs
  fs.readSync = (fd: number, ...rest: [NodeJS.ArrayBufferView]) => {
    if (fs.readlinkSync(`/proc/self/fd/${fd}`) !== path) return readSync(fd, ...rest)
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
  }
  syncBuiltinESMExports()
  try {
    body()
  } finally {
    fs.readSync = readSync
    syncBuiltinESMExports()
  }
}

void test('any device, or all in any order', async (t) => {
  const { folder, paths } = await three(t)
  const [a, b, c] = paths
  for (const named of [[a], [b], [c], [c, a, b], [b, c], [c, b, a]])
    t.same(
      findDevices(named),
      { paths, runs: [768, 512, 1024].map((blocks, device) => ({ device, deviceBlock: 0, blocks })) },
      named.join(' '),
    )
  symlinkSync(b, join(folder, 'link'))
  t.same(
    findDevices([join(folder, 'link')]).paths,
    [a, join(folder, 'link'), c],
    'by the name that was given',
  )
  const volume = await openFiles([c, a])
  await volume.writeFile('/file', 'written')
  await volume.close()
  for (const named of paths) {
    const again = await openFiles(named)
    t.equal(await again.readFile('/file', 'utf8'), 'written')
    await again.close()
    t.same(problemsOn(named), [])
    t.equal(dumpDevices([named], { what: 'overview' }).problem, null)
  }
  await t.rejects(openFiles([]), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.rejects(openFiles([a, null as unknown as string]), { code: 'ERR_INVALID_ARG_TYPE' })
})

void test('data lies on all of them, also beyond a gap', async (t) => {
  const folder = await folderOf(t)
  const paths = formattedFiles(folder, ...sizes)
  const volume = await openFiles(paths[2]!)
  const piece = Buffer.alloc(4 * mebibyte)
  for (let n = 0; n < 5; n++) {
    piece.fill(n + 1)
    await volume.writeFile(`/file-${n}`, piece)
  }
  await volume.close()
  t.ok(statSync(paths[1]!).blocks * 512 > 8 * mebibyte, 'the second device holds a part')
  const again = await openFiles(paths[1]!, { readOnly: true })
  for (let n = 0; n < 5; n++) t.ok((await again.readFile(`/file-${n}`)).every((byte) => byte === n + 1))
  await again.close()
  t.same(problemsOn(paths[0]!), [])
})

void test('a device elsewhere has to be named', async (t) => {
  const { folder, paths } = await three(t)
  const [a, b, c] = paths
  mkdirSync(join(folder, 'elsewhere'))
  const moved = join(folder, 'elsewhere', 'second')
  renameSync(b, moved)
  const before = [a, c].map(fingerprint)
  const line = /^device number 2 of its 3, identifier [0-9a-f]{32}, is missing: it was not found; name it/
  t.match(refusal([a]), line)
  t.match(refusal([c, a]), line)
  for (const named of [[a], [c], [a, c]]) {
    await t.rejects(openFiles(named), { name: 'VolumeError', message: line })
    await t.rejects(openFiles(named, { readOnly: true }), { message: line })
    t.match(checkDevices(named).problems, [/: device number 2 of its 3, identifier [0-9a-f]{32}, is missing/])
  }
  t.same([a, c].map(fingerprint), before, 'nothing is changed on the others')
  t.match(refusal([moved]), /^device number 1 of its 3, /)
  t.same(findDevices([a, moved]).paths, [a, moved, c])
})

void test('a search names what it could not look at', async (t) => {
  const { folder, paths } = await three(t)
  const [a, b, c] = paths
  const missing = (n: number) =>
    new RegExp(`^device number ${n} of its 3, identifier \\S+ is missing: it was not found; name it`)
  chmodSync(folder, 0o755)
  for (const path of paths) chmodSync(path, 0o644)
  chmodSync(b, 0o600)
  const nobody = 65534
  const unread = asUser(nobody, () => refusal([a]))
  t.match(unread, missing(2))
  // Those of the machine may follow.
  t.match(
    unread,
    new RegExp(`; ${b}(?:, \\S+)*(?: and \\d+ more)? could not be looked at: no permission: run as root`),
  )
  for (const n of [1, 2, 3, 4]) chmodSync(sparseFile(join(folder, `closed-${n}`), 1), 0)
  t.match(
    asUser(nobody, () => refusal([a])),
    /; (?:\S+, ){2}\S+ and \d more could not be looked at: no permission/,
    'a few of many',
  )
  t.same(findDevices([a]).paths, paths, 'root may look at all of them')
  chmodSync(folder, 0o711)
  t.match(
    asUser(nobody, () => refusal([a])),
    new RegExp(`; ${folder}(?:, \\S+)*(?: and \\d+ more)? could not be looked at: no permission`),
  )
  const eio = 'the device reports an I/O error (EIO); the kernel log (dmesg) tells more'
  whileUnreadable(b, () => {
    const said = refusal([a], () => [[b, c]])
    t.match(said, missing(2))
    t.ok(said.endsWith(`; ${b} could not be looked at: ${eio}`), said)
    t.equal(refusal([a, b]), `cannot read ${b}: ${eio}`)
    t.equal(refusal([a, b, c]), `cannot read ${b}: ${eio}`)
  })
  t.notMatch(
    refusal([a], () => [[join(folder, 'gone'), sparseFile(join(folder, 'empty'), 0), folder, c]]),
    'could not',
  )
})

void test('what does not belong to the volume is named', async (t) => {
  const { folder, paths } = await three(t)
  const [a, b, c] = paths
  mkdirSync(join(folder, 'other'))
  const [foreign] = formattedFiles(join(folder, 'other'), 2 * mebibyte, 2 * mebibyte) as [string]
  const empty = sparseFile(join(folder, 'empty'), mebibyte)
  t.equal(refusal([a, foreign]), `${foreign} belongs to another file system`)
  t.equal(refusal([a, b, c, foreign]), `${foreign} belongs to another file system`)
  const headless = `${empty} has neither a header nor a superblock that would say whether it belongs to the volume`
  t.equal(refusal([a, empty]), headless)
  t.equal(refusal([empty, a]), headless)
  t.same(findDevices([empty]).paths, [empty], 'reading it says that it holds none')

  const copy = join(folder, 'copy')
  copyFileSync(b, copy)
  t.equal(
    refusal([a]),
    `${copy} and ${b} are both device number 2 of its 3: one is a copy of the other; name the one that belongs to it`,
  )
  t.same(findDevices([b]).paths, paths, 'the one that is named counts')
  t.match(refusal([b, copy]), / are both device number 2 of its 3/)
  t.equal(refusal([a, b, a]), `${a} is named twice`)
  symlinkSync(b, join(folder, 'link'))
  linkSync(c, join(folder, 'hard link'))
  t.equal(refusal([b, join(folder, 'link')]), `${join(folder, 'link')} is the same device as ${b}`)
  t.equal(
    refusal([join(folder, 'hard link'), a, c]),
    `${c} is the same device as ${join(folder, 'hard link')}`,
  )
  await t.rejects(openFiles([c, c]), { name: 'VolumeError', message: `${c} is named twice` })
  t.same(findDevices([a, b]).paths[2], c, 'another name of a device is no copy')
})

void test('a device that was not there when the others were last mounted', async (t) => {
  const { folder, paths } = await three(t)
  mkdirSync(join(folder, 'aside'))
  for (const n of [0, 1, 2]) {
    const stale = join(folder, 'aside', 'stale')
    copyFileSync(paths[n]!, stale)
    for (let round = 0; round < 2; round++) await (await openFiles(paths)).close()
    renameSync(stale, paths[n]!)
    const line = `device number ${n + 1}, ${paths[n]!}, is stale: it was not there when the volume was last mounted`
    const before = paths.map(fingerprint)
    await t.rejects(openFiles(paths), { name: 'VolumeError', message: line })
    t.same(paths.map(fingerprint), before)
    // So that it is there again.
    for (const path of paths) truncateSync(path, 0)
    formattedFiles(folder, 3 * mebibyte, 2 * mebibyte, 4 * mebibyte)
  }
})

void test('each device alone tells what the volume is, whatever is damaged on another one', async (t) => {
  const { paths } = await three(t)
  for (const n of [0, 1, 2]) {
    const path = paths[n]!
    const second = statSync(path).size - blockBytes
    for (const at of n === 0 ? [superblockBlock * blockBytes, second] : [superblockBlock * blockBytes])
      writeAt(path, at + 100, 'damage')
    for (const named of [...paths.map((one) => [one]), paths.toReversed()])
      t.same(findDevices(named).paths, paths)
    const opened = openVolume(path, true)
    t.equal(opened.notices.filter((notice) => notice.includes('is damaged')).length, n === 0 ? 2 : 1)
    opened.close()
    openVolume(path, false).close()
    const mended = openVolume(path, true)
    t.same(
      mended.notices.filter((notice) => notice.includes('is damaged')),
      [],
      'mounting mends them',
    )
    mended.close()
  }
  writeAt(paths[1], headerBlock + 100, 'damage')
  t.equal(
    refusal([paths[1], paths[0]]),
    `the header of ${paths[1]} is damaged: name all 3 devices of the volume, and it is recognized by the place that the others leave`,
  )
  t.match(refusal([paths[0]]), /^device number 2 of its 3, .* is missing/)
})

void test('one device whose header is lost is recognized where all are named', async (t) => {
  const { paths } = await three(t)
  const before = await openFiles(paths)
  await before.writeFile('/file', 'written')
  await before.close()
  for (const n of [0, 1, 2]) {
    const path = paths[n]!
    const header = readAt(path, 0, blockBytes)
    writeAt(path, 0, new Uint8Array(blockBytes))
    const prints = paths.map(fingerprint)
    const line = `the header of ${path} is damaged: name all 3 devices of the volume, and it is recognized by the place that the others leave`
    const others = paths.filter((other) => other !== path)
    t.equal(refusal([path]), line)
    t.equal(refusal([others[0]!, path]), line)
    t.match(refusal(others), new RegExp(`^device number ${n + 1} of its 3, .* is missing: .*; name it`))
    for (const named of [paths, paths.toReversed(), [path, ...others]]) {
      t.same(findDevices(named), findDevices(paths))
      t.same(findDevices(named).paths, paths)
      t.same(dumpDevices(named, { what: 'overview' }).problem, null)
    }
    t.match(checkDevices(paths).problems, [
      new RegExp(`^header of device ${n} \\(block ${n * (windowBytes / blockBytes)}\\): it has no magic$`),
    ])
    const volume = await openFiles(paths, { readOnly: true })
    t.equal(await volume.readFile('/file', 'utf8'), 'written')
    await volume.close()
    t.same(paths.map(fingerprint), prints, 'reading changes nothing')

    const damage = `the header of device number ${n + 1}, ${path}, is damaged; its superblock says that it belongs here`
    const opened = openVolume(paths, true)
    t.same(opened.notices, [`${paths[0]}: ${damage}`])
    opened.becomeWritable()
    opened.close()
    t.same(readAt(path, 0, blockBytes), header, 'a remount makes it anew')
    writeAt(path, 0, new Uint8Array(blockBytes))
    const again = openVolume(paths.toReversed(), false)
    t.same(again.notices, [`${paths[0]}: ${damage}`, `${paths[0]}: the damaged header is rewritten`])
    again.close()
    t.same(readAt(path, 0, blockBytes), header, 'and so does a mount')
    t.same(problemsOn(path), [])
    t.same(findDevices([path]).paths, paths, 'any of them is enough again')
  }
})

void test('a lost header is no reason to take another device', async (t) => {
  const { folder, paths } = await three(t)
  const [a, b, c] = paths
  // Each in a folder of its own: others of the volume are looked for beside those that are named.
  const aside = (name: string) => {
    mkdirSync(join(folder, name), { recursive: true })
    return join(folder, name, 'device')
  }
  const lose = (path: string) => writeAt(path, 0, new Uint8Array(blockBytes))
  const neither = (path: string) =>
    `${path} has neither a header nor a superblock that would say whether it belongs to the volume`
  const [, foreign] = formattedFiles(join(aside('other'), '..'), 2 * mebibyte, 2 * mebibyte) as [
    string,
    string,
  ]
  lose(foreign)
  copyFileSync(b, aside('b'))
  copyFileSync(b, aside('lost'))
  lose(aside('lost'))
  t.equal(
    refusal([a, aside('lost'), c]),
    `the header of ${aside('lost')} is damaged, and all devices of the volume are there without it`,
    'the device itself is found',
  )
  t.equal(
    refusal([a, aside('lost'), b, c]),
    `the header of ${aside('lost')} is damaged, and all devices of the volume are there without it`,
  )
  renameSync(b, aside('gone'))
  t.same(findDevices([a, aside('lost'), c]).paths, [a, aside('lost'), c])
  t.equal(refusal([a, foreign, c]), neither(foreign))
  t.equal(refusal([a, c, sparseFile(aside('empty'), 2 * mebibyte)]), neither(aside('empty')))
  truncateSync(aside('lost'), mebibyte)
  t.equal(
    refusal([a, aside('lost'), c]),
    `${aside('lost')} is ${mebibyte} bytes shorter than its part of the file system`,
  )

  copyFileSync(aside('b'), b)
  const old = readAt(b, 0, 2 * mebibyte)
  for (let round = 0; round < 2; round++) await (await openFiles(paths)).close()
  writeAt(b, 0, old)
  lose(b)
  const stale = `device number 2, ${b}, is stale: it was not there when the volume was last mounted`
  await t.rejects(openFiles(paths), { message: stale })
  t.match(checkDevices(paths).problems, [stale])
})

void test('two lost headers, and one of another version', async (t) => {
  const { paths } = await three(t)
  const [a, b, c] = paths
  const headers = paths.map((path) => readAt(path, 0, blockBytes))
  writeAt(b, 0, new Uint8Array(blockBytes))
  writeAt(c, 100, 'damage')
  t.equal(refusal([c, a, b]), `the headers of ${c} and ${b} are damaged: a volume can do without one at most`)
  writeAt(c, 0, headers[2]!)
  const other = new DeviceHeader()
  other.bytes.set(headers[1]!)
  other.set(deviceHeader.word.version, 1)
  other.set(deviceHeader.word.checksum, other.checksum())
  writeAt(b, 0, other.bytes)
  t.equal(refusal(paths), `${b} has the header of another version of the format`)
})

void test('the second superblock of the first device is enough, and what looks like one elsewhere is data', async (t) => {
  const { paths } = await three(t)
  const [a, b, c] = paths
  const copy = readAt(a, superblockBlock * blockBytes, blockBytes)
  const secondCopy = statSync(a).size - blockBytes
  // The device is longer than it was, so the copy is not in its last block.
  truncateSync(a, statSync(a).size + mebibyte)
  writeAt(a, 0, new Uint8Array(2 * blockBytes))
  t.same(findDevices([c, b, a]).paths, paths)
  const opened = openVolume(paths, true)
  t.equal(opened.notices.length, 2)
  opened.close()
  await (await openFiles(paths)).close()
  t.same(problemsOn(c), [])

  writeAt(c, 0, new Uint8Array(2 * blockBytes))
  for (const at of [secondCopy, statSync(c).size - blockBytes]) writeAt(c, at, copy)
  t.equal(
    refusal(paths),
    `${c} has neither a header nor a superblock that would say whether it belongs to the volume`,
  )
})

void test('a second copy of the superblock is looked for where the header says, and nowhere else', async (t) => {
  const { paths } = await three(t)
  for (const [n, path] of paths.entries()) {
    const copy = readAt(path, superblockBlock * blockBytes, blockBytes)
    // The end of the second and the third device is data, such as an image of a volume.
    writeAt(path, statSync(path).size - blockBytes, copy)
    writeAt(path, superblockBlock * blockBytes + 100, 'damage')
    t.equal(lookAt(path).superblock === null, n > 0)
  }
  writeAt(paths[0], headerBlock + 100, 'damage')
  t.not(lookAt(paths[0]).superblock, null, 'without a header, at the end of the device')
})

void test('without header and first copy, the last block is looked at as the roots say whose it is', async (t) => {
  const folder = await folderOf(t)
  const [a] = formattedFiles(folder, 3 * mebibyte) as [string]
  const copy = readAt(a, superblockBlock * blockBytes, blockBytes)
  const last = statSync(a).size - blockBytes
  writeAt(a, 0, new Uint8Array(2 * blockBytes))
  t.not(lookAt(a).superblock, null)
  await (await openFiles(a)).close()
  t.same(problemsOn(a), [])

  const [b] = formattedFiles(await folderOf(t), 3 * mebibyte) as [string]
  writeAt(b, 0, new Uint8Array(2 * blockBytes))
  writeAt(b, last, copy)
  t.equal(lookAt(b).superblock, null, 'that of another volume')
  await t.rejects(openFiles(b), { message: /nothing tells whether the second one belongs to the volume/ })
})

void test('a copy of a superblock in a file, where a further device might begin', async (t) => {
  const paths = formattedFiles(await folderOf(t), windowBytes + 4 * mebibyte, 2 * mebibyte) as [
    string,
    string,
  ]
  const [a] = paths
  const [other] = formattedFiles(await folderOf(t), windowBytes + 4 * mebibyte, 2 * mebibyte) as [
    string,
    string,
  ]
  for (let n = 0; n < 4; n++) await (await openFiles(other)).close()
  writeAt(a, windowBytes + blockBytes, readAt(other, superblockBlock * blockBytes, blockBytes))
  for (const at of [blockBytes, statSync(a).size - blockBytes]) writeAt(a, at + 100, 'damage')
  await (await openFiles(paths)).close()
  t.same(problemsOn(a), [])
})

void test('a device that has grown, and one that was cut short', async (t) => {
  const folder = await folderOf(t)
  const paths = formattedFiles(folder, windowBytes - mebibyte, 2 * mebibyte)
  const volume = await openFiles(paths)
  await volume.writeFile('/file', 'written')
  await volume.close()
  truncateSync(paths[0]!, windowBytes + 3 * mebibyte)
  const again = await openFiles(paths)
  t.equal(await again.readFile('/file', 'utf8'), 'written', 'the second device keeps its place')
  await again.close()
  truncateSync(paths[1]!, mebibyte)
  t.equal(refusal(paths), `${paths[1]!} is ${mebibyte} bytes shorter than its part of the file system`)
})

void test('a volume that grows after its devices were found, and before they are locked', async (t) => {
  const folder = await folderOf(t)
  const [path] = formattedFiles(folder, 4 * mebibyte) as [string]
  let size = 4 * mebibyte
  /** As `grow` of another process, which has ended by then. */
  const grow = (): void => {
    size += 4 * mebibyte
    truncateSync(path, size)
    const { paths, runs } = findDevices([path])
    const devices = DeviceSet.open(paths, { access: 'read-write', exclusive: false }, runs)
    const { superblock } = withMedium(devices, 'read-only', readSuperblock)
    const gains = gainsOf(superblock, devices.devices)
    const larger = new DeviceSet(devices.devices, [...superblock.segments, ...gains])
    withMedium(larger, 'read-write', (medium) => growVolume(medium, superblock, gains, Date.now()))
    devices.close()
  }
  for (const readOnly of [false, true]) {
    let opened = 0
    const check = () => {
      if (++opened === 1) grow()
    }
    const volume = openVolume(path, readOnly, { check })
    t.equal(opened, 2, 'it was opened anew')
    t.equal(volume.volume.superblock.geometry.segments.length, readOnly ? 3 : 2)
    t.equal(lockHolder(statDevice(path)), process.pid)
    volume.close()
    t.equal(lockHolder(statDevice(path)), null)
  }
  let worked = 0
  const readingAfterGrowth = (devices: DeviceSet) => {
    if (++worked === 1) grow()
    return withMedium(devices, 'read-only', readSuperblock).superblock.segments.length
  }
  t.equal(withDevices([path], { access: 'read-only', exclusive: true }, readingAfterGrowth), 4)
  t.equal(worked, 2)
  const failing = () => {
    worked++
    throw new VolumeError('damaged', 'as before')
  }
  t.throws(() => withDevices([path], { access: 'read-only', exclusive: true }, failing), {
    message: 'as before',
  })
  t.equal(worked, 3, 'what has not grown is not opened anew')
  t.same(problemsOn(path), [])
})

void test('all of them are locked as long as it is open, and one that is in use is named', async (t) => {
  const { paths } = await three(t)
  const volume = await openFiles(paths[1])
  for (const path of paths) t.equal(lockHolder(statDevice(path)), process.pid)
  await t.rejects(openFiles(paths[2]), {
    code: 'EBUSY',
    message: new RegExp(`^cannot open ${paths[0]}: it is in use by process ${process.pid} `),
  })
  await volume.close()
  for (const path of paths) t.equal(lockHolder(statDevice(path)), null)
})

void test('one that is read-only becomes writable on all devices', async (t) => {
  const { paths } = await three(t)
  const before = paths.map(fingerprint)
  const opened = openVolume(paths[1], true)
  t.same(
    opened.devices.map(({ path }) => path),
    paths,
  )
  t.same(paths.map(fingerprint), before)
  opened.becomeWritable()
  opened.becomeReadOnly(true)
  opened.close()
  paths.forEach((path, n) =>
    t.not(fingerprint(path), before[n], 'each has its copy of the superblock written'),
  )
  t.same(problemsOn(paths[0]), [])
})
