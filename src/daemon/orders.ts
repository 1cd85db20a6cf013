// SPDX-License-Identifier: GPL-2.0-only
/**
 * Orders to the server of a mount. The control socket only answers, whoever asks. So who has an order listens on a
 * socket of its own, and asks the server for its report, upon which that looks for such sockets. The kernel tells the
 * server whose process listens there (SO_PEERCRED), and it takes orders from root and from its own user alone. What
 * became of an order is in the server's report, of which the kernel assures as well.
 */
import { randomBytes } from 'node:crypto'
import { closeSync } from 'node:fs'
import { createServer } from 'node:net'
import debug from 'debug'
import { blockBytes } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import type { Overwriting } from '../api/device-growth.js'
import { identifierHex } from '../fs/identifier.js'
import type { Superblock } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { type Peer, connectTo, hear, listeningSockets, nameLength } from './socket-owner.js'

const trace = debug('pmfs2:daemon')

/** A device that is to join. */
export interface OrderedDevice {
  /** Absolute. */
  readonly path: string
  /** What the client has found there (identityOf). */
  readonly identity: string
  /** What the client has found on it, under its lock (digestOf); null: it is overwritten, whatever it holds. */
  readonly digest: string | null
  /** How what it holds is overwritten; null: it holds nothing. */
  readonly overwriting: Overwriting | null
}

/** To have the volume take what its devices have gained, or these devices. */
export interface GrowOrder {
  readonly type: 'grow'
  /** Which volume is to grow ({@link orderedVolume}): the number of its mount may be another's by now. */
  readonly volume: string
  /** None: what its devices have gained. */
  readonly devices: readonly OrderedDevice[]
  /** Of what its devices have gained: so long is its file to be made first; null: it stays as long as it is. */
  readonly sizeBytes: number | null
  /** Of the same: whether it gets its blocks on the disk as it is used. */
  readonly sparse: boolean
}

/** Tells a volume from all others. Copies of one have its identity, too, but lie on other devices. */
export function orderedVolume(superblock: Superblock, [first]: readonly Device[]): string {
  return `${identifierHex(superblock.words, layout.word.identity)} on ${first!.identity}`
}

function prefixOf(device: number): string {
  return `\0pmfs2-order/${device}/`
}

/**
 * Holds an order out to the server of a mount while `work` runs. The server carries it out only once it has all of it,
 * and `work` can know by then: this process has handed it over.
 * @param device number of the mount (st_dev)
 * @param work is told by what name the server reports of the order, and may ask whether anybody may have all of it
 */
export async function withOrder<Result>(
  device: number,
  order: GrowOrder,
  work: (name: string, isFetched: () => boolean) => Promise<Result>,
): Promise<Result> {
  const prefix = prefixOf(device)
  const path = (prefix + randomBytes(nameLength).toString('hex')).slice(0, nameLength)
  let fetches = 0
  const server = createServer((socket) => {
    fetches++
    // Who leaves before all is read, such as a server that does not obey, resets the connection.
    socket.on('error', () => {
      fetches--
      socket.destroy()
    })
    socket.end(JSON.stringify(order))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  try {
    return await work(path.slice(prefix.length), () => fetches > 0)
  } finally {
    server.close()
  }
}

/** The server's side: finds each order once. */
export class Orders {
  readonly #prefix: string
  readonly #take: (name: string, order: GrowOrder | null) => void
  /** Sockets whose order has come, or is on its way, or is not obeyed. */
  #known = new Set<string>()

  /** @param device number of the mount (st_dev) @param take is told null where it does not understand the order */
  constructor(device: number, take: (name: string, order: GrowOrder | null) => void) {
    this.#prefix = prefixOf(device)
    this.#take = take
  }

  /** Looks for orders, and takes them as they come. @returns the names of those that are held out */
  look(): string[] {
    const sockets = listeningSockets(this.#prefix)
    this.#known = new Set(sockets.filter((socket) => this.#known.has(socket)))
    for (const socket of sockets) if (!this.#known.has(socket)) this.#meet(socket)
    return sockets.map((socket) => this.#nameOf(socket))
  }

  /** Whether who gave an order still waits for its outcome. */
  isHeldOut(name: string): boolean {
    return listeningSockets(this.#prefix).some((socket) => this.#nameOf(socket) === name)
  }

  /** One that cannot be reached, or does not say all in time, is met again when orders are looked for next. */
  #meet(socket: string): void {
    const [peer] = connectTo([socket], null)
    if (peer === undefined) return
    this.#known.add(socket)
    if (isObeyed(peer)) void this.#fetch(socket, peer)
    else closeSync(peer.fd)
  }

  async #fetch(socket: string, peer: Peer): Promise<void> {
    const text = await hear(peer)
    trace('an order from process %d: %s', peer.pid, text)
    if (text === null) this.#known.delete(socket)
    else this.#take(this.#nameOf(socket), parse(text))
  }

  #nameOf(socket: string): string {
    return socket.slice(this.#prefix.length, nameLength)
  }
}

/** Root, and who has started this server. */
function isObeyed({ uid }: Peer): boolean {
  return uid === 0 || uid === process.geteuid!()
}

function parse(text: string): GrowOrder | null {
  try {
    const said = JSON.parse(text) as Partial<Record<keyof GrowOrder, unknown>> | null
    const { type, volume, devices, sizeBytes, sparse } = said ?? {}
    if (type !== 'grow' || typeof volume !== 'string' || !isSize(sizeBytes) || typeof sparse !== 'boolean')
      return null
    if (!Array.isArray(devices) || !devices.every(isOrdered)) return null
    return { type, volume, devices, sizeBytes, sparse }
  } catch {
    return null
  }
}

function isOrdered(device: unknown): device is OrderedDevice {
  const { path, identity, digest, overwriting } = (device ?? {}) as Partial<
    Record<keyof OrderedDevice, unknown>
  >
  if (typeof path !== 'string' || typeof identity !== 'string' || !isOverwriting(overwriting)) return false
  return overwriting === null ? typeof digest === 'string' : digest === null
}

function isOverwriting(said: unknown): said is Overwriting | null {
  if (typeof said !== 'object') return false
  const { sizeBytes, sparse } = (said ?? { sizeBytes: null, sparse: false }) as Partial<
    Record<keyof Overwriting, unknown>
  >
  return isSize(sizeBytes) && typeof sparse === 'boolean'
}

/** Bytes, in whole blocks. */
function isSize(said: unknown): said is number | null {
  return (
    said === null ||
    (Number.isSafeInteger(said) && (said as number) >= 0 && (said as number) % blockBytes === 0)
  )
}
