// SPDX-License-Identifier: GPL-2.0-only
/** Makes the volume of a mount larger while it is in use, when it is ordered to, one order after the other. */
import debug from 'debug'
import { blockBytes } from '../../layout/geometry.js'
import { type Grown, type Overwriting, checkSize, grownSince, readyGains } from '../api/device-growth.js'
import { digestOf } from '../api/device-contents.js'
import type { OpenedVolume } from '../api/opened-volume.js'
import { formatSize } from '../api/size-text.js'
import { shownLine } from '../check/name-text.js'
import { deviceSegments } from '../fs/segments.js'
import { Superblock } from '../fs/superblock.js'
import { VolumeError } from '../fs/volume-error.js'
import { deviceLines } from '../pmem/device.js'
import { DeviceError } from '../pmem/device-error.js'
import { DeviceSet } from '../pmem/device-set.js'
import { identityOf } from '../pmem/lock-holder.js'
import { PmemError } from '../pmem/pmem-error.js'
import { statOf } from '../pmem/probe.js'
import { logIfAlone, tell } from './background.js'
import { MountError } from './mount-error.js'
import { type GrowOrder, type OrderedDevice, Orders, orderedVolume } from './orders.js'
import type { ServingMode } from './serving-mode.js'

const trace = debug('pmfs2:daemon')

/** What became of an order. */
export interface GrowthReport {
  /** Name of the order. */
  readonly order: string
  /** Why the volume stays as it was, or has failed; null where neither is so. */
  readonly refusal: string | null
  /** After a refusal: whether the volume may be the larger one all the same. */
  readonly isUncertain: boolean
  /** Null where it has not grown, as there was nothing to grow by. */
  readonly grown: Grown | null
}

export interface GrowthParts {
  readonly opened: OpenedVolume
  /** The kernel gathers writes of the mount (-o writeback_cache). */
  readonly gathers: boolean
  readonly mode: Pick<ServingMode, 'whilePaused' | 'isEnding'>
}

export class GrowthOrders {
  /** Of orders that are over, by their names, as long as they are held out. */
  readonly #reports = new Map<string, GrowthReport>()
  readonly #parts: GrowthParts
  readonly #orders: Orders
  #last: Promise<void> = Promise.resolve()
  #isOver = false

  /** @param device number of the mount (st_dev) */
  constructor(device: number, parts: GrowthParts) {
    this.#parts = parts
    this.#orders = new Orders(device, (name, order) => {
      this.#last = this.#last.then(() => (this.#isOver ? undefined : this.#carryOut(name, order)))
    })
  }

  /** What became of each order, until whoever holds it out has heard of it. */
  get reports(): readonly GrowthReport[] {
    return [...this.#reports.values()]
  }

  /**
   * Looks for orders, before each report. Growing may keep this thread from answering for long, but whoever gave the
   * order has handed it over by then, and knows that.
   */
  follow(): void {
    const names = this.#heldOut()
    if (names === null) return
    for (const name of this.#reports.keys()) if (!names.includes(name)) this.#reports.delete(name)
  }

  /** @returns null where that cannot be told, such as without a free descriptor, which must not end the server */
  #heldOut(): readonly string[] | null {
    try {
      return this.#orders.look()
    } catch (error) {
      trace('orders cannot be looked for: %o', error)
      return null
    }
  }

  /** From now on, orders are left alone. @returns a promise that resolves once none is carried out any more */
  settled(): Promise<void> {
    this.#isOver = true
    return this.#last
  }

  /** @param order null: it is not understood */
  async #carryOut(name: string, order: GrowOrder | null): Promise<void> {
    const { opened } = this.#parts
    const { volume } = opened
    const before = new Superblock(volume.superblock.words.slice())
    let refusal: string | null = null
    try {
      if (order === null) throw new MountError('its server does not understand this order')
      await this.#grow(order, () => this.#checkWanted(name))
    } catch (error) {
      trace('order %s: %o', name, error)
      refusal = isRefusal(error) ? error.message : 'its server could not grow it; the system log says why'
      if (!isRefusal(error)) tell(shownLine(`${opened.devices[0]!.path}: growing failed: ${String(error)}`))
    }
    const grown = grownSince(before, volume.superblock)
    if (grown !== null && refusal === null) this.#log(grown, deviceSegments(before).length)
    const isUncertain = refusal !== null && (grown !== null || volume.state.isFailed)
    this.#reports.set(name, { order: name, refusal, isUncertain, grown })
  }

  /** @param count of the devices that the volume had before */
  #log({ before, after }: Grown, count: number): void {
    const { opened, gathers } = this.#parts
    const { devices } = opened
    const sizes = [before, after].map((blocks) => formatSize(blocks * blockBytes)).join(' to ')
    const news = [`${devices[0]!.path}: grew from ${sizes}`, ...deviceLines(devices.slice(count), gathers)]
    logIfAlone(...news.map(shownLine))
  }

  /**
   * An order ends with the command that gave it. That undoes what it has made, and whoever has seen it end takes what
   * it would have added for unused. And a path may lead through the mount: where workers have ended, looking at it
   * would never return. @throws MountError
   */
  #checkWanted(name: string): void {
    if (this.#parts.mode.isEnding) throw new MountError('its server is ending')
    if (!this.#orders.isHeldOut(name)) throw new MountError('the command that ordered it has ended')
  }

  /** @param check is called before anything changes, and again when nothing else is waited for any more */
  async #grow({ volume, devices, sizeBytes, sparse }: GrowOrder, check: () => void): Promise<void> {
    const { opened } = this.#parts
    if (volume !== orderedVolume(opened.volume.superblock, opened.devices))
      throw new MountError('the order was for another file system, which has been unmounted meanwhile')
    check()
    if (opened.volume.isReadOnly) throw new MountError('it is mounted read-only')
    if (devices.length === 0) return this.#takeGains(sizeBytes, sparse, check)
    // While workers still serve: looking at a path may ask them.
    devices.forEach(checkSame)
    const further = opened.openFurther(devices.map(({ path }) => path))
    try {
      // Until it was locked, another one could take its place.
      devices.forEach(checkSame)
      for (const [n, { path, digest }] of devices.entries())
        if (digest !== null && digestOf(further.devices[n]!) !== digest)
          throw new MountError(`${path}: its contents changed after the command looked at it; try again`)
      const overwritings = devices.map(({ overwriting }) => overwriting)
      await this.#takeIn(further, overwritings, check)
    } finally {
      // Those that have joined are no longer in it.
      further.close()
    }
  }

  /** Workers serve until all is ready: a device that fails before that is no reason to stop them. */
  async #takeIn(
    further: DeviceSet,
    overwritings: readonly (Overwriting | null)[],
    check: () => void,
  ): Promise<void> {
    const { opened, mode } = this.#parts
    const growth = opened.beginGrowth(further, overwritings)
    if (growth === null) return
    try {
      await mode.whilePaused(() => {
        check()
        growth.complete()
      })
    } finally {
      growth.release()
    }
  }

  /**
   * The server itself makes its file longer, and shorter again where that was of no use: nobody else can be sure that
   * the volume has not grown meanwhile.
   */
  async #takeGains(sizeBytes: number | null, sparse: boolean, check: () => void): Promise<void> {
    const { devices, volume } = this.#parts.opened
    const before = volume.superblock.segments.length
    for (const device of devices) device.measure()
    // The command has done so before, but other orders may have been carried out since.
    if (sizeBytes !== null) checkSize(devices, volume.superblock, sizeBytes)
    const restore = readyGains(devices, volume.superblock, sizeBytes, sparse)
    try {
      await this.#takeIn(new DeviceSet([]), [], check)
    } catch (error) {
      if (!volume.state.isFailed && volume.superblock.segments.length === before) restore()
      throw error
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
