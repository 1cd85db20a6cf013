// SPDX-License-Identifier: GPL-2.0-only
/** Opening the devices for a mount: with patience for the server of the mount before. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type OpenedVolume, openVolume } from '../api/opened-volume.js'
import { DeviceError, deviceLines } from '../pmem/device.js'
import { type Mapper, MapperError, type MapperName } from '../pmem/mapper.js'
import { mapperNamed } from '../pmem/mmap-io.js'
import { findHolder } from './holder.js'
import { MountError, exitSystem } from './mount-error.js'
import type { MountOptions } from './mount-options.js'
import { checkDirect } from './require-dax.js'

/** The server of a mount that was just unmounted needs a moment to let go. */
const busyPatienceMs = 5000
const busyRetryMs = 20

export interface OpeningRequest {
  /** Some devices of the volume, or all in any order. */
  readonly devices: readonly string[]
  readonly options: Pick<MountOptions, 'readOnly'>
  /** Refuse a device that is not mapped directly. */
  readonly requireDax: boolean
  readonly mapper: MapperName
}

/**
 * Opens the volume that a mount serves. Its superblock is not marked as mounted yet; recovery and the like have been
 * stored (OpenOptions.unmarked).
 * @throws DeviceError, VolumeError, and MountError for `--require-dax`, or where there is no such mapper
 */
export async function openForMount(request: OpeningRequest): Promise<OpenedVolume> {
  const { devices, requireDax } = request
  const { readOnly } = request.options
  const mapper = mapperOrRefusal(request.mapper)
  const check = requireDax ? checkDirect : () => undefined
  const deadline = Date.now() + busyPatienceMs
  let isFirst = true
  for (;;) {
    try {
      return openVolume(devices, readOnly, { unmarked: true, mapper, check })
    } catch (error) {
      if (error instanceof DeviceError && error.code === 'EROFS')
        throw new DeviceError('EROFS', `${error.message}: ${adviceOnProtection(readOnly)}`)
      const isBusy = error instanceof DeviceError && error.code === 'EBUSY' && !error.outlasts
      if (!isBusy || Date.now() > deadline || (isFirst && isMounted(error.device))) throw error
      isFirst = false
      await sleep(busyRetryMs)
    }
  }
}

function mapperOrRefusal(name: MapperName): Mapper {
  try {
    return mapperNamed(name)
  } catch (error) {
    throw error instanceof MapperError ? new MountError(error.message, exitSystem, { cause: error }) : error
  }
}

/** What a mount reports on starting. @param gathers the kernel gathers its writes */
export function noticesOf({ notices, devices }: OpenedVolume, gathers: boolean): string[] {
  return [...notices, ...deviceLines(devices, gathers)]
}

/** What helps where a device is write-protected. A read-only mount meets that on a volume with devdax alone. */
function adviceOnProtection(readOnly: boolean): string {
  if (!readOnly) return 'mount it with -o ro, or make it writable'
  return 'make it writable, as recovery writes to all devices of a volume where one is devdax'
}

/** @param device null: it is not known which one is busy */
function isMounted(device: string | null): boolean {
  return device !== null && (findHolder(device)?.mountpoints.length ?? 0) > 0
}
