// SPDX-License-Identifier: GPL-2.0-only
/** Orders to grow: whose are obeyed, and what becomes of them, with a volume that no kernel serves. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Socket, createServer } from 'node:net'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { openVolume } from '../../src/api/opened-volume.js'
import { Growth, type GrowthReport } from '../../src/daemon/growth.js'
import { type GrowOrder, withOrder } from '../../src/daemon/orders.js'
import { nameLength } from '../../src/daemon/socket-owner.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { native } from '../../src/native/index.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { identityOf } from '../../src/pmem/lock-holder.js'
import { memoryDevice } from '../api/formatted-device.js'
import { sparseFile } from '../cli/cli.js'
import { temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/until.js'

tap.setTimeout(120_000)

/** Numbers that no file system has. */
let free = 0xffe0_0000 + (process.pid & 0xffff)
const nothing: GrowOrder = { type: 'grow', devices: [] }

function stage(t: Test) {
  const device = ++free
  const opened = openVolume(memoryDevice(t, 2 ** 22), false)
  t.teardown(() => opened.close())
  const mode = {
    whilePaused: async (work: () => void) => {
      await Promise.resolve()
      work()
    },
  }
  const growth = new Growth(device, { opened, mode })
  /** What the server says in the end of an order that is held out. */
  const answerTo = async (name: string): Promise<GrowthReport | undefined> => {
    const find = () => growth.reports.find(({ order }) => order === name)
    await until(() => {
      growth.follow()
      return Promise.resolve(find() !== undefined)
    })
    return find()
  }
  const give = (order: GrowOrder) => withOrder(device, order, answerTo)
  return { device, opened, growth, answerTo, give }
}

/** An order to add a new file. */
async function orderToAdd(t: Test, identity?: string): Promise<GrowOrder> {
  const path = sparseFile(join(await temporaryDirectory(t), 'added'), 2 ** 21)
  return { type: 'grow', devices: [{ path, identity: identity ?? identityOf(statDevice(path)) }] }
}

/** Who holds an order out by other means. @returns its name */
async function holdOut(t: Test, device: number, answer: (socket: Socket) => void): Promise<string> {
  const prefix = `\0pmfs2-order/${device}/`
  const path = (prefix + randomBytes(nameLength).toString('hex')).slice(0, nameLength)
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    answer(socket)
  })
  t.teardown(() => server.close())
  server.listen(path)
  await once(server, 'listening')
  return path.slice(prefix.length)
}

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
  t.match(await give(other), { refusal: line, hasFailed: false })
  const absent = { path: '/nowhere', identity: '1 2' }
  t.match(await give({ type: 'grow', devices: [absent] }), { refusal: line, hasFailed: false })
  t.same(looked, [], 'nothing is opened')
  t.equal(opened.devices.length, 1)
  t.match(await give(await orderToAdd(t)), { refusal: null, hasFailed: false })
  t.equal(opened.devices.length, 2)
})

void tap.test('orders that come together each get their answer', async (t) => {
  const { device, growth } = stage(t)
  const wrong = await orderToAdd(t, 'another')
  await withOrder(device, nothing, (first) =>
    withOrder(device, wrong, async (second) => {
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

void tap.test('an order that could not be fetched is fetched later', async (t) => {
  const { device, answerTo, give } = stage(t)
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
    socket.end(isFirst ? 'x'.repeat(2 ** 17) : JSON.stringify(nothing))
  })
  t.match(await answerTo(name), { refusal: null })
  t.equal(asked, 2, 'what came first was not all')
})

void tap.test('an order that is not understood is refused', async (t) => {
  for (const text of ['', 'grow', '{"type":"shrink"}', '{"type":"grow","devices":["/dev/pmem1"]}']) {
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
  const { device, opened, growth, give } = stage(t)
  let grown = 0
  const grow = opened.grow.bind(opened)
  opened.grow = (further) => {
    grown++
    grow(further)
  }
  const name = `pmfs2-order/${device}/`.padEnd(nameLength - 1, 'f')
  const child = spawn('python3', ['-c', stranger, name, JSON.stringify(nothing)], {
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

void tap.test('what is refused when its windows are there already makes the volume fail', async (t) => {
  const { opened, give } = stage(t)
  opened.volume.grow = () => {
    throw new VolumeError('size', 'it cannot grow')
  }
  t.match(await give(await orderToAdd(t)), { refusal: 'it cannot grow', hasFailed: true })
  t.ok(opened.volume.state.isFailed, 'and the mount ends with that')
})
