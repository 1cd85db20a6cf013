// SPDX-License-Identifier: GPL-2.0-only
/**
 * Random calls of one thread on names and files that all threads share: whatever the others do, each call ends in one
 * of the ways that it may, what the thread refers to stays what it was, and every byte read belongs where it was read.
 */
import { inode as layout } from '../../layout/inode.js'
import { KILL_PRIVILEGES, SET_MODE, SET_UID } from '../../src/fs/attributes.js'
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  ESTALE,
  EXDEV,
} from '../../src/fs/errno.js'
import type { Name } from '../../src/fs/name.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../src/fs/rename.js'
import { TrimRange } from '../../src/fs/trim.js'
import type { Random } from '../support/random.js'
import { atomBytes, fileIdOf, fillAtoms, firstForeign } from './atoms.js'
import type { Board } from './board.js'
import { type EngineClient } from './engine-client.js'
import { EngineExtras, allow } from './engine-extras.js'
import { EngineListing } from './engine-listing.js'

const at = layout.word
const typeMask = 0o170000
const S_IFREG = 0o100000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000
const S_IFIFO = 0o010000
const S_IFCHR = 0o020000
/** Few, so that what loses its last name is often referred to by nobody. */
const mostHeld = 6
const mostNames = 40
const crowd = 400
/** Names that most calls are about, so that threads meet on them. */
const hotNames = 4
const mostWriteBytes = 2 ** 16
const usualFileBytes = 2 ** 19
const fatBytes = 6 * 2 ** 20
/** Blocks that are left to the other kinds of files, unless the device is to get full. */
const reserveBlocks = 12_000

/** Directories in which threads meet, and names that stay in each of them. */
export interface Arena {
  readonly directories: readonly number[]
  readonly permanent: readonly string[]
  /** Let the device get full. */
  readonly fill: boolean
}

/** An inode that the thread refers to. */
interface Held {
  readonly number: number
  readonly generation: number
  readonly type: number
  readonly id: number
}

export class EngineChaos {
  readonly #client: EngineClient
  readonly #board: Board
  readonly #random: Random
  readonly #arena: Arena
  readonly #worker: number
  readonly #listing: EngineListing
  readonly #extras: EngineExtras
  readonly #held: Held[] = []

  constructor(client: EngineClient, board: Board, random: Random, arena: Arena, worker: number) {
    this.#client = client
    this.#board = board
    this.#random = random
    this.#arena = arena
    this.#worker = worker
    this.#listing = new EngineListing(client, random)
    this.#extras = new EngineExtras(client, random)
  }

  step(): void {
    const choice = this.#random.below(100)
    if (choice < 12) this.#lookup()
    else if (choice < 24) this.#create()
    else if (choice < 26) this.#createNameless()
    else if (choice < 30) this.#link()
    else if (choice < 40) this.#unlink()
    else if (choice < 43) this.#rmdir()
    else if (choice < 55) this.#rename()
    else if (choice < 65) this.#write()
    else if (choice < 73) this.#read()
    else if (choice < 77) this.#extra()
    else if (choice < 83) this.#truncate()
    else if (choice < 88) this.#look()
    else if (choice < 90) this.#changeMode()
    else if (choice < 92) this.#list()
    else if (choice < 96) this.#find()
    else if (choice < 97) this.#exchangePermanent()
    else if (choice < 99 && this.#random.below(10) === 0) this.#strain()
    else this.#drop()
  }

  /** What takes long. */
  #strain(): void {
    const choice = this.#random.below(3)
    if (choice === 0) this.#fatten()
    else if (choice === 1) this.#crowd()
    else this.#trim()
  }

  /** Gives all references back. */
  dropAll(): void {
    this.#extras.end()
    while (this.#held.length > 0) this.#drop()
  }

  #directory(): number {
    const directory = this.#random.below(4) === 0 ? this.#anyHeld(S_IFDIR) : null
    return directory?.number ?? this.#arena.directories[this.#random.below(5)] ?? this.#arena.directories[0]!
  }

  #name(): string {
    // Some are long, so that leaves fill up.
    const n = this.#random.below(this.#random.of([hotNames, hotNames, mostNames]))
    return n % 3 === 0 ? `name-${n}`.padEnd(100 + n, '-') : `name-${n}`
  }

  #anyHeld(type: number): Held | null {
    const some = this.#held.filter((held) => held.type === type)
    return some.length === 0 ? null : this.#random.of(some)
  }

  /** Keeps a reference that a call gave. */
  #hold(number: number, type = 0): Held {
    const { engine, attributes } = this.#client
    const error = engine.getattr(number, attributes)
    if (error !== 0) throw new Error(`getattr of inode ${number}, which is referred to, gave ${error}`)
    const generation = attributes[at.generation]!
    const found = attributes[at.mode]! & typeMask
    if (type !== 0 && found !== type) throw new Error(`inode ${number} is of type ${found}, not ${type}`)
    if (this.#held.length === mostHeld) this.#drop()
    const held = { number, generation, type: found, id: fileIdOf(number, generation) }
    this.#held.push(held)
    return held
  }

  #drop(): void {
    if (this.#held.length === 0) return
    const [held] = this.#held.splice(this.#random.below(this.#held.length), 1)
    this.#client.engine.forget(held!.number, 1)
  }

  /** Others need blocks meanwhile, and shall not find less. */
  #trim(): void {
    const { trim } = this.#client.engine
    const range = new TrimRange(0, trim.blockCount, 1 + this.#random.below(20))
    let result = 1
    while (result > 0) result = trim.step(range)
    // Memory alone cannot give anything back; blocks are held all the same.
    allow('trim', result, EOPNOTSUPP)
  }

  #lookup(): void {
    const { engine } = this.#client
    const result = engine.lookup(this.#directory(), this.#client.name(this.#name()))
    if (allow('lookup', result, ENOENT)) this.#hold(result)
  }

  #create(): void {
    const { engine } = this.#client
    const directory = this.#directory()
    const name = this.#client.name(this.#name())
    const type = this.#random.of([S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO])
    let result: number
    if (type === S_IFLNK) {
      const length = 1 + this.#random.below(this.#random.of([30, 40, 4000]))
      this.#client.buffer.bytes.set(Buffer.from(targetOf(length)), 0)
      const made = this.#client.newInode(S_IFLNK | 0o777)
      result = engine.symlink(directory, name, made, this.#client.buffer, 0, length)
    } else {
      result = engine.create(directory, name, this.#client.newInode(type | 0o755))
    }
    if (!allow('create', result, EEXIST, ENOENT, ENOSPC)) return
    const held = this.#hold(result, type)
    if (type === S_IFREG && this.#random.below(2) === 0) this.#writeTo(held)
  }

  #createNameless(): void {
    const made = this.#client.newInode(S_IFREG | 0o600)
    const result = this.#client.engine.createNameless(this.#directory(), made)
    if (allow('createNameless', result, ENOENT, ENOSPC)) this.#writeTo(this.#hold(result, S_IFREG))
  }

  #link(): void {
    const held = this.#held.length === 0 ? null : this.#random.of(this.#held)
    if (held === null) return
    const { engine } = this.#client
    const error = engine.link(held.number, this.#directory(), this.#client.name(this.#name()))
    const linked = allow(
      'link',
      error,
      EEXIST,
      ENOENT,
      ENOSPC,
      EXDEV,
      ...(held.type === S_IFDIR ? [EPERM] : []),
    )
    if (linked) engine.forget(held.number, 1)
  }

  #unlink(): void {
    const error = this.#client.engine.unlink(this.#directory(), this.#client.name(this.#name()))
    allow('unlink', error, ENOENT, EISDIR)
  }

  #rmdir(): void {
    const error = this.#client.engine.rmdir(this.#directory(), this.#client.name(this.#name()))
    allow('rmdir', error, ENOENT, ENOTDIR, ENOTEMPTY)
  }

  #rename(): void {
    const flags = this.#random.of([0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT])
    const [from, to] = [this.#directory(), this.#directory()]
    const [name, newName] = [this.#client.name(this.#name()), this.#client.name(this.#name())]
    const whiteout = this.#client.newInode(S_IFCHR)
    const error = this.#client.engine.rename(from, name, to, newName, flags, whiteout)
    // EXDEV: into a directory that hands down another project.
    allow('rename', error, ENOENT, EXDEV, EEXIST, EINVAL, EISDIR, ENOTDIR, ENOTEMPTY, ENOSPC)
  }

  #exchangePermanent(): void {
    const { directories, permanent } = this.#arena
    const [from, to] = [this.#random.of(directories), this.#random.of(directories)]
    const [name, other] = [this.#random.of(permanent), this.#random.of(permanent)]
    const [oldName, newName] = [this.#client.name(name), this.#client.name(other)]
    const none = this.#client.newInode(0)
    const error = this.#client.engine.rename(from, oldName, to, newName, RENAME_EXCHANGE, none)
    allow('exchange', error, EXDEV)
  }

  #write(): void {
    const held = this.#anyHeld(S_IFREG)
    if (held !== null) this.#writeTo(held)
  }

  #writeTo(held: Held): void {
    const count = 1 + this.#random.below(this.#random.of([32, 4096, 4096, mostWriteBytes]) / atomBytes)
    this.#writeAtoms(held, this.#atom(), count)
  }

  /** Where a read or write begins: mostly near the start, seldom so far out that the tree grows tall. */
  #atom(): number {
    const near = this.#random.below(usualFileBytes / atomBytes)
    return this.#random.below(20) === 0 ? near + this.#random.of([2 ** 22, 2 ** 31, 2 ** 40]) : near
  }

  /** @returns whether there was space */
  #writeAtoms(held: Held, first: number, count: number): boolean {
    if (!this.#hasSpace()) return false
    const sequence = this.#board.beginWrite(this.#worker)
    fillAtoms(this.#client.buffer.words, 0, held.id, first, count, sequence)
    const length = count * atomBytes
    const written = this.#client.write(held.number, first * atomBytes, length, 0, this.#random.below(8) === 0)
    this.#board.endWrite(this.#worker)
    return allow('write', written, ENOSPC) && written === length
  }

  #read(): void {
    const held = this.#held.length === 0 ? null : this.#random.of(this.#held)
    if (held === null) return
    const { engine, words } = this.#client
    if (held.type === S_IFLNK) {
      const length = this.#client.readlink(held.number)
      if (length <= 0 || this.#client.text(length) !== targetOf(length))
        throw new Error(`the target of inode ${held.number} is not its own`)
    }
    if (held.type !== S_IFREG) return
    const first = this.#atom()
    const most = this.#random.of([100, 4096, mostWriteBytes])
    const read = this.#client.read(held.number, first * atomBytes, 1 + this.#random.below(most))
    if (read < 0) throw new Error(`reading inode ${held.number} gave ${read}`)
    const foreign = firstForeign(words, held.id, first, Math.floor(read / atomBytes))
    if (foreign < 0) return
    const error = engine.getattr(held.number, this.#client.attributes)
    throw new Error(
      `atom ${foreign} of inode ${held.number} is not of that file and place (getattr ${error})`,
    )
  }

  #truncate(): void {
    const held = this.#anyHeld(S_IFREG)
    if (held === null) return
    const error = this.#client.truncate(held.number, this.#atom() * atomBytes)
    allow('truncate', error)
  }

  #extra(): void {
    const held = this.#held.length === 0 ? null : this.#random.of(this.#held)
    if (held === null) return
    if (held.type !== S_IFREG || this.#random.below(2) === 0) this.#extras.onAny(held, held.type === S_IFDIR)
    else if (this.#hasSpace()) this.#extras.onFile(held, this.#atom(), this.#arena.directories[0]!)
  }

  /** Whether other kinds of files keep enough. */
  #hasSpace(): boolean {
    return this.#arena.fill || this.#client.freeBlocks >= reserveBlocks
  }

  /** What is referred to stays the same inode. */
  #look(): void {
    const held = this.#held.length === 0 ? null : this.#random.of(this.#held)
    if (held === null) return
    const { engine, attributes } = this.#client
    const error = engine.getattr(held.number, attributes)
    if (error !== 0) throw new Error(`getattr of inode ${held.number}, which is referred to, gave ${error}`)
    if (attributes[at.generation] !== held.generation || (attributes[at.mode]! & typeMask) !== held.type)
      throw new Error(`inode ${held.number} has become another, although it is referred to`)
    if (held.type !== S_IFDIR) return
    const parent = engine.parentOf(held.number)
    if (allow('parentOf', parent, ESTALE)) this.#hold(parent, S_IFDIR)
  }

  #changeMode(): void {
    const held = this.#held.length === 0 ? null : this.#random.of(this.#held)
    if (held === null) return
    const change = this.#client.change(this.#random.of([SET_MODE, SET_MODE | SET_UID, KILL_PRIVILEGES]))
    change.mode = 0o4755
    change.uid = this.#random.below(1000)
    allow('setattr', this.#client.engine.setattr(held.number, change))
  }

  #list(): void {
    const directory = this.#random.of(this.#arena.directories)
    this.#listing.list(directory, this.#arena.permanent)
    const held = this.#anyHeld(S_IFDIR)
    if (held !== null && this.#random.below(2) === 0) this.#listing.list(held.number, [])
  }

  /** By number alone, as NFS does: any inode that there is, and it is a whole one. */
  #find(): void {
    const { engine, attributes } = this.#client
    const number = 1 + this.#random.below(1500)
    const result = engine.find(number)
    if (!allow('find', result, ESTALE)) return
    const error = engine.getattr(number, attributes)
    if (error !== 0) throw new Error(`getattr of inode ${number}, which was found, gave ${error}`)
    const generation = attributes[at.generation]!
    const mode = attributes[at.mode]!
    if (engine.getattr(number, attributes) !== 0 || attributes[at.generation] !== generation)
      throw new Error(`inode ${number} has become another, although it was found`)
    if ((mode & typeMask) !== (attributes[at.mode]! & typeMask))
      throw new Error(`inode ${number} has changed its type`)
    engine.forget(number, 1)
  }

  /** So many names of its own at a time that leaves of an arena split, and are compacted later on. */
  #crowd(): void {
    const { engine } = this.#client
    const directory = this.#random.of(this.#arena.directories)
    const count = 1 + this.#random.below(crowd)
    const name = (n: number): Name => this.#client.name(`crowd-${this.#worker}-${n}`)
    let made = 0
    for (; made < count && !this.#board.stopped; made++) {
      const number = engine.create(directory, name(made), this.#client.newInode(S_IFREG | 0o600))
      if (!allow('create', number, ENOSPC, EEXIST)) break
      engine.forget(number, 1)
    }
    for (let n = 0; n < made; n++) allow('unlink', engine.unlink(directory, name(n)), ENOENT)
  }

  /** A file with more blocks than one transaction frees. */
  #fatten(): void {
    const held = this.#anyHeld(S_IFREG)
    if (held === null) return
    const step = mostWriteBytes / atomBytes
    for (let first = 0; first < fatBytes / atomBytes && !this.#board.stopped; first += step) {
      if (!this.#writeAtoms(held, first, step)) break
    }
    allow('truncate', this.#client.truncate(held.number, this.#random.below(2) * this.#atom() * atomBytes))
  }
}

/** The text of every symbolic link of this length. */
export function targetOf(length: number): string {
  let target = targets.get(length)
  if (target === undefined) targets.set(length, (target = makeTarget(length)))
  return target
}

const targets = new Map<number, string>()

function makeTarget(length: number): string {
  return Array.from({ length }, (_, n) => String.fromCharCode(97 + ((length * 7 + n * 13) % 26))).join('')
}
