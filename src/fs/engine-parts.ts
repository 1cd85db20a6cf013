// SPDX-License-Identifier: GPL-2.0-only
/** The parts of an engine. Each worker and thread has its own, on a medium and a state that all of them share. */
import type { Medium } from '../pmem/medium.js'
import { Acls } from './acls.js'
import { Allocator } from './allocator.js'
import { BadBlocks } from './bad-blocks.js'
import { listenForBadBlocks } from './bad-metadata.js'
import { BlockMap } from './block-map.js'
import { CallEnd } from './call-end.js'
import { CheckedLocks } from './checked-locks.js'
import { CheckedTransaction } from './checked-transaction.js'
import { Clock } from './clock.js'
import { ContentChange } from './content-change.js'
import { CopyOnWrite } from './copy-on-write.js'
import { type DamageListener, DamageNotes } from './damage.js'
import { DataArea } from './data-area.js'
import { Directory } from './directory.js'
import type { EngineSetting } from './engine-setting.js'
import { File } from './file.js'
import { FreeInodes } from './free-inodes.js'
import { totalBlocks } from './geometry.js'
import { InPlace } from './in-place.js'
import { InodeTable } from './inode-table.js'
import { KnownDamage } from './known-damage.js'
import { Locks } from './locks.js'
import { Turns } from './long-call.js'
import { MapFill } from './map-fill.js'
import { NameHash } from './name-hash.js'
import { OpenSuperblock } from './open-superblock.js'
import { Orphans } from './orphans.js'
import { Punch } from './punch.js'
import { ReadOnlyMedium } from './read-only-medium.js'
import { Reclaim } from './reclaim.js'
import type { SharedState } from './shared-state.js'
import { Space } from './space.js'
import { TableBlocks } from './table-blocks.js'
import { Tail } from './tail.js'
import { Transaction } from './transaction.js'
import { XattrStore } from './xattr-store.js'

export class EngineParts {
  readonly medium: Medium
  readonly state: SharedState
  readonly setting: EngineSetting
  /** What of the medium cannot be read. */
  readonly bad: BadBlocks
  readonly area: DataArea
  readonly map: BlockMap
  readonly clock = new Clock()
  readonly notes = new DamageNotes()
  readonly turns = new Turns()
  readonly space: Space
  readonly locks: Locks
  readonly allocator: Allocator
  readonly tx: Transaction
  readonly end: CallEnd
  readonly superblock: OpenSuperblock
  readonly damage: KnownDamage
  readonly table: InodeTable
  readonly free: FreeInodes
  readonly orphans: Orphans
  readonly directory: Directory
  readonly tail: Tail
  readonly xattrs: XattrStore
  readonly acls: Acls
  readonly change: ContentChange
  readonly punch: Punch
  readonly file: File
  readonly fill: MapFill
  readonly reclaim: Reclaim

  /** @param worker from 0 @param onDamage hears of all damage that calls meet, whatever they return */
  constructor(
    whole: Medium,
    state: SharedState,
    setting: EngineSetting,
    worker: number,
    onDamage: DamageListener,
  ) {
    const { geometry } = setting
    const { clock, notes } = this
    const medium = setting.isReadOnly ? new ReadOnlyMedium(whole) : whole
    const bad = new BadBlocks(state.words)
    listenForBadBlocks(whole, bad, geometry, setting.isReadOnly)
    const area = new DataArea(geometry, bad, whole)
    const map = new BlockMap(medium, area)
    const locks = setting.isChecked ? new CheckedLocks(state, worker) : new Locks(state, worker)
    const allocator = new Allocator(medium, state, locks, geometry, setting.localSegments[worker])
    const Log = setting.isChecked ? CheckedTransaction : Transaction
    const tx = new Log(medium, allocator, geometry, worker, bad)
    this.medium = medium
    this.state = state
    this.setting = setting
    this.bad = bad
    this.area = area
    this.map = map
    this.locks = locks
    this.allocator = allocator
    this.tx = tx
    this.end = new CallEnd(whole, state, locks, tx, notes, onDamage)
    this.superblock = new OpenSuperblock(medium, state, locks)
    this.damage = new KnownDamage(state, this.superblock)
    this.space = new Space(state)
    this.table = new InodeTable(medium, map, state)
    const tableBlocks = new TableBlocks(medium, map, this.table, state, totalBlocks(geometry), notes)
    this.free = new FreeInodes(medium, this.table, tableBlocks, notes)
    this.orphans = new Orphans(medium, this.table, notes)
    this.directory = new Directory(medium, area, new NameHash(setting.hashKey0, setting.hashKey1))
    this.tail = new Tail(tx, map)
    this.xattrs = new XattrStore(medium, area, allocator)
    this.acls = new Acls(tx, clock, this.xattrs, state.memory, state.scratchOf(worker), setting.hasAcls)
    this.change = new ContentChange(medium, map, tx, clock, this.tail, this.xattrs)
    this.punch = new Punch(this.change, this.tail, this.space)
    const overwriting =
      setting.data === 'cow'
        ? new CopyOnWrite(medium, map, allocator, tx)
        : new InPlace(medium, map, this.change)
    this.file = new File(medium, map, allocator, tx, this.change, this.punch, overwriting)
    this.fill = new MapFill(medium, area, map, allocator)
    this.reclaim = new Reclaim(
      medium,
      tx,
      this.tail,
      this.directory,
      this.free,
      this.orphans,
      this.xattrs,
      notes,
    )
  }
}
