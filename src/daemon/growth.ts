// SPDX-License-Identifier: GPL-2.0-only
/** Makes the volume of a mount larger while it is in use, when it is ordered to, one order after the other. */
import debug from 'debug'
import type { OpenedVolume } from '../api/opened-volume.js'
import { VolumeError } from '../fs/volume-error.js'
import { DeviceError } from '../pmem/device-error.js'
import { identityOf } from '../pmem/lock-holder.js'
import { PmemError } from '../pmem/pmem-error.js'
import { statOf } from '../pmem/probe.js'
import { MountError } from './mount-error.js'
import { type GrowOrder, type OrderedDevice, Orders } from './orders.js'
import type { ServingMode } from './serving-mode.js'

const trace = debug('pmfs2:daemon')

/** What became of an order. */
export interface GrowthReport {
  /** Name of the order. */
  readonly order: string
  /** Why it did not grow; null where it has. */
  readonly refusal: string | null
  /** The mount has failed. What was to be added may belong to the volume by now. */
  readonly hasFailed: boolean
}

export interface GrowthParts {
  readonly opened: OpenedVolume
  readonly mode: Pick<ServingMode, 'whilePaused'>
}

export class Growth {
  /** Of orders that are carried out, by their names, as long as they are held out. */
  readonly #reports = new Map<string, GrowthReport>()
  readonly #parts: GrowthParts
  readonly #orders: Orders
  #last: Promise<void> = Promise.resolve()

  /** @param device number of the mount (st_dev) */
  constructor(device: number, parts: GrowthParts) {
    this.#parts = parts
    this.#orders = new Orders(device, (name, order) => {
      this.#last = this.#last.then(() => this.#carryOut(name, order))
    })
  }

  /** What became of each order, until whoever holds it out has heard of it. */
  get reports(): readonly GrowthReport[] {
    return [...this.#reports.values()]
  }

  /** Looks for orders. */
  follow(): void {
    const names = this.#orders.look()
    for (const name of this.#reports.keys()) if (!names.includes(name)) this.#reports.delete(name)
  }

  async #carryOut(name: string, order: GrowOrder | null): Promise<void> {
    const { opened } = this.#parts
    let refusal: string | null = null
    try {
      if (order === null) throw new MountError('its server does not understand this order')
      await this.#grow(order)
    } catch (error) {
      trace('order %s: %o', name, error)
      refusal = isRefusal(error) ? error.message : 'it has failed'
    }
    this.#reports.set(name, { order: name, refusal, hasFailed: opened.volume.state.isFailed })
  }

  async #grow({ devices }: GrowOrder): Promise<void> {
    const { opened, mode } = this.#parts
    // While workers still serve: looking at a path may ask them.
    devices.forEach(checkSame)
    const further = opened.openFurther(devices.map(({ path }) => path))
    try {
      await mode.whilePaused(() => opened.grow(further))
    } finally {
      // Those that have joined are no longer in it.
      further.close()
    }
  }
}

/** A path can lead elsewhere than it did for the client, in another mount namespace above all. @throws MountError */
function checkSame({ path, identity }: OrderedDevice): void {
  const stats = statOf(path)
  if (stats === null || identityOf(stats) !== identity)
    throw new MountError(`${path}: the server finds another device there than the command`)
}

/** Whether an error says why the volume stays as it is. */
function isRefusal(error: unknown): error is Error {
  return [DeviceError, VolumeError, PmemError, MountError].some((kind) => error instanceof kind)
}
