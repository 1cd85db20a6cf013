// SPDX-License-Identifier: GPL-2.0-only
/** Makes the volume of a mount larger while it is in use, when it is ordered to, one order after the other. */
import type { OpenedVolume } from '../api/opened-volume.js'
import { VolumeError } from '../fs/volume-error.js'
import { DeviceError } from '../pmem/device-error.js'
import { PmemError } from '../pmem/pmem-error.js'
import { MountError } from './mount-error.js'
import { Orders } from './orders.js'
import type { ServingMode } from './serving-mode.js'

/** What became of the last order. */
export interface GrowthReport {
  /** Name of the order. */
  readonly order: string
  readonly isOver: boolean
  /** Why nothing has changed; null where it has, or is about to. */
  readonly refusal: string | null
}

export interface GrowthParts {
  readonly opened: OpenedVolume
  readonly mode: Pick<ServingMode, 'whilePaused'>
}

export class Growth {
  report: GrowthReport | null = null
  readonly #parts: GrowthParts
  readonly #orders: Orders
  #last: Promise<void> = Promise.resolve()

  /** @param device number of the mount (st_dev) */
  constructor(device: number, parts: GrowthParts) {
    this.#parts = parts
    this.#orders = new Orders(device, (name, { devices }) => {
      this.#last = this.#last.then(() => this.#grow(name, devices))
    })
  }

  /** Looks for orders. */
  follow(): void {
    this.#orders.look()
  }

  async #grow(order: string, devices: readonly string[]): Promise<void> {
    const { opened, mode } = this.#parts
    this.report = { order, isOver: false, refusal: null }
    let refusal: string | null = null
    try {
      await mode.whilePaused(() => opened.grow(devices))
    } catch (error) {
      refusal = isRefusal(error) ? error.message : 'it has failed'
    }
    this.report = { order, isOver: true, refusal }
  }
}

/** Whether an error says why the volume stays as it is. */
export function isRefusal(error: unknown): error is Error {
  return [DeviceError, VolumeError, PmemError, MountError].some((kind) => error instanceof kind)
}
