// SPDX-License-Identifier: GPL-2.0-only
/**
 * A volume's growth, from the first look at what it is to grow by. What is to join is mapped apart from the volume's
 * medium, and what it needs is stored there, so a device that fails then is no failure of the volume. Invariant: until
 * the superblock may name what joins, the volume can go on as it is, and {@link GrowthInHand.release} lets go of all
 * that was taken.
 */
import { BadBlocks } from '../fs/bad-blocks.js'
import { namesOf, refuseBadPlaces, refuseCutLists } from '../fs/bad-metadata.js'
import { DataArea } from '../fs/data-area.js'
import type { PlacedSegment } from '../fs/geometry.js'
import { type Gain, type Joining, clearSegments, planGrowth, prepareSegments } from '../fs/grow.js'
import type { Superblock } from '../fs/superblock.js'
import type { Volume } from '../fs/volume.js'
import { VolumeError } from '../fs/volume-error.js'
import { BadBlockError } from '../pmem/bad-block-error.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import { DeviceError } from '../pmem/device-error.js'
import type { DeviceSet } from '../pmem/device-set.js'
import { putTogether, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium, type MediumDescription } from '../pmem/mapped-medium.js'
import {
  type Overwriting,
  addedSegments,
  blocksOfFurther,
  gainsOf,
  gainsOfFurther,
  overwrite,
} from './device-growth.js'

/** The volume that is to grow. */
export interface GrowingVolume {
  readonly volume: Volume
  readonly devices: DeviceSet
  readonly description: MediumDescription
  /** Its medium has further windows from now on. */
  readonly follow: (description: MediumDescription) => void
}

/** What is to join. */
interface Further {
  readonly set: DeviceSet
  /** Of each device; null: it holds nothing. */
  readonly overwritings: readonly (Overwriting | null)[]
}

export class GrowthInHand {
  readonly #of: GrowingVolume
  readonly #further: Further
  readonly #gains: readonly Gain[]
  /** What joins, alone, where it will be. */
  readonly #description: MediumDescription
  readonly #medium: MappedMedium
  /** Blocks that storing has met, and that can be done without. */
  readonly #found = new BadBlocks()
  /** Segments on which something may have been stored. */
  readonly #begun: PlacedSegment[] = []
  #hasJoined = false
  #isReleased = false

  private constructor(of: GrowingVolume, further: Further, gains: readonly Gain[], next: Superblock) {
    this.#of = of
    this.#further = further
    this.#gains = gains
    this.#description = of.devices.mapFurther(of.description, 'read-write', further.set, gains)
    try {
      this.#medium = new MappedMedium(this.#description)
    } catch (error) {
      unmapDevices(this.#description)
      throw error
    }
    const area = new DataArea(next.geometry)
    this.#medium.onBadBlock = (block) => area.holdsRun(block, 1) && this.#found.add(block) !== 'full'
  }

  /**
   * Maps what is to join, and stores what it needs, but for devices that hold something. Engines may be in use.
   * @param set without further devices: what the volume's own have gained
   * @returns null where there is nothing to grow by
   * @throws DeviceError, VolumeError, PmemError with the volume as it was
   */
  static begin(
    of: GrowingVolume,
    set: DeviceSet,
    overwritings: readonly (Overwriting | null)[],
  ): GrowthInHand | null {
    const { superblock, isReadOnly } = of.volume
    if (isReadOnly) throw new VolumeError('feature', 'it is mounted read-only')
    for (const device of of.devices.devices) device.measure()
    const further = set.devices.map((device, n) => ({
      path: device.path,
      blocks: blocksOfFurther(device, overwritings[n] ?? null),
    }))
    const gains =
      further.length > 0 ? gainsOfFurther(superblock, further) : gainsOf(superblock, of.devices.devices)
    if (gains.length === 0) return null
    // Before anything is mapped.
    const badBlocks = of.devices.badBlocksWith(set, gains)
    const next = planGrowth(superblock, gains)
    const all = [...of.devices.devices, ...set.devices]
    refuseCutLists(all)
    const names = namesOf(next, all)
    refuseBadPlaces(next, badBlocks, names, { added: superblock.segments.length })
    const growth = new GrowthInHand(of, { set, overwritings }, gains, next)
    try {
      growth.#store(superblock, next, addedSegments(superblock, next), false)
    } catch (error) {
      growth.release()
      throw error
    }
    return growth
  }

  /**
   * Makes the volume larger. No engine may be in use, and new ones are needed afterwards.
   * @throws DeviceError, VolumeError, PmemError where it stays as it was, unless the volume has failed
   */
  complete(): void {
    const { volume, devices } = this.#of
    for (const device of devices.devices) device.measure()
    const joining: Joining = {
      medium: this.#medium,
      prepare: (current, next) => this.#storeRest(current, next),
      enter: () => this.#enter(),
    }
    try {
      volume.grow(this.#gains, Date.now(), devices.badBlocksWith(this.#further.set, this.#gains), joining)
    } catch (error) {
      throw asRefusal(error)
    }
  }

  /** Undoes what can be, unless the volume may name what was to join. A second time does nothing. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    if (!this.#hasJoined) this.#clear()
    this.#medium.discard()
    if (!this.#hasJoined) unmapDevices(this.#description)
  }

  /** What those segments need whose devices hold something, or the others. */
  #store(
    current: Superblock,
    next: Superblock,
    added: readonly PlacedSegment[],
    areOverwritten: boolean,
  ): void {
    const { overwritings } = this.#further
    const isOverwritten = (n: number): boolean => (overwritings[n] ?? null) !== null
    const segments = added.filter((_, n) => isOverwritten(n) === areOverwritten)
    this.#begun.push(...segments)
    try {
      prepareSegments(this.#medium, current, next, segments, Date.now())
    } catch (error) {
      throw asRefusal(error)
    }
  }

  /** Devices that hold something are overwritten. @returns what was found to be bad */
  #storeRest(current: Superblock, next: Superblock): readonly BlockRun[] {
    const { set, overwritings } = this.#further
    const added = addedSegments(current, next)
    for (const [n, how] of overwritings.entries()) {
      if (how === null) continue
      overwrite(this.#medium, set.devices[n]!, added[n]!, how)
    }
    this.#store(current, next, added, true)
    return this.#found.runs
  }

  #enter(): void {
    const { devices, description, follow } = this.#of
    this.#hasJoined = true
    devices.take(this.#further.set, this.#gains)
    follow(putTogether(description, this.#description))
  }

  /**
   * No device says any more that it was to join. One that has failed keeps what it has: what it does not take now would
   * be an error to whoever opens it next.
   */
  #clear(): void {
    if (this.#medium.failure !== null) return
    try {
      clearSegments(this.#medium, this.#begun)
      this.#medium.settle()
    } catch {
      // Whoever looks at it finds a device that was to join and did not, or none.
    }
  }
}

/** What is bad on a device that was to join is a failure of that device. */
function asRefusal(error: unknown): unknown {
  return error instanceof BadBlockError
    ? new DeviceError('EIO', `cannot write ${error.path}: ${error.message}`, { cause: error })
    : error
}
