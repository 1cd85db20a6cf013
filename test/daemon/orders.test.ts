// SPDX-License-Identifier: GPL-2.0-only
/** Orders to grow: whose are obeyed, for which volume, and how long. */
import { spawn } from 'node:child_process'
import { closeSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import tap from 'tap'
import type { OpenedVolume } from '../../src/api/opened-volume.js'
import { type OrderedDevice, withOrder } from '../../src/daemon/orders.js'
import { connectTo, hear, listeningSockets, mostLetters, nameLength } from '../../src/daemon/socket-owner.js'
import { native } from '../../src/native/index.js'
import type { Device } from '../../src/pmem/device.js'
import { until } from '../support/until.js'
import { type Mode, type Wish, holdOut, nothing, orderToAdd, stage } from './growth-stage.js'

tap.setTimeout(120_000)

void tap.test('an order for a volume that had the number before is refused', async (t) => {
  const { opened, volume, give } = stage(t)
  const { path } = opened.devices[0]!
  const { volume: other } = stage(t)
  // A copy of this volume has its identity, but not its devices.
  const copy = `${volume.split(' on ')[0]!} on ${other.split(' on ')[1]!}`
  const order = await orderToAdd(t)
  for (const another of [other, copy]) {
    const refusal = 'the order was for another file system, which has been unmounted meanwhile'
    for (const wish of [order, { ...nothing, sizeBytes: 2 ** 23 }])
      t.match(await give({ ...wish, volume: another } as Wish), { refusal, grown: null })
  }
  t.equal(opened.devices.length, 1)
  t.equal(statSync(path).size, 2 ** 22)
  t.match(await give(order), { refusal: null, grown: { after: 1536 } })
})

void tap.test('an order that comes after the end is left alone', async (t) => {
  const { device, volume, growth } = stage(t)
  await growth.settled()
  let isAsked = false
  await holdOut(t, device, (socket) => {
    socket.end(JSON.stringify({ ...nothing, volume }))
    isAsked = true
  })
  growth.follow()
  t.ok(await until(() => Promise.resolve(isAsked)))
  for (let n = 0; n < 5; n++) {
    await sleep(10)
    growth.follow()
  }
  t.same(growth.reports, [])
})

void tap.test('orders that come together each get their answer', async (t) => {
  const { device, volume, growth } = stage(t)
  const wrong = await orderToAdd(t, 'another')
  await withOrder(device, { ...nothing, volume }, (first) =>
    withOrder(device, { ...wrong, volume }, async (second) => {
      t.ok(
        await until(() => {
          growth.follow()
          return Promise.resolve(growth.reports.length === 2)
        }),
      )
      const refusalOf = (name: string) => growth.reports.find(({ order }) => order === name)?.refusal
      t.equal(refusalOf(first), null)
      t.match(refusalOf(second), /another device/)
    }),
  )
  t.ok(
    await until(() => {
      growth.follow()
      return Promise.resolve(growth.reports.length === 0)
    }),
    'until they have heard it',
  )
})

/** Has the next pause of the workers wait. @returns whether it waits, and what ends that */
function holdPause(mode: Mode): { readonly hasBegun: boolean; readonly end: () => void } {
  const { whilePaused } = mode
  let hasBegun = false
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  mode.whilePaused = async (work) => {
    mode.whilePaused = whilePaused
    hasBegun = true
    await ended
    return whilePaused(work)
  }
  return {
    get hasBegun() {
      return hasBegun
    },
    end,
  }
}

/** @param tell is called whenever growth begins */
function watchGrowth(opened: OpenedVolume, tell: () => void): void {
  const beginGrowth = opened.beginGrowth.bind(opened)
  opened.beginGrowth = (...args) => {
    tell()
    return beginGrowth(...args)
  }
}

void tap.test('whoever gives an order knows of it before it is begun', async (t) => {
  const { device, volume, opened, answerTo } = stage(t)
  await withOrder(device, { ...nothing, volume }, async (name, isFetched) => {
    const known: boolean[] = []
    watchGrowth(opened, () => known.push(isFetched()))
    t.notOk(isFetched())
    t.match(await answerTo(name), { refusal: null })
    t.same(known, [true])
  })
})

void tap.test('an order is not begun before it is handed over, whoever asks for reports', async (t) => {
  const { device, volume, opened, growth, answerTo } = stage(t)
  let begun = 0
  watchGrowth(opened, () => begun++)
  const order = JSON.stringify({ ...nothing, volume })
  const asked: Socket[] = []
  let isGiven = false
  const name = await holdOut(t, device, (socket) => {
    asked.push(socket)
    if (isGiven) socket.end(order)
    else socket.write(order)
  })
  growth.follow()
  t.ok(await until(() => Promise.resolve(asked.length > 0)))
  for (let n = 0; n < 5; n++) {
    growth.follow()
    await setImmediate()
  }
  t.equal(begun, 0)
  isGiven = true
  for (const socket of asked) socket.end()
  t.match(await answerTo(name), { refusal: null })
  t.equal(begun, 1)
})

void tap.test('whoever leaves before all of an order is read has not fetched it', async (t) => {
  const { device, volume } = stage(t)
  await withOrder(device, { ...nothing, volume }, async (_name, isFetched) => {
    const sockets = listeningSockets(`\0pmfs2-order/${device}/`)
    const [leaving] = connectTo(sockets, null)
    t.ok(await until(() => Promise.resolve(isFetched())))
    closeSync(leaving!.fd)
    t.ok(await until(() => Promise.resolve(!isFetched())))
    const [reading] = connectTo(sockets, null)
    t.ok(await hear(reading!))
    t.ok(isFetched(), 'unlike who has read all')
    await setImmediate()
    t.ok(isFetched(), 'nor does the end of the connection change that')
  })
})

void tap.test('an order ends with whoever gave it', async (t) => {
  const { device, volume, opened, mode, growth, give } = stage(t)
  const own = opened.devices[0]!.path
  const refusals = async (count: number): Promise<unknown> => {
    await until(() => Promise.resolve(growth.reports.length >= count))
    return growth.reports.map(({ refusal }) => refusal)
  }
  const begins = (pause: { readonly hasBegun: boolean }): Promise<boolean> =>
    until(() => {
      growth.follow()
      return Promise.resolve(pause.hasBegun)
    })
  const gone = 'the command that ordered it has ended'
  const order = await orderToAdd(t)
  const [added] = order.devices as [OrderedDevice]
  const contents = Buffer.alloc(2 ** 21, 'what was there before')
  writeFileSync(added.path, contents)
  const forced = {
    ...order,
    devices: [{ ...added, digest: null, overwriting: { sizeBytes: null, sparse: false } }],
  }
  const longer = { ...nothing, sizeBytes: 2 ** 23 }
  for (const given of [forced, longer]) {
    const pause = holdPause(mode)
    await withOrder(device, { ...given, volume }, async () => {
      t.ok(await begins(pause))
    })
    pause.end()
    t.same(await refusals(1), [gone], 'while the workers pause')
    growth.follow()
  }
  const pause = holdPause(mode)
  await withOrder(device, { ...nothing, volume, sizeBytes: 2 ** 22 + 2 ** 21 }, async () => {
    t.ok(await begins(pause))
    await withOrder(device, { ...longer, volume }, async (_name, isFetched) => {
      growth.follow()
      t.ok(await until(() => Promise.resolve(isFetched())))
    })
    const [itself] = opened.devices as [Device]
    const resize = itself.resize.bind(itself)
    itself.resize = (bytes) => {
      t.fail(`the file gets ${bytes} bytes`)
      resize(bytes)
    }
    pause.end()
    t.same(await refusals(2), [null, gone], 'while it waits for another order')
    itself.resize = resize
  })
  t.ok(readFileSync(added.path).equals(contents))
  t.equal(opened.devices.length, 1)
  t.equal(statSync(own).size, 2 ** 22 + 2 ** 21)
  t.match(await give(forced), { refusal: null, grown: { before: 1536, after: 2048 } })
})

void tap.test('an order that could not be fetched is fetched later', async (t) => {
  const { device, volume, answerTo, give } = stage(t)
  const connectAbstract = native.connectAbstract.bind(native)
  let refused = 0
  native.connectAbstract = () => {
    refused++
    native.connectAbstract = connectAbstract
    return -24
  }
  t.teardown(() => (native.connectAbstract = connectAbstract))
  t.match(await give(nothing), { refusal: null })
  t.equal(refused, 1, 'there was no descriptor at first')

  let asked = 0
  const name = await holdOut(t, device, (socket) => {
    const isFirst = asked++ === 0
    socket.end(isFirst ? 'x'.repeat(mostLetters + 1) : JSON.stringify({ ...nothing, volume }))
  })
  t.match(await answerTo(name), { refusal: null })
  t.equal(asked, 2, 'what came first was not all')
})

void tap.test('an order that is not understood is refused', async (t) => {
  const device = { path: '/dev/pmem1', identity: '1 2', digest: '', overwriting: null }
  const wrong = [
    { type: 'shrink' },
    { devices: ['/dev/pmem1'] },
    { devices: [{ ...device, digest: null }] },
    { devices: [{ ...device, overwriting: { sizeBytes: null, sparse: true } }] },
    { devices: [{ ...device, digest: null, overwriting: {} }] },
    { devices: [{ ...device, digest: null, overwriting: { sizeBytes: -4096, sparse: true } }] },
    { devices: [{ ...device, digest: null, overwriting: { sizeBytes: null } }] },
    { sizeBytes: 2 ** 23 + 1 },
    { sizeBytes: '8M' },
    { sparse: 1 },
    { volume: null },
  ].map((part) => JSON.stringify({ ...nothing, volume: 'a volume', ...part }))
  // The last one is of a command that died before it had handed all of it over.
  const cut = JSON.stringify({ ...nothing, volume: 'a volume' }).slice(0, -1)
  for (const text of ['', 'grow', 'null', ...wrong, cut]) {
    const { device, answerTo } = stage(t)
    const name = await holdOut(t, device, (socket) => socket.end(text))
    t.match(await answerTo(name), { refusal: 'its server does not understand this order' }, text)
  }
})

/** Holds an order out as a user who is not root, and tells when it was asked for. */
const stranger = `
import os, socket, sys
name, order = sys.argv[1:]
os.setgroups([])
os.setresuid(65534, 65534, 65534)
listener = socket.socket(socket.AF_UNIX)
listener.bind(b'\\0' + name.encode())
listener.listen(5)
print('taken', flush=True)
connection, _ = listener.accept()
try:
    connection.sendall(order.encode())
except OSError:
    pass
connection.close()
print('asked', flush=True)
sys.stdin.read()
`

void tap.test('a stranger is not obeyed', async (t) => {
  const { device, volume, opened, growth, give } = stage(t)
  let grown = 0
  watchGrowth(opened, () => grown++)
  const name = `pmfs2-order/${device}/`.padEnd(nameLength - 1, 'f')
  const child = spawn('python3', ['-c', stranger, name, JSON.stringify({ ...nothing, volume })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', (part: Buffer) => (said += part.toString()))
  t.ok(await until(() => Promise.resolve(said.includes('taken'))))
  growth.follow()
  t.ok(await until(() => Promise.resolve(said.includes('asked'))))
  for (const turn of [1, 2]) {
    t.match(await give(nothing), { refusal: null })
    t.equal(grown, turn, 'only the order of root is carried out')
  }
})
