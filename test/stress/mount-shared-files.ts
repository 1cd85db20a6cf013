// SPDX-License-Identifier: GPL-2.0-only
/**
 * The calls of one client on the files that all share. A direct write is one request, which the server does whole; the
 * page cache promises no more than that bytes which others are just writing settle, so what looks wrong in it is read
 * again.
 */
import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import type { Random } from '../support/random.js'
import { atomBytes, fillAtoms, firstForeign } from './atoms.js'
import type { Board } from './board.js'
import { checkCells, checkCut } from './checks.js'
import { type MountClientSetting, appended, cells, cellsId, cutId, cuts, recordOf } from './mount-plan.js'
import { cellCount, cellStarts, cutAtoms, mostCellAtoms } from './shared-files-plan.js'

const { O_APPEND, O_DIRECT, O_RDWR, O_WRONLY } = constants
const mostCutWriteAtoms = 600
const mostReadings = 50

export class MountSharedFiles {
  readonly #board: Board
  readonly #random: Random
  readonly #setting: MountClientSetting
  readonly #words = new Int32Array(2 * 2 * mostCellAtoms + 2 * cutAtoms)
  readonly #bytes = new Uint8Array(this.#words.buffer)
  readonly #floors = new Int32Array(cutAtoms)
  readonly #acknowledged = new Int32Array(cellCount)
  readonly #direct = openSync(cells, O_RDWR | O_DIRECT)
  readonly #cached = openSync(cells, O_RDWR)
  readonly #append = openSync(appended, O_WRONLY | O_APPEND)

  constructor(board: Board, random: Random, setting: MountClientSetting) {
    this.#board = board
    this.#random = random
    this.#setting = setting
  }

  step(): void {
    const choice = this.#random.below(24)
    if (choice < 6) this.#writeCell()
    else if (choice < 11) this.#readCells()
    else if (choice < 12) this.#readCellsCached()
    else if (choice < 16) this.#writeCut()
    else if (choice < 20) this.#readCut()
    else if (choice < 22) this.#cut()
    // A full device takes a part of a record, after which nobody could tell where the next one begins.
    else if (!this.#setting.fill) this.#appendRecord()
  }

  #writeCell(): void {
    const { client, clients } = this.#setting
    const mine = Math.ceil((cellCount - client) / clients)
    const cell = client + this.#random.below(mine) * clients
    const first = cellStarts[cell]!
    const count = cellStarts[cell + 1]! - first
    const sequence = this.#write(this.#direct, cellsId, first, count)
    if (sequence === 0) throw new Error(`cell ${cell}, which is there, was not written whole`)
    this.#board.acknowledge(cell, sequence)
  }

  /** @returns the write's number, 0 where a full device did not take all of it */
  #write(fd: number, id: number, first: number, count: number): number {
    const { client } = this.#setting
    const length = count * atomBytes
    const sequence = this.#board.beginWrite(client)
    fillAtoms(this.#words, 0, id, first, count, sequence)
    const written = this.#unlessFull(() => writeSync(fd, this.#bytes, 0, length, first * atomBytes))
    this.#board.endWrite(client)
    return written === length ? sequence : 0
  }

  #readCells(): void {
    const { from, count } = this.#choose(cellStarts[cellCount]!, 2 * mostCellAtoms)
    for (let cell = 0; cell < cellCount; cell++) this.#acknowledged[cell] = this.#board.acknowledged(cell)
    const read = readSync(this.#direct, this.#bytes, 0, count * atomBytes, from * atomBytes)
    if (read !== count * atomBytes)
      throw new Error(`${read} bytes of ${count} atoms from ${from} on were read`)
    checkCells(this.#words, cellsId, from, count, (cell) => this.#acknowledged[cell]!)
  }

  #readCellsCached(): void {
    const { from, count } = this.#choose(cellStarts[cellCount]!, mostCellAtoms)
    this.#untilSettled(() => {
      const read = readSync(this.#cached, this.#bytes, 0, count * atomBytes, from * atomBytes)
      // When the server is killed, what the page cache still has of it is all that is read.
      const foreign = firstForeign(this.#words, cellsId, from, Math.floor(read / atomBytes))
      return foreign < 0 ? null : `atom ${foreign} of the cells is not of that file and place`
    })
  }

  #choose(end: number, most: number): { from: number; count: number } {
    const from = this.#random.below(end)
    return { from, count: 1 + this.#random.below(Math.min(end - from, this.#random.of([60, 600, most]))) }
  }

  #withCut<Result>(use: (fd: number, which: number) => Result): Result {
    const which = this.#random.below(cuts.length)
    const fd = openSync(cuts[which]!, O_RDWR | (this.#random.below(2) === 0 ? O_DIRECT : 0))
    try {
      return use(fd, which)
    } finally {
      closeSync(fd)
    }
  }

  #writeCut(): void {
    const { from, count } = this.#choose(cutAtoms, mostCutWriteAtoms)
    this.#withCut((fd, which) => this.#write(fd, cutId(which), from, count))
  }

  #readCut(): void {
    const { from, count } = this.#choose(cutAtoms, 2 * mostCutWriteAtoms)
    this.#withCut((fd, which) => {
      this.#board.copyFloors(which, from, count, this.#floors)
      this.#untilSettled(() => {
        const read = readSync(fd, this.#bytes, 0, count * atomBytes, from * atomBytes)
        return checkCut(this.#words, cutId(which), from, Math.floor(read / atomBytes), this.#floors)
      })
    })
  }

  #cut(): void {
    const atom = this.#random.below(cutAtoms + 1)
    this.#withCut((fd, which) => {
      const ended = this.#board.lowestUnderWay()
      ftruncateSync(fd, atom * atomBytes)
      this.#board.raiseFloors(which, atom, ended)
    })
  }

  #appendRecord(): void {
    const { client } = this.#setting
    const n = this.#board.appended(client) + 1
    const { id, sequence, atoms } = recordOf(client, n)
    fillAtoms(this.#words, 0, id, 0, atoms, sequence)
    const length = atoms * atomBytes
    const written = writeSync(this.#append, this.#bytes, 0, length)
    if (written < length) {
      // The kernel sends what does not begin on a page in parts. One part fails when the server has gone, and then so
      // does this.
      writeSync(this.#append, this.#bytes, written, length - written)
      throw new Error(`of a record of ${length} bytes ${written} were appended`)
    }
    this.#board.noteAppended(client, n)
  }

  #unlessFull(write: () => number): number {
    try {
      return write()
    } catch (error) {
      if (this.#setting.fill && error instanceof Error && 'code' in error && error.code === 'ENOSPC') return 0
      throw error
    }
  }

  /** @param look gives what is wrong, null for nothing */
  #untilSettled(look: () => string | null): void {
    let problem = look()
    for (let n = 0; n < mostReadings && problem !== null; n++) problem = look()
    if (problem !== null) throw new Error(problem)
  }
}
