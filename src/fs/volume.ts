// SPDX-License-Identifier: GPL-2.0-only
/**
 * A volume's life: opening (with recovery), the engines that serve it, closing. One thread opens and closes; each
 * worker makes its own engine from the description that this thread hands it.
 */
import { rootsBlock } from '../../layout/geometry.js'
import { inodesPerBlock } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { stateClean, stateDirty, superblock as layout } from '../../layout/superblock.js'
import { type BlockRun, mergeRuns } from '../pmem/bad-blocks.js'
import { BadBlockError } from '../pmem/bad-block-error.js'
import { Allocator } from './allocator.js'
import { BadBlocks, despiteBadBlocks, hearOfBadBlocks } from './bad-blocks.js'
import {
  badBlockNotices,
  listenForBadBlocks,
  refuseBadMetadata,
  refuseBadPlaces,
  tooManyBadRuns,
  withBadBlocks,
} from './bad-metadata.js'
import { Engine } from './engine.js'
import { EngineParts } from './engine-parts.js'
import type { EngineSetting } from './engine-setting.js'
import { type DamageListener, DamagedPlaces, mostDamagedPlaces } from './damage.js'
import {
  damageCount,
  damageRecord,
  damageRecordText,
  recordDamage,
  recordDamageCount,
} from './damage-record.js'
import { type Gain, type Joining, joiningInPlace, planGrowth, storeGrowth } from './grow.js'
import type { Medium } from '../pmem/medium.js'
import { Locks, opener } from './locks.js'
import { OpenSuperblock } from './open-superblock.js'
import type { DataMode } from './overwriting.js'
import { recover } from './recovery.js'
import { wordsOfBlock } from './self-describing-block.js'
import { SharedState } from './shared-state.js'
import { levelHeaders } from './device-header.js'
import type { Superblock } from './superblock.js'
import { type SuperblockReading, levelCopies, readSuperblock } from './superblock-copies.js'
import type { Upkeep } from './upkeep.js'
import { type BadPlace, VolumeError } from './volume-error.js'
import { VolumeUsage } from './volume-usage.js'

const at = layout.word
const orphansDamaged =
  'its list of unlinked files is damaged, and their blocks stay in use; pmfs2-fuse fsck tells more'
const tableDamaged =
  'its inode table is damaged, and free inodes in it may stay unused; pmfs2-fuse fsck tells more'
const headerRewritten = 'the damaged header is rewritten'
const countsRebuilt = 'its counts of inodes contradicted each other and were rebuilt'
const onlyReadOnly = 'it uses features with which it can only be mounted read-only (-o ro)'
const adviceOnDamage =
  'pmfs2-fuse fsck tells what is damaged, and the notice stays until mkfs makes a new volume'

export interface OpenOptions {
  /** Its engines refuse every change. Nothing is stored but what undoing unfinished transactions takes. */
  readonly readOnly: boolean
  /** How writes change blocks that a file has; in place unless said. */
  readonly data?: DataMode
  /** Milliseconds since 1970 */
  readonly now: number
  /** POSIX ACLs can be read and set, and are inherited; true by default. */
  readonly hasAcls?: boolean
  /** Blocks of the medium that are known to be bad. */
  readonly badBlocks?: readonly BlockRun[]
  /** Have the engines hold themselves to the rules of locks and transactions. */
  readonly isChecked?: boolean
  /**
   * The volume is not marked as in use before {@link Volume.markMounted}, and until then no engine may change anything.
   * Opening itself still stores what it always does: copies of the superblock made equal, recovery, the freeing of
   * orphans, and a damaged list of free inodes made anew.
   */
  readonly unmarked?: boolean
}

export class Volume {
  /** What went wrong and was mended on opening, in sentences for people. */
  readonly notices: readonly string[]
  /** Transactions that recovery undid. */
  readonly undone: number
  /** Hears of each place where calls meet damage, once, up to a limit. */
  onDamage: DamageListener = () => undefined
  /** What the last call that met damage has met. */
  lastDamage: string | null = null
  readonly #places = new DamagedPlaces()
  /** Places met while nothing may be written, and when: they are recorded once the volume may be. */
  readonly #unrecorded: { readonly what: string; readonly now: number }[] = []
  /** What the superblock said when it was opened. */
  readonly #damageBefore: number
  readonly #medium: Medium
  #state: SharedState
  /** States that it had before it grew: other threads may still have views of them. */
  readonly #outgrown: SharedState[] = []
  #superblock: OpenSuperblock
  #bad: BadBlocks
  readonly #options: OpenOptions
  #isReadOnly: boolean
  #marked = false
  /** Reads how full the volume is. */
  #observer: Engine | undefined

  private constructor(
    medium: Medium,
    superblock: Superblock,
    state: SharedState,
    notices: readonly string[],
    undone: number,
    options: OpenOptions,
  ) {
    this.#medium = medium
    this.#state = state
    this.#bad = new BadBlocks(state.words)
    this.#superblock = new OpenSuperblock(medium, state, new Locks(state, opener))
    this.#superblock.load(superblock)
    this.notices = notices
    this.undone = undone
    this.#options = options
    this.#isReadOnly = options.readOnly
    this.#damageBefore = damageCount(superblock)
  }

  /** @throws VolumeError where the medium holds no volume that can be served */
  static open(medium: Medium, options: OpenOptions): Volume {
    const known = options.badBlocks ?? []
    const found = new BadBlocks()
    // What a look at all of it meets is told in one line below.
    medium.onBadBlock = (block) => found.add(block) !== 'full'
    const { superblock, damage, isHeaderDamaged, readOnly } = readDespiteBadBlocks(medium, found)
    if (readOnly && !options.readOnly) {
      throw new VolumeError('feature', onlyReadOnly)
    }
    const { geometry } = superblock
    const refuse = (): void =>
      refuseBadMetadata(superblock, mergeRuns([...known, ...found.runs]), medium, options.readOnly)
    refuse()
    const state = SharedState.create(geometry.blockCount, geometry.laneCount)
    const bad = new BadBlocks(state.words)
    for (const { first, count } of [...known, ...found.runs]) bad.add(first, count)
    medium.onBadBlock = (block) => found.add(block) !== 'full' && bad.add(block) !== 'full'
    try {
      if (!options.readOnly) levelCopies(medium, superblock)
      const undone = recover(medium, geometry, options.readOnly, bad, refuse)
      const record = damageRecord(superblock)
      const notices = [...damage, ...badBlockNotices(known, medium)]
      if (!options.readOnly && isHeaderDamaged) notices.push(headerRewritten)
      if (record !== null) notices.push(`${damageRecordText(record)}; ${adviceOnDamage}`)
      const volume = new Volume(medium, superblock, state, notices, undone, options)
      volume.#loadBitmap(false, refuse)
      const engine = volume.engine(0)
      verify(engine, medium)
      if (!options.readOnly) volume.#mend(engine.upkeep, notices)
      if (options.unmarked !== true) volume.markMounted(options.now)
      // What opening has met no worker will be the first to hear of.
      const met = medium.unreported.splice(0).map(({ block }) => ({ first: block, count: 1 }))
      notices.push(...badBlockNotices(mergeRuns([...found.runs, ...met]), medium))
      return volume
    } catch (error) {
      state.release()
      // It was found when something was to be stored there.
      if (error instanceof BadBlockError) refuse()
      throw error
    }
  }

  /**
   * @param isAnew it was loaded before
   * @param refuse throws where what was loaded may be zeros in place of a bad block, and that matters
   */
  #loadBitmap(isAnew: boolean, refuse: () => void): void {
    const { geometry } = this.superblock
    const allocator = new Allocator(this.#medium, this.state, new Locks(this.state, 0), geometry)
    if (isAnew) allocator.reload()
    else allocator.load()
    while (hearOfBadBlocks(this.#medium) !== null) {
      refuse()
      allocator.reload()
    }
  }

  #mend(upkeep: Upkeep, notices: string[]): void {
    if (upkeep.hasWrongCounts) notices.push(countsRebuilt)
    if (!upkeep.isTableListed && upkeep.relistInodes() !== 0) notices.push(tableDamaged)
    if (upkeep.finishOrphans() !== 0) notices.push(orphansDamaged)
  }

  /** Another one once it has grown. */
  get state(): SharedState {
    return this.#state
  }

  /** As it was last read or written; not to be changed, and there until the volume is closed. */
  get superblock(): Superblock {
    return this.#superblock.current
  }

  get setting(): EngineSetting {
    return {
      geometry: this.superblock.geometry,
      hashKey0: this.superblock.get(at.hashKey),
      hashKey1: this.superblock.get(at.hashKey + 1),
      isChecked: this.#options.isChecked ?? false,
      localSegments: [],
      isReadOnly: this.#isReadOnly,
      hasAcls: this.#options.hasAcls ?? true,
      data: this.#options.data ?? 'inplace',
      strictAccessTimes: false,
    }
  }

  /** An engine for this thread. No other thread may use the same worker number at the same time. */
  engine(worker: number, setting = this.setting): Engine {
    const onDamage: DamageListener = (what, bad) => this.noteDamage(what, Date.now(), bad)
    return new Engine(new EngineParts(this.#medium, this.state, setting, worker, onDamage))
  }

  /** How full it is. Takes no lock, so any thread may ask while engines serve. */
  usage(): VolumeUsage {
    this.#observer ??= this.engine(0)
    const usage = new VolumeUsage()
    this.#observer.usageCount.allocated(usage)
    return usage
  }

  /**
   * Ends everything: what was unlinked but in use is freed, and the superblock says clean. After a call that failed in
   * its midst this is {@link abandon}: what it left behind is for recovery.
   */
  close(): void {
    try {
      if (!this.state.isFailed) this.#settle()
    } finally {
      this.abandon()
    }
  }

  #settle(): void {
    if (this.#isReadOnly) return
    this.engine(0).upkeep.finishOrphans()
    this.#markClean()
  }

  #markClean(): void {
    if (!this.#marked) return
    // Before the superblock may say so: a fence that fails, or has failed, ends this here. Where a bad block was found,
    // only times of access are lost.
    this.#medium.settle()
    this.#writeState((superblock) => {
      superblock.set(at.state, stateClean)
      this.#countDamage(superblock)
    })
  }

  /**
   * With several devices the superblock is written twice, and the state changes with the second write. A power failure
   * leaves copies that are at most one write apart, and what was copied from a device before is older by two.
   */
  #writeState(change: (superblock: Superblock) => void): void {
    if (this.superblock.get(at.deviceCount) > 1) this.#superblock.write(() => undefined)
    this.#superblock.write(change)
  }

  /** Ends without a word to the medium: an engine has failed, and may have left locks and a transaction behind. */
  abandon(): void {
    for (const state of [this.#state, ...this.#outgrown]) state.release()
  }

  /** Whether files without names wait to be freed. Any thread may ask while engines serve. */
  get hasOrphans(): boolean {
    this.#observer ??= this.engine(0)
    return this.#observer.upkeep.hasOrphans
  }

  get isReadOnly(): boolean {
    return this.#isReadOnly
  }

  /**
   * From now on its engines change nothing. No call may be under way, and engines made before are to be used no more.
   * Files without names that are still in use keep their blocks, and the volume is then not marked clean.
   * @param settles false: nothing more is written, as the volume is damaged
   */
  becomeReadOnly(settles: boolean): void {
    if (this.#isReadOnly) return
    if (settles && !this.state.isFailed) {
      const { upkeep } = this.engine(0)
      upkeep.finishUnusedOrphans((number) => this.state.lookups(number) > 0)
      if (!upkeep.hasOrphans) this.#markClean()
    }
    this.#isReadOnly = true
    this.#marked = false
    this.#observer = undefined
  }

  /** @throws VolumeError where it has to stay read-only */
  checkWritable(): void {
    const { superblock, readOnly } = readSuperblock(this.#medium)
    if (readOnly) throw new VolumeError('feature', onlyReadOnly)
    this.#medium.noteBadBlocks()
    refuseBadMetadata(superblock, mergeRuns(this.#bad.runs), this.#medium, false)
  }

  /** The medium is a private copy of what the device holds once more: does what opening has done to the copy before. */
  recoverCopies(): void {
    recover(this.#medium, this.superblock.geometry, true, this.#bad)
  }

  /**
   * The opposite of {@link becomeReadOnly}, with what opening does for a volume that may be written.
   * @param isAnew the medium holds what the device does, and no longer what recovery has made of a copy
   * @throws VolumeError where it has to stay read-only
   */
  becomeWritable(now: number, isAnew: boolean): void {
    if (!this.#isReadOnly) return
    const { superblock, readOnly } = readSuperblock(this.#medium)
    if (readOnly) throw new VolumeError('feature', onlyReadOnly)
    const refuse = (): void => refuseBadMetadata(superblock, mergeRuns(this.#bad.runs), this.#medium, false)
    this.#medium.noteBadBlocks()
    refuse()
    levelCopies(this.#medium, superblock)
    this.#superblock.load(superblock)
    recover(this.#medium, superblock.geometry, false, this.#bad, refuse)
    if (isAnew) this.#loadBitmap(true, refuse)
    this.#isReadOnly = false
    this.#observer = undefined
    this.#superblock.use((current) => {
      for (const place of this.#unrecorded.splice(0)) this.#record(current, place.what, place.now)
    })
    const { upkeep } = this.engine(0)
    if (!upkeep.isTableListed) upkeep.relistInodes()
    upkeep.finishUnusedOrphans((number) => this.state.lookups(number) > 0)
    this.markMounted(now)
  }

  /**
   * Makes it larger. No call may be under way, and engines made before are to be used no more. After a loss of power it
   * is as it was, or as it is to be.
   * @param now ms since 1970 @param badBlocks of all of its blocks, those that are known
   * @param joining the further blocks; unless said, its own medium has them already, with nothing stored on them
   * @throws VolumeError where it cannot grow so, or is served read-only; DeviceError, PmemError. Unless it has failed
   * then, it can be used as it was, by the engines that it had
   */
  grow(
    gains: readonly Gain[],
    now: number,
    badBlocks: readonly BlockRun[] = [],
    joining: Joining = joiningInPlace(this.#medium, now),
  ): void {
    if (this.#isReadOnly) throw new VolumeError('feature', 'it is mounted read-only')
    const { superblock } = this
    const oldCount = superblock.geometry.blockCount
    const next = planGrowth(superblock, gains)
    refuseBadPlaces(next, badBlocks, joining.medium, { added: superblock.segments.length })
    this.#medium.noteBadBlocks()
    const { blockCount, laneCount } = next.geometry
    const inodes = this.#medium.load32(rootsBlock, roots.word.tableBlocks) * inodesPerBlock
    const before = this.#state
    const state = before.grown(blockCount, laneCount, inodes)
    const progress = { hasEntered: false }
    try {
      const bad = new BadBlocks(state.words)
      const note = (runs: readonly BlockRun[]): void => {
        if (runs.some(({ first, count }) => bad.add(first, count) === 'full')) throw tooManyBadRuns()
      }
      note(badBlocks)
      const prepare: Joining['prepare'] = (current, next) => {
        const found = joining.prepare(current, next)
        note(found)
        return found
      }
      const enter = (): void => {
        progress.hasEntered = true
        joining.enter()
        listenForBadBlocks(this.#medium, bad, next.geometry, false)
      }
      const steps = { medium: joining.medium, prepare, enter }
      storeGrowth(steps, superblock, gains, (change) => this.#writeOrFail(change))
      this.#become(state, bad, oldCount)
    } catch (error) {
      if (progress.hasEntered) this.#state.markFailed()
      if (this.#state !== state) state.release()
      throw error
    }
  }

  /** What cannot be written to its own devices ends it, whatever it was for. */
  #writeOrFail(change: (superblock: Superblock) => void): void {
    try {
      this.#superblock.write(change)
    } catch (error) {
      this.#state.markFailed()
      throw error
    }
  }

  /** It has grown, and its state has. @param oldCount of its blocks before */
  #become(state: SharedState, bad: BadBlocks, oldCount: number): void {
    const { superblock } = this
    this.#outgrown.push(this.#state)
    this.#state = state
    this.#bad = bad
    this.#superblock = new OpenSuperblock(this.#medium, state, new Locks(state, opener))
    this.#superblock.load(superblock)
    new Allocator(this.#medium, state, new Locks(state, 0), superblock.geometry).loadFrom(oldCount)
    this.#observer = undefined
  }

  /** Says on the medium that the volume is in use, unless it is open for reading only. @param now ms since 1970 */
  markMounted(now: number): void {
    if (this.#isReadOnly) return
    this.#marked = true
    despiteBadBlocks(this.#medium, () => {
      levelHeaders(this.#medium, this.superblock)
      this.#medium.fence()
    })
    this.#writeState((superblock) => {
      superblock.set(at.state, stateDirty)
      superblock.setNumber(at.mountedSeconds, Math.floor(now / 1000))
      superblock.set(at.mountCount, superblock.get(at.mountCount) + 1)
    })
  }

  /**
   * Damage was met, by an engine of this thread or of another: a new place is told, and recorded on the medium before
   * this returns. While the volume is read-only, the record waits until it is writable. Only the thread that opened the
   * volume may call it.
   * @param now ms since 1970 @param bad as {@link DamageListener} has it
   * @throws DeviceError where the device has failed, with nothing recorded; DeviceError, PmemError where it fails now
   */
  noteDamage(what: string, now: number, bad?: BadPlace): void {
    // A record of what came of the failure must not reach the device; the fence alone would come after the first copy.
    this.#medium.noteBadBlocks()
    this.#noteOne(what, now, bad)
    for (const { block, message, isLoaded } of this.#medium.unreported.splice(0))
      this.#noteOne(message, now, { block, isOfContents: !isLoaded })
  }

  #noteOne(what: string, now: number, bad: BadPlace | undefined): void {
    this.lastDamage = what
    if (!this.#places.add(what, bad)) return
    const record = (superblock: Superblock): void => this.#record(superblock, what, now)
    if (this.#marked) this.#superblock.write(record)
    else this.#superblock.use(record)
    if (!this.#marked && this.#isReadOnly) this.#unrecorded.push({ what, now })
    this.onDamage(what, bad)
    if (this.#places.isFull)
      this.onDamage(`in ${mostDamagedPlaces} places so far; further ones are counted, and not told`, bad)
  }

  /** Blocks of the medium that are known to be bad by now. */
  get badBlocks(): readonly BlockRun[] {
    return this.#bad.runs
  }

  /** Places where damage was met since the volume was opened, as far as they are told. */
  get damagedPlaces(): readonly string[] {
    return this.#places.all
  }

  #record(superblock: Superblock, what: string, now: number): void {
    recordDamage(superblock, what, now)
    this.#countDamage(superblock)
  }

  #countDamage(superblock: Superblock): void {
    recordDamageCount(superblock, this.#damageBefore + this.state.damageMet)
  }
}

/** @param found bad blocks that reading has met @throws VolumeError as readSuperblock does, with what is bad */
function readDespiteBadBlocks(medium: Medium, found: BadBlocks): SuperblockReading {
  try {
    const reading = readSuperblock(medium)
    // All of them, as what is found to be bad later ends the mount.
    wordsOfBlock(medium, rootsBlock)
    medium.noteBadBlocks()
    return reading
  } catch (error) {
    medium.noteBadBlocks()
    throw withBadBlocks(error, found.runs, medium)
  }
}

/** @throws VolumeError where there is no root directory to serve */
function verify(engine: Engine, medium: Medium): void {
  despiteBadBlocks(medium, () => {
    try {
      engine.verify()
    } catch (error) {
      throw hearOfBadBlocks(medium) ?? error
    }
  })
}
