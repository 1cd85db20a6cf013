// SPDX-License-Identifier: GPL-2.0-only
/**
 * Orders to the server of a mount. The control socket only answers, whoever asks. So who has an order listens on a
 * socket of its own, and asks the server for its report, upon which that looks for such sockets. The kernel tells the
 * server whose process listens there (SO_PEERCRED), and it takes orders from root and from its own user alone. What
 * became of an order is in the server's report, of which the kernel assures as well.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import debug from 'debug'
import { type Peer, connectTo, hear, listeningSockets, nameLength } from './socket-owner.js'

const trace = debug('pmfs2:daemon')

/** A device that is to join. */
export interface OrderedDevice {
  /** Absolute. */
  readonly path: string
  /** What the client has found there (identityOf). */
  readonly identity: string
}

/** To have the volume take what its devices have gained, or these devices. */
export interface GrowOrder {
  readonly type: 'grow'
  /** None: what its devices have gained. */
  readonly devices: readonly OrderedDevice[]
}

function prefixOf(device: number): string {
  return `\0pmfs2-order/${device}/`
}

/**
 * Holds an order out to the server of a mount while `work` runs.
 * @param device number of the mount (st_dev) @param work is told by what name the server reports of the order
 */
export async function withOrder<Result>(
  device: number,
  order: GrowOrder,
  work: (name: string) => Promise<Result>,
): Promise<Result> {
  const prefix = prefixOf(device)
  const path = (prefix + randomBytes(nameLength).toString('hex')).slice(0, nameLength)
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(JSON.stringify(order))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  try {
    return await work(path.slice(prefix.length))
  } finally {
    server.close()
  }
}

/** The server's side: finds each order once. */
export class Orders {
  readonly #device: number
  readonly #take: (name: string, order: GrowOrder) => void
  #known = new Set<string>()

  /** @param device number of the mount (st_dev) */
  constructor(device: number, take: (name: string, order: GrowOrder) => void) {
    this.#device = device
    this.#take = take
  }

  /** Looks for orders, and takes them as they come. */
  look(): void {
    const prefix = prefixOf(this.#device)
    const names = listeningSockets(prefix)
    const before = this.#known
    this.#known = new Set(names)
    for (const name of names.filter((name) => !before.has(name))) {
      const peer = peerAt(name)
      if (peer !== null) void this.#fetch(name.slice(prefix.length, nameLength), peer)
    }
  }

  async #fetch(name: string, peer: Peer): Promise<void> {
    const order = parse((await hear(peer)) ?? '')
    trace('an order from process %d: %o', peer.pid, order)
    if (order !== null) this.#take(name, order)
  }
}

/** Root, or who has started this server; null where somebody else listens. */
function peerAt(name: string): Peer | null {
  for (const uid of new Set([0, process.geteuid!()])) {
    const [peer] = connectTo([name], uid)
    if (peer !== undefined) return peer
  }
  return null
}

function parse(text: string): GrowOrder | null {
  try {
    const said = JSON.parse(text) as Partial<Record<keyof GrowOrder, unknown>> | null
    const devices: unknown = said?.devices
    if (said?.type !== 'grow' || !Array.isArray(devices)) return null
    return devices.every(isOrdered) ? { type: 'grow', devices } : null
  } catch {
    return null
  }
}

function isOrdered(device: unknown): device is OrderedDevice {
  const { path, identity } = (device ?? {}) as Partial<Record<keyof OrderedDevice, unknown>>
  return typeof path === 'string' && typeof identity === 'string'
}
