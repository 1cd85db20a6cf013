// SPDX-License-Identifier: GPL-2.0-only
/** A device that stands for another one, which this machine need not have. */
import type { Device } from '../../src/pmem/device.js'

/** The device, but for these of its properties. */
export function changedDevice(device: Device, changes: Partial<Device>): Device {
  return new Proxy(device, {
    get(target, key) {
      if (key in changes) return changes[key as keyof Device]
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
