// SPDX-License-Identifier: GPL-2.0-only
/** What becomes of orders to grow, with a volume that no kernel serves. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { headerBlock, superblockBlock } from '../../layout/geometry.js'
import { MountError } from '../../src/daemon/mount-error.js'
import { type OrderedDevice, withOrder } from '../../src/daemon/orders.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { native } from '../../src/native/index.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { identityOf, lockHolder } from '../../src/pmem/lock-holder.js'
import { sparseFile } from '../cli/cli.js'
import { BadDevice } from '../support/bad-device.js'
import { temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/until.js'
import { nothing, orderToAdd, stage } from './growth-stage.js'

tap.setTimeout(120_000)

void tap.test('only the device that the command has seen is taken', async (t) => {
  const { opened, give } = stage(t)
  const openFurther = opened.openFurther.bind(opened)
  const looked: string[] = []
  opened.openFurther = (paths) => {
    looked.push(...paths)
    return openFurther(paths)
  }
  const other = await orderToAdd(t, identityOf(statDevice(await temporaryDirectory(t))))
  const line = /: the server finds another device there than the command$/
  t.match(await give(other), { refusal: line, grown: null })
  const absent = { path: '/nowhere', identity: '1 2', digest: '', overwriting: null }
  t.match(await give({ ...nothing, devices: [absent] }), { refusal: line, grown: null })
  t.same(looked, [], 'nothing is opened')
  t.equal(opened.devices.length, 1)
  const last = await orderToAdd(t)
  opened.openFurther = (paths) => {
    renameSync(sparseFile(`${paths[0]}-other`, 2 ** 21), paths[0]!)
    return openFurther(paths)
  }
  t.match(await give(last), { refusal: line, grown: null }, 'nor what takes its place before it is locked')
  opened.openFurther = openFurther
  const grown = { before: 1024, after: 1536, unused: 0 }
  t.match(await give(await orderToAdd(t)), { refusal: null, grown })
  t.equal(opened.devices.length, 2)
})

void tap.test('a server without a free descriptor lives on, and takes the order later', async (t) => {
  const { device, volume, growth, answerTo } = stage(t)
  const wish = await orderToAdd(t)
  await withOrder(device, { volume, ...wish }, async (name) => {
    const restore = leaveNoDescriptor(t)
    t.doesNotThrow(() => growth.follow())
    t.same(growth.reports, [])
    restore()
    t.match(await answerTo(name), { refusal: null, grown: { after: 1536 } })
  })
})

/** @returns what gives this process its descriptors back */
function leaveNoDescriptor(t: Test): () => void {
  const open: number[] = []
  const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))![1]!
  execFileSync('prlimit', [
    '--pid',
    `${process.pid}`,
    `--nofile=${readdirSync('/proc/self/fd').length + 20}:`,
  ])
  const restore = (): void => {
    for (const fd of open.splice(0)) closeSync(fd)
    execFileSync('prlimit', ['--pid', `${process.pid}`, `--nofile=${limit}:`])
  }
  t.teardown(restore)
  try {
    for (;;) open.push(openSync('/dev/null', 'r'))
  } catch {
    return restore
  }
}

void tap.test(
  'what the end of a mount stops is undone before the server lets go of the device',
  async (t) => {
    const { opened, mode, growth, give } = stage(t)
    const { path } = opened.devices[0]!
    let stop: () => void = () => undefined
    const stopped = new Promise<void>((resolve) => (stop = resolve))
    mode.whilePaused = async () => {
      await stopped
      throw new MountError('its server is ending')
    }
    const given = give({ ...nothing, sizeBytes: 2 ** 23 })
    await until(() => Promise.resolve(statSync(path).size === 2 ** 23))
    let isSettled = false
    const settled = growth.settled().then(() => (isSettled = true))
    await setImmediate()
    t.notOk(isSettled)
    stop()
    await settled
    t.equal(statSync(path).size, 2 ** 22)
    t.match(await given, { refusal: 'its server is ending', grown: null })
  },
)

void tap.test('where workers end, no path is looked at, as it may lead through the mount', async (t) => {
  const { mode, give } = stage(t)
  mode.isEnding = true
  const absent = { path: '/nowhere', identity: '1 2', digest: '', overwriting: null }
  const refused = { refusal: 'its server is ending', grown: null }
  t.match(await give({ ...nothing, devices: [absent] }), refused)
})

void tap.test('the answer tells whether it has grown', async (t) => {
  const { opened, mode, give } = stage(t)
  const { whilePaused } = mode
  mode.whilePaused = () => Promise.reject(new Error('no worker is to pause'))
  t.match(await give(nothing), { refusal: null, grown: null })
  mode.whilePaused = whilePaused
  truncateSync(opened.devices[0]!.path, 2 ** 22 + 2 ** 21)
  t.match(await give(nothing), { refusal: null, grown: { before: 1024, after: 1536, unused: 0 } })
  t.match(await give(nothing), { refusal: null, grown: null })
})

void tap.test('what a device holds is lost only when nothing can be refused any more', async (t) => {
  const { opened, mode, give } = stage(t)
  const order = await orderToAdd(t)
  const [{ path }] = order.devices as [OrderedDevice]
  const [cut, whole] = [2 ** 21, 2 ** 21 + 4096]
  const contents = Buffer.alloc(whole, 'what was there before')
  writeFileSync(path, contents)
  const overwriting = { sizeBytes: cut, sparse: false }
  const forced = { ...order, devices: [{ ...order.devices[0]!, digest: null, overwriting }] }
  const refused = async (refusal: string): Promise<void> => {
    t.match(await give(forced), { refusal, grown: null })
    t.ok(readFileSync(path).equals(contents), refusal)
  }
  const { whilePaused } = mode
  mode.whilePaused = () => Promise.reject(new MountError('its server is ending'))
  await refused('its server is ending')
  mode.whilePaused = (work) => {
    opened.becomeReadOnly(true)
    return whilePaused(work)
  }
  await refused('it is mounted read-only')
  mode.whilePaused = whilePaused
  await refused('it is mounted read-only')
  opened.becomeWritable()
  const openFurther = opened.openFurther.bind(opened)
  opened.openFurther = () => {
    throw new MountError('it is not DAX')
  }
  await refused('it is not DAX')
  opened.openFurther = openFurther
  const small = { sizeBytes: 2 ** 20 - 4096, sparse: false }
  const tooSmall = { ...order, devices: [{ ...order.devices[0]!, digest: null, overwriting: small }] }
  t.match(await give(tooSmall), {
    refusal: `${path}: it has 1020 KiB; each device of a volume needs 1 MiB at least`,
  })
  t.ok(readFileSync(path).equals(contents))
  t.match(await give(forced), { refusal: null, grown: { after: 1536 } })
  const now = readFileSync(path)
  t.equal(now.length, cut)
  t.notOk(now.includes('what was there before', 4096 * 3), 'as it is wiped from both ends')
})

void tap.test(
  'what was made on a device since the command has looked at it is not overwritten',
  async (t) => {
    const { opened, give } = stage(t)
    const order = await orderToAdd(t)
    const [{ path }] = order.devices as [OrderedDevice]
    for (const place of [1080, 2 ** 21 - 100]) {
      const contents = Buffer.alloc(2 ** 21)
      contents[place] = 0x53
      writeFileSync(path, contents)
      const refusal = `${path}: its contents changed after the command looked at it; try again`
      t.match(await give(order), { refusal, grown: null })
      t.ok(readFileSync(path).equals(contents))
      t.equal(opened.devices.length, 1)
    }
    writeFileSync(path, Buffer.alloc(2 ** 21))
    t.match(await give(order), { refusal: null, grown: { after: 1536 } })
  },
)

void tap.test('a file that is overwritten as sparse gives its disk space back', async (t) => {
  const { give } = stage(t)
  const order = await orderToAdd(t)
  const [{ path }] = order.devices as [OrderedDevice]
  writeFileSync(path, Buffer.alloc(2 ** 23, 'what was there before'))
  const overwriting = { sizeBytes: null, sparse: true }
  const forced = { ...order, devices: [{ ...order.devices[0]!, digest: null, overwriting }] }
  t.match(await give(forced), { refusal: null, grown: { after: 3072 } })
  t.equal(statSync(path).size, 2 ** 23)
  t.equal(statSync(path).blocks * 512, 2 ** 21, 'but for what was wiped')
})

void tap.test('its own file is made longer by the server, and stays so only if it has grown', async (t) => {
  const { opened, mode, give } = stage(t)
  const { path } = opened.devices[0]!
  const [before, after] = [2 ** 22, 2 ** 23]
  const longer = { ...nothing, sizeBytes: after }
  const { whilePaused } = mode
  mode.whilePaused = () => {
    t.equal(statSync(path).size, after)
    t.ok(statSync(path).blocks * 512 >= after - before, 'with all of its room')
    return Promise.reject(new MountError('its server is ending'))
  }
  t.match(await give(longer), { refusal: 'its server is ending', isUncertain: false, grown: null })
  t.equal(statSync(path).size, before)
  mode.whilePaused = async (work) => {
    await whilePaused(work)
    throw new Error('workers cannot go on')
  }
  t.match(await give(longer), {
    refusal: 'its server could not grow it; the system log says why',
    isUncertain: true,
    grown: { after: 2048 },
  })
  t.equal(statSync(path).size, after, 'the volume has it')
  mode.whilePaused = whilePaused
  t.match(await give(longer), { refusal: null, grown: null })
  const line = 'it has 8 MiB, more than 4 MiB, and a file system cannot shrink'
  t.match(await give({ ...nothing, sizeBytes: before }), { refusal: line, grown: null })
  t.equal(statSync(path).size, after)
  const little = {
    refusal: /^4 KiB more is too little: space is added .*; --size 9216K is the least$/,
    grown: null,
  }
  t.match(await give({ ...nothing, sizeBytes: after + 4096 }), little)
  t.match(await give(await orderToAdd(t)), { refusal: null })
  t.match(await give({ ...nothing, sizeBytes: 2 ** 24 }), {
    refusal: /^it has 2 devices, and --size is for one file/,
  })
  t.equal(statSync(path).size, after)
})

void tap.test('a volume that has failed keeps what it may have', async (t) => {
  const { opened, give } = stage(t)
  opened.volume.grow = () => {
    opened.volume.state.markFailed()
    throw new VolumeError('size', 'it cannot grow')
  }
  const wish = { ...nothing, sizeBytes: 2 ** 23, sparse: true }
  t.match(await give(wish), { refusal: 'it cannot grow', isUncertain: true })
  t.equal(statSync(opened.devices[0]!.path).size, 2 ** 23)
})

/** Nothing of a device is held any more, and the volume can be used. */
function isAsItWas(t: Test, { opened }: ReturnType<typeof stage>, path: string, why: string): void {
  t.notOk(opened.volume.state.isFailed, why)
  t.equal(opened.devices.length, 1, why)
  t.equal(opened.description.windows.length, 1, why)
  t.equal(opened.volume.superblock.segments.length, 1, why)
  t.notOk(readFileSync('/proc/self/maps').includes(path), `${why}: its windows are unmapped`)
  t.equal(lockHolder(statDevice(path)), null, `${why}: it is unlocked`)
}

void tap.test('what is refused while workers pause leaves the volume as it was', async (t) => {
  const staged = stage(t)
  const { opened, give } = staged
  const order = await orderToAdd(t)
  const [{ path }] = order.devices as [OrderedDevice]
  const grow = opened.volume.grow.bind(opened.volume)
  opened.volume.grow = () => {
    throw new VolumeError('size', 'it cannot grow')
  }
  t.match(await give(order), { refusal: 'it cannot grow', grown: null })
  isAsItWas(t, staged, path, 'refused')
  t.ok(readFileSync(path).subarray(0, 8192).equals(Buffer.alloc(8192)), 'it does not say that it was to join')
  opened.volume.grow = grow
  t.match(await give(order), { refusal: null, grown: { before: 1024, after: 1536 } }, 'the same order')
})

void tap.test(
  'a device that is bad where it needs to be stored to is refused while workers serve',
  async (t) => {
    // It has to be there until the volume is closed.
    const device = await BadDevice.make(t, 2 ** 21)
    const staged = stage(t)
    const { opened, mode, give } = staged
    const { path } = device
    const digest = createHash('sha256').digest('hex')
    const order = {
      ...nothing,
      devices: [{ path, identity: identityOf(statDevice(path)), digest, overwriting: null }],
    }
    const { whilePaused } = mode
    const beginGrowth = opened.beginGrowth.bind(opened)
    for (const [block, what] of [
      [headerBlock, 'header'],
      [superblockBlock, 'superblock'],
      [superblockBlock + 1, 'bitmap'],
    ] as const) {
      // It could be read until then.
      opened.beginGrowth = (...args) => {
        device.spoil(block)
        return beginGrowth(...args)
      }
      mode.whilePaused = () => Promise.reject(new Error('no worker is to pause'))
      const refusal = `cannot access ${path} at byte ${block * 4096}: its medium is bad there (SIGBUS)`
      t.match(await give(order), { refusal, grown: null }, what)
      isAsItWas(t, staged, path, what)
      device.mend(block)
    }
    opened.beginGrowth = beginGrowth
    mode.whilePaused = whilePaused
    t.match(await give(order), { refusal: null, grown: { before: 1024, after: 1536 } }, 'once it is mended')
  },
)

void tap.test('one that is to be overwritten is refused, too, where it is bad', async (t) => {
  const device = await BadDevice.make(t, 2 ** 23)
  const staged = stage(t)
  const { path } = device
  const overwriting = { sizeBytes: null, sparse: false }
  const order = {
    ...nothing,
    devices: [{ path, identity: identityOf(statDevice(path)), digest: null, overwriting }],
  }
  // The last one is wiped, though nothing that the volume needs lies there.
  for (const block of [headerBlock, superblockBlock + 1, 2 ** 11 - 1]) {
    device.spoil(block)
    const { refusal, grown } = (await staged.give(order))!
    t.match(refusal, new RegExp(`^cannot \\w+ ${path}\\b.* is bad`))
    t.equal(grown, null)
    isAsItWas(t, staged, path, `block ${block}`)
    device.mend(block)
  }
  t.match(await staged.give(order), { refusal: null, grown: { before: 1024, after: 3072 } })
})

void tap.test('no memory for the larger state is a refusal', async (t) => {
  const staged = stage(t)
  const { opened, give } = staged
  const order = await orderToAdd(t)
  const [added] = order.devices as [OrderedDevice]
  const contents = Buffer.alloc(2 ** 21, 'what was there before')
  writeFileSync(added.path, contents)
  const overwriting = { sizeBytes: null, sparse: false }
  const forced = { ...order, devices: [{ ...added, digest: null, overwriting }] }
  const grow = opened.volume.grow.bind(opened.volume)
  const mapAnonymous = native.mapAnonymous.bind(native)
  const unmap = native.unmap.bind(native)
  // The state is made of two mappings.
  for (const succeeding of [0, 1]) {
    let taken = 0
    let left = succeeding
    opened.volume.grow = (...args) => {
      native.mapAnonymous = (bytes) => (left-- > 0 ? (taken++, mapAnonymous(bytes)) : -12)
      native.unmap = (...mapping) => (taken--, unmap(...mapping))
      try {
        grow(...args)
      } finally {
        native.mapAnonymous = mapAnonymous
        native.unmap = unmap
      }
    }
    t.match(await give(forced), { refusal: /^no memory for pmfs2 \w+ \(\d+ bytes\)/, grown: null })
    t.equal(taken, 0, 'what was taken is given back')
    isAsItWas(t, staged, added.path, `${succeeding} mappings`)
    t.ok(readFileSync(added.path).equals(contents), 'nothing is overwritten')
  }
  opened.volume.grow = grow
  t.match(await give(forced), { refusal: null, grown: { before: 1024, after: 1536 } })
})
