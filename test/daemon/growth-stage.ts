// SPDX-License-Identifier: GPL-2.0-only
/** A volume that no kernel serves, and what carries out orders to grow it. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type Socket, createServer } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openVolume } from '../../src/api/opened-volume.js'
import { GrowthOrders, type GrowthParts, type GrowthReport } from '../../src/daemon/growth.js'
import { type GrowOrder, orderedVolume, withOrder } from '../../src/daemon/orders.js'
import { nameLength } from '../../src/daemon/socket-owner.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { identityOf } from '../../src/pmem/lock-holder.js'
import { memoryDevice } from '../api/formatted-device.js'
import { sparseFile } from '../cli/cli.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/until.js'

/** Numbers that no file system has. */
let free = 0xffe0_0000 + (process.pid & 0xffff)
/** But for the volume. */
export type Wish = Omit<GrowOrder, 'volume'>
export const nothing: Wish = { type: 'grow', devices: [], sizeBytes: null, sparse: false }

export type Mode = { -readonly [Key in keyof GrowthParts['mode']]: GrowthParts['mode'][Key] }

export function stage(t: Test) {
  const device = ++free
  const opened = openVolume(memoryDevice(t, 2 ** 22), false)
  t.teardown(() => opened.close())
  const mode: Mode = {
    isEnding: false,
    whilePaused: async (work) => {
      await Promise.resolve()
      work()
    },
  }
  const growth = new GrowthOrders(device, { opened, mode, gathers: false })
  /** What the server says in the end of an order that is held out. */
  const answerTo = async (name: string): Promise<GrowthReport | undefined> => {
    const find = () => growth.reports.find(({ order }) => order === name)
    await until(() => {
      growth.follow()
      return Promise.resolve(find() !== undefined)
    })
    return find()
  }
  const volume = orderedVolume(opened.volume.superblock, opened.devices)
  const give = (order: Wish) => withOrder(device, { volume, ...order }, answerTo)
  return { device, volume, opened, mode, growth, answerTo, give }
}

/** An order to add a new file. */
export async function orderToAdd(t: Test, identity?: string): Promise<Wish> {
  const path = sparseFile(join(await temporaryDirectory(t, SHARED_MEMORY), 'added'), 2 ** 21)
  const digest = createHash('sha256').digest('hex')
  const added = { path, identity: identity ?? identityOf(statDevice(path)), digest, overwriting: null }
  return { ...nothing, devices: [added] }
}

/** Who holds an order out by other means. @returns its name */
export async function holdOut(t: Test, device: number, answer: (socket: Socket) => void): Promise<string> {
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
