// SPDX-License-Identifier: GPL-2.0-only
/**
 * Random calls of one client on names and files that all clients share, with some files kept open whatever becomes of
 * their names. Each call ends in one of the ways that it may, and every byte read belongs where it was read.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../support/random.js'
import { atomBytes, fillAtoms, firstForeign } from './atoms.js'
import type { Board } from './board.js'
import { type MountClientSetting, arenas, fileIdOfStat, permanent } from './mount-plan.js'

const { O_CREAT, O_DIRECT, O_EXCL, O_RDWR } = constants
/** open(2) of Linux; Node has no name for it. */
const O_TMPFILE = 0o20200000
const mostHeld = 8
const mostNames = 30
const crowd = 200
const hotNames = 4
const mostAtoms = 8192
const usualFileAtoms = 2 ** 16
const mostReadings = 50

interface Held {
  readonly fd: number
  readonly id: number
}

export class MountChaos {
  readonly #board: Board
  readonly #random: Random
  readonly #client: number
  readonly #fill: boolean
  readonly #held: Held[] = []
  readonly #words = new Int32Array(2 * mostAtoms)
  readonly #bytes = new Uint8Array(this.#words.buffer)

  constructor(board: Board, random: Random, setting: MountClientSetting) {
    this.#board = board
    this.#random = random
    this.#client = setting.client
    this.#fill = setting.fill
  }

  step(): void {
    const choice = this.#random.below(100)
    if (choice < 14) this.#open(O_RDWR)
    else if (choice < 26) this.#open(O_RDWR | O_CREAT | (this.#random.below(2) === 0 ? O_EXCL : 0))
    else if (choice < 28) this.#openNameless()
    else if (choice < 32) this.#mkdir()
    else if (choice < 36) this.#symlink()
    else if (choice < 44) allow(() => unlinkSync(this.#path()), 'ENOENT', 'ENOTDIR', 'EISDIR', 'EPERM')
    else if (choice < 47) allow(() => rmdirSync(this.#path()), 'ENOENT', 'ENOTDIR', 'ENOTEMPTY')
    else if (choice < 56) this.#rename()
    else if (choice < 60) this.#link()
    else if (choice < 63) allow(() => lstatSync(this.#path()), 'ENOENT', 'ENOTDIR')
    else if (choice < 73) this.#write()
    else if (choice < 86) this.#read()
    else if (choice < 91) this.#truncate()
    else if (choice < 93) this.#list()
    else if (choice < 94) this.#changeMode()
    else if (choice < 95 && this.#random.below(20) === 0) this.#crowd()
    else this.#close()
  }

  dropAll(): void {
    while (this.#held.length > 0) this.#close()
  }

  #name(): string {
    return `name-${this.#random.below(this.#random.of([hotNames, hotNames, mostNames]))}`
  }

  /** In an arena, or in a directory there that may be none. */
  #path(): string {
    const arena = arenas[this.#random.below(5)] ?? arenas[0]
    return this.#random.below(4) === 0 ? join(arena, this.#name(), this.#name()) : join(arena, this.#name())
  }

  #open(flags: number): void {
    const direct = this.#random.below(3) === 0 ? O_DIRECT : 0
    const fd = this.#try(
      () => openSync(this.#path(), flags | direct, 0o644),
      'ENOENT',
      'ENOTDIR',
      'EISDIR',
      'EEXIST',
      'ELOOP',
      'EXDEV',
      // A whiteout.
      'ENXIO',
    )
    if (fd !== null) this.#hold(fd)
  }

  #openNameless(): void {
    const fd = this.#try(() => openSync(this.#random.of(arenas), O_RDWR | O_TMPFILE, 0o600))
    if (fd !== null) this.#hold(fd)
  }

  #hold(fd: number): void {
    if (this.#held.length === mostHeld) this.#close()
    const stat = fstatSync(fd, { bigint: true })
    if (!stat.isFile()) {
      closeSync(fd)
      return
    }
    this.#held.push({ fd, id: fileIdOfStat(stat) })
    if (this.#random.below(2) === 0) this.#write()
  }

  #close(): void {
    if (this.#held.length === 0) return
    const [held] = this.#held.splice(this.#random.below(this.#held.length), 1)
    closeSync(held!.fd)
  }

  #mkdir(): void {
    this.#try(() => mkdirSync(this.#path()), 'ENOENT', 'ENOTDIR', 'EEXIST')
  }

  #symlink(): void {
    const path = this.#path()
    // Leads nowhere, so that no other call follows it.
    const target = `nowhere/${'x'.repeat(this.#random.below(this.#random.of([20, 60, 2000])))}`
    this.#try(() => symlinkSync(target, path), 'ENOENT', 'ENOTDIR', 'EEXIST')
    const found = this.#try(() => readlinkSync(path), 'ENOENT', 'ENOTDIR', 'EINVAL')
    if (found !== null && !/^nowhere\/x*$/.test(found)) throw new Error(`${path} leads to ${found}`)
  }

  #rename(): void {
    this.#try(
      () => renameSync(this.#path(), this.#path()),
      'ENOENT',
      'ENOTDIR',
      'EISDIR',
      'ENOTEMPTY',
      'EEXIST',
      'EINVAL',
    )
  }

  #link(): void {
    this.#try(() => linkSync(this.#path(), this.#path()), 'ENOENT', 'ENOTDIR', 'EEXIST', 'EPERM')
  }

  #write(): void {
    if (this.#held.length === 0) return
    const { fd, id } = this.#random.of(this.#held)
    const first = this.#random.below(usualFileAtoms)
    const count = 1 + this.#random.below(this.#random.of([4, 512, mostAtoms]))
    const sequence = this.#board.beginWrite(this.#client)
    fillAtoms(this.#words, 0, id, first, count, sequence)
    this.#try(() => writeSync(fd, this.#bytes, 0, count * atomBytes, first * atomBytes))
    this.#board.endWrite(this.#client)
  }

  #read(): void {
    if (this.#held.length === 0) return
    const { fd, id } = this.#random.of(this.#held)
    const first = this.#random.below(usualFileAtoms)
    const count = 1 + this.#random.below(this.#random.of([4, 512, mostAtoms]))
    let foreign = 0
    // Bytes that another client is just writing settle in the page cache.
    for (let n = 0; n < mostReadings && foreign >= 0; n++) {
      const read = readSync(fd, this.#bytes, 0, count * atomBytes, first * atomBytes)
      foreign = firstForeign(this.#words, id, first, Math.floor(read / atomBytes))
    }
    if (foreign < 0) return
    const { ino, nlink } = fstatSync(fd)
    throw new Error(`atom ${foreign} of inode ${ino} (${nlink} names) is not of that file and place`)
  }

  #truncate(): void {
    if (this.#held.length === 0) return
    ftruncateSync(this.#random.of(this.#held).fd, this.#random.below(usualFileAtoms) * atomBytes)
  }

  #changeMode(): void {
    if (this.#held.length > 0) fchmodSync(this.#random.of(this.#held).fd, 0o4755)
  }

  /** So many names of its own at a time that leaves of an arena split, and are compacted later on. */
  #crowd(): void {
    const arena = this.#random.of(arenas)
    const count = 1 + this.#random.below(crowd)
    const path = (n: number): string => join(arena, `crowd-${this.#client}-${n}`)
    let made = 0
    for (; made < count && !this.#board.stopped; made++) {
      if (this.#try(() => mkdirSync(path(made)), 'EEXIST') === null) break
    }
    for (let n = 0; n < made; n++) rmdirSync(path(n))
  }

  /** What is there throughout is told exactly once, and nothing twice. */
  #list(): void {
    const arena = this.#random.of(arenas)
    const names = readdirSync(arena)
    const seen = new Set(names)
    if (seen.size < names.length) {
      const twice = names.find((name, n) => names.indexOf(name) < n)
      throw new Error(`readdir of ${arena} told ${twice} twice`)
    }
    const missing = permanent.find((name) => !seen.has(name))
    if (missing !== undefined) throw new Error(`readdir of ${arena} did not tell ${missing}`)
  }

  /** @returns null where the call failed in one of these ways, or for want of space on a device that is to get full */
  #try<Result>(call: () => Result, ...codes: readonly string[]): Result | null {
    return allow(call, ...codes, ...(this.#fill ? ['ENOSPC'] : []))
  }
}

function allow<Result>(call: () => Result, ...codes: readonly string[]): Result | null {
  try {
    return call()
  } catch (error) {
    if (error instanceof Error && 'code' in error && codes.includes(String(error.code))) return null
    throw error
  }
}
