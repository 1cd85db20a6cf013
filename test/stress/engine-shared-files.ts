// SPDX-License-Identifier: GPL-2.0-only
/** The calls of one thread on the files that all share (shared-files-plan.ts), and what it sees there. */
import type { Random } from '../support/random.js'
import { atomBytes, fillAtoms } from './atoms.js'
import type { Board } from './board.js'
import { checkCells, checkCut } from './checks.js'
import type { EngineClient } from './engine-client.js'
import { cellCount, cellStarts, cutAtoms, mostCellAtoms } from './shared-files-plan.js'

/** An inode with what its atoms are made with. */
export interface SharedFile {
  readonly number: number
  readonly id: number
}

export interface SharedFiles {
  readonly cells: SharedFile
  readonly cut: readonly SharedFile[]
}

const mostCutWriteAtoms = 600

export class EngineSharedFiles {
  readonly #client: EngineClient
  readonly #board: Board
  readonly #random: Random
  readonly #files: SharedFiles
  readonly #worker: number
  readonly #workers: number
  readonly #floors = new Int32Array(cutAtoms)
  readonly #acknowledged = new Int32Array(cellCount)

  constructor(
    client: EngineClient,
    board: Board,
    random: Random,
    files: SharedFiles,
    worker: number,
    workers: number,
  ) {
    this.#client = client
    this.#board = board
    this.#random = random
    this.#files = files
    this.#worker = worker
    this.#workers = workers
  }

  step(): void {
    const choice = this.#random.below(10)
    if (choice < 3) this.#writeCell()
    else if (choice < 6) this.#readCells()
    else if (choice < 8) this.#writeCut()
    else if (choice < 9) this.#readCut()
    else this.#cut()
  }

  #writeCell(): void {
    const mine = Math.ceil((cellCount - this.#worker) / this.#workers)
    const cell = this.#worker + this.#random.below(mine) * this.#workers
    const first = cellStarts[cell]!
    const count = cellStarts[cell + 1]! - first
    const sequence = this.#write(this.#files.cells, first, count)
    if (sequence === 0)
      throw new Error('a cell was not written whole: the volume is too small for this round')
    this.#board.acknowledge(cell, sequence)
  }

  /** @returns the write's number, 0 where not all of it was done */
  #write(file: SharedFile, first: number, count: number): number {
    const sequence = this.#board.beginWrite(this.#worker)
    fillAtoms(this.#client.buffer.words, 0, file.id, first, count, sequence)
    const length = count * atomBytes
    const written = this.#client.write(file.number, first * atomBytes, length)
    this.#board.endWrite(this.#worker)
    if (written !== length && !isFull(written, length)) throw new Error(`a shared write gave ${written}`)
    return written === length ? sequence : 0
  }

  #readCells(): void {
    const { cells } = this.#files
    const end = cellStarts[cellCount]!
    const from = this.#random.below(end)
    const most = this.#random.of([100, 1000, 2 * mostCellAtoms])
    const count = 1 + this.#random.below(Math.min(end - from, most))
    for (let cell = 0; cell < cellCount; cell++) this.#acknowledged[cell] = this.#board.acknowledged(cell)
    const read = this.#client.read(cells.number, from * atomBytes, count * atomBytes)
    if (read < 0) throw new Error(`reading the cells gave ${read}`)
    checkCells(this.#client.words, cells.id, from, read / atomBytes, (cell) => this.#acknowledged[cell]!)
  }

  #writeCut(): void {
    const first = this.#random.below(cutAtoms - 1)
    const count = 1 + this.#random.below(Math.min(cutAtoms - first, mostCutWriteAtoms))
    this.#write(this.#random.of(this.#files.cut), first, count)
  }

  #readCut(): void {
    const which = this.#random.below(this.#files.cut.length)
    const file = this.#files.cut[which]!
    const from = this.#random.below(cutAtoms)
    const count = Math.min(cutAtoms - from, 1 + this.#random.below(2 * mostCutWriteAtoms))
    this.#board.copyFloors(which, from, count, this.#floors)
    const read = this.#client.read(file.number, from * atomBytes, count * atomBytes)
    if (read < 0) throw new Error(`reading a cut file gave ${read}`)
    const problem = checkCut(this.#client.words, file.id, from, read / atomBytes, this.#floors)
    if (problem !== null) throw new Error(problem)
  }

  #cut(): void {
    const which = this.#random.below(this.#files.cut.length)
    const atom = this.#random.below(cutAtoms + 1)
    const ended = this.#board.lowestUnderWay()
    const error = this.#client.truncate(this.#files.cut[which]!.number, atom * atomBytes)
    if (error !== 0) throw new Error(`cutting gave ${error}`)
    this.#board.raiseFloors(which, atom, ended)
  }
}

function isFull(written: number, length: number): boolean {
  const ENOSPC = 28
  return written === -ENOSPC || (written > 0 && written < length)
}
