// SPDX-License-Identifier: GPL-2.0-only
/**
 * A new volume in anonymous memory, on the medium that a mount has: what the request path costs is seen here as it is.
 */
import { Allocator } from '../../src/fs/allocator.js'
import { DataArea } from '../../src/fs/data-area.js'
import type { Engine } from '../../src/fs/engine.js'
import { format } from '../../src/fs/format.js'
import { Locks } from '../../src/fs/locks.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { Transaction } from '../../src/fs/transaction.js'
import { Volume } from '../../src/fs/volume.js'
import { createMemoryDevice } from '../../src/pmem/device.js'
import { deviceBlocks, mapDevices, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium, type MediumDescription } from '../../src/pmem/mapped-medium.js'
import { deviceSizesFor, usualDevices } from './device-count.js'
import { epoch, lastDeviceFirst } from './test-volume.js'

export class MemoryVolume {
  readonly medium: MappedMedium
  /** For the media of other threads. */
  readonly description: MediumDescription
  readonly volume: Volume
  /** Worker 0's. */
  readonly engine: Engine
  /** What an engine is made of, for worker 1. */
  readonly allocator: Allocator
  readonly area: DataArea
  readonly tx: Transaction
  readonly #release: () => void

  constructor(sizeBytes: number, data: DataMode = 'inplace', count = usualDevices) {
    const devices = deviceSizesFor(sizeBytes, count).map((bytes) => createMemoryDevice(bytes))
    const description = mapDevices(devices, 'read-write')
    this.description = description
    this.medium = new MappedMedium(description)
    const { geometry } = format(this.medium, {
      deviceBlocks: devices.map(deviceBlocks),
      uuid: new Uint8Array(16),
      label: '',
      identity: new Uint8Array(16).fill(1),
      identifiers: devices.map((_, n) => new Uint8Array(16).fill(n + 2)),
      hashKey: new Uint8Array(16).fill(7),
      now: epoch,
      uid: 0,
      gid: 0,
      zeroed: true,
    })
    this.volume = Volume.open(this.medium, { readOnly: false, now: epoch, data })
    const setting = lastDeviceFirst(this.volume)
    this.engine = this.volume.engine(0, setting)
    const { state } = this.volume
    this.area = new DataArea(geometry)
    this.allocator = new Allocator(
      this.medium,
      state,
      new Locks(state, 1),
      geometry,
      setting.localSegments[0],
    )
    this.tx = new Transaction(this.medium, this.allocator, geometry, 1)
    this.#release = () => {
      unmapDevices(description)
      for (const device of devices) device.close()
    }
  }

  release(): void {
    this.volume.close()
    this.medium.release()
    this.#release()
  }
}
