// SPDX-License-Identifier: GPL-2.0-only
/** A small volume in memory, mounted, with an engine to call. */
import { blockBytes, blockWords } from '../../layout/geometry.js'
import { format } from '../../src/fs/format.js'
import type { EngineSetting } from '../../src/fs/engine-setting.js'
import { bitmapBlockOf } from '../../src/fs/geometry.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { Volume } from '../../src/fs/volume.js'
import type { BlockRun } from '../../src/pmem/bad-blocks.js'
import type { Medium } from '../../src/pmem/medium.js'
import { EngineCaller } from './engine-caller.js'
import { devicesFor, mediumOf } from './medium-in-use.js'
import type { RecordingMedium } from './recording-medium.js'
import type { TearsDown } from './temporary.js'

export const root = 1
/** When test volumes are made: 2024-01-01, in milliseconds. */
export const epoch = 1_704_067_200_000

export function formatSmall(medium: Medium, deviceBlocks: readonly number[], zeroed = true, salt = 1): void {
  format(medium, {
    deviceBlocks,
    uuid: Uint8Array.from({ length: 16 }, (_, n) => n),
    label: 'test',
    identity: new Uint8Array(16).fill(salt),
    identifiers: deviceBlocks.map((_, n) => new Uint8Array(16).fill(n + 2)),
    hashKey: new Uint8Array(16).fill(7),
    now: epoch,
    uid: 0,
    gid: 0,
    zeroed,
  })
}

/** Fills the free blocks with what a former use may have left there: nobody may ever see it, or rely on zeros. */
function soil(medium: RecordingMedium): void {
  const { geometry } = readSuperblock(medium).superblock
  for (const { first, blocks } of geometry.segments) {
    for (let block = first; block < first + blocks; block++) {
      const word = medium.load32(bitmapBlockOf(geometry, block), (block >>> 5) & (blockWords - 1))
      if ((word >>> (block & 31)) & 1) continue
      const start = medium.byteOf(block)
      medium.bytesOf(block).fill(0xa5, start, start + blockBytes)
    }
  }
}

/** An engine that looks for free blocks on the last device first: calls change that and what is fixed on the first. */
export function lastDeviceFirst({ setting }: Volume): EngineSetting {
  return { ...setting, localSegments: [[setting.geometry.segments.length - 1]] }
}

export class TestVolume {
  readonly medium: RecordingMedium
  volume: Volume
  caller: EngineCaller
  readonly #data: DataMode
  readonly #beginsWithLast: boolean
  #isOpen = true

  private constructor(
    medium: RecordingMedium,
    now: number,
    data: DataMode,
    beginsWithLast = false,
    badBlocks: readonly BlockRun[] = [],
  ) {
    this.medium = medium
    this.#data = data
    this.#beginsWithLast = beginsWithLast
    this.volume = Volume.open(medium, { readOnly: false, now, isChecked: true, data, badBlocks })
    this.caller = this.#newCaller(now)
  }

  /** @throws VolumeError */
  static open(
    medium: RecordingMedium,
    now = epoch,
    data: DataMode = 'inplace',
    badBlocks: readonly BlockRun[] = [],
  ): TestVolume {
    return new TestVolume(medium, now, data, false, badBlocks)
  }

  /** A new volume of devices of so many blocks. A single number leaves it to device-count.ts how many there are. */
  static make(...deviceBlocks: readonly number[]): TestVolume {
    return TestVolume.makeFor('inplace', ...deviceBlocks)
  }

  /** The same, with writes that change blocks in this way. */
  static makeFor(data: DataMode, ...deviceBlocks: readonly number[]): TestVolume {
    const devices = devicesFor(deviceBlocks)
    return TestVolume.makeOn(devices, data, devices.length > deviceBlocks.length)
  }

  /** A new volume of exactly these devices. @param beginsWithLast as {@link lastDeviceFirst} */
  static makeOn(
    deviceBlocks: readonly number[],
    data: DataMode = 'inplace',
    beginsWithLast = false,
  ): TestVolume {
    const medium = mediumOf(deviceBlocks)
    formatSmall(medium, deviceBlocks)
    soil(medium)
    return new TestVolume(medium, epoch, data, beginsWithLast)
  }

  /** As {@link make}, closed at the end of the test. */
  static of(t: TearsDown, ...deviceBlocks: readonly number[]): TestVolume {
    const volume = TestVolume.make(...deviceBlocks)
    t.teardown(() => volume.close())
    return volume
  }

  get freeBlocks(): number {
    return this.caller.usage().freeBlocks
  }

  /** Unmounts in order; a second time does nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.volume.close()
    this.caller.release()
  }

  /** Forgets the mount, as a loss of power does. */
  drop(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.volume.state.release()
    this.caller.release()
  }

  reopen(now = epoch, hasAcls = true): void {
    this.close()
    const { medium } = this
    const options = { readOnly: false, now, isChecked: true, hasAcls, data: this.#data }
    this.volume = Volume.open(medium, options)
    this.caller = this.#newCaller(now)
    this.#isOpen = true
  }

  #newCaller(now: number): EngineCaller {
    const { volume } = this
    const engine = volume.engine(0, this.#beginsWithLast ? lastDeviceFirst(volume) : volume.setting)
    const caller = new EngineCaller(engine, this.medium)
    caller.setClock(now)
    return caller
  }
}
