// SPDX-License-Identifier: GPL-2.0-only
/**
 * A round of threads over one volume in memory. It ends in order, or as a killed server does: every thread is ended
 * where it happens to be, with locks held and transactions in flight, and the volume is opened anew.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { judge } from '../support/load-model.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { Random } from '../support/random.js'
import { atomBytes, fileIdOf, fillAtoms, firstForeign } from './atoms.js'
import { Board } from './board.js'
import { checkCells, checkCut } from './checks.js'
import { type Arena, targetOf } from './engine-chaos.js'
import { readWhole } from './engine-private-files.js'
import type { SharedFile, SharedFiles } from './engine-shared-files.js'
import { EngineVolume } from './engine-volume.js'
import type { EngineWorkerSetting } from './engine-worker.js'
import { privateJournal } from './private-journal.js'
import { cellCount, cellStarts, cutAtoms, cutFiles } from './shared-files-plan.js'
import type { RoundResult } from './stress-options.js'

const root = 1
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000
const typeMask = 0o170000
const arenaDirectories = 3
const permanentNames = Array.from({ length: 60 }, (_, n) => `permanent-${n}`.padEnd(20 + n, '.'))
const readBytes = 2 ** 20
const wakeEveryMs = 20
const ballastStepBytes = 2 ** 15
const spaceOfFullBlocks = 150

export interface RoundPlan {
  readonly seed: number
  readonly workers: number
  readonly durationMs: number
  readonly end: 'order' | 'kill'
  readonly jittery: boolean
  /** How writes change blocks that a file has. */
  readonly data: DataMode
  /** Let the device get full: calls may then fail for want of space. */
  readonly fill: boolean
  /** Of the volume. */
  readonly devices: number
}

/** A volume with the places where threads meet, for one round after the other. */
export class EngineStress {
  readonly #volume: EngineVolume
  readonly #arena: Omit<Arena, 'fill'>
  #round = 0

  /** @param deviceBlocks of the volume */
  constructor(deviceBlocks: readonly number[], seed: number) {
    this.#volume = new EngineVolume(deviceBlocks, new Random(seed))
    const directories = Array.from({ length: arenaDirectories }, (_, n) =>
      this.#make(root, `arena-${n}`, S_IFDIR),
    )
    for (const directory of directories) {
      for (const name of permanentNames) this.#make(directory, name, S_IFREG)
    }
    this.#arena = { directories, permanent: permanentNames }
  }

  release(): void {
    this.#volume.release()
  }

  async round(plan: RoundPlan): Promise<RoundResult> {
    const round = this.#round++
    const memory = Board.memory()
    const board = new Board(new Int32Array(memory))
    const shared = this.#makeShared(round)
    // A write that finds no space is cut short, and a cell would be torn; one that is there is not.
    if (plan.fill) {
      this.#fillCells(board, shared.cells)
      this.#loadBallast(round)
    }
    const homes = Array.from({ length: plan.workers }, (_, worker) =>
      this.#make(root, `round-${round}-worker-${worker}`, S_IFDIR),
    )
    const settings = homes.map((home, worker) => this.#setting(plan, memory, shared, home, worker))
    const problems = await this.#run(plan, board, settings)
    if (problems.length > 0) return { calls: board.calls, problems }
    if (plan.end === 'order') problems.push(...this.#volume.residue())
    else this.#volume.reopen(false)
    problems.push(...this.#volume.check())
    if (problems.length === 0) {
      problems.push(
        ...this.#problem(() => this.#checkShared(board, shared, plan.end === 'order' || plan.data === 'cow')),
        ...settings.flatMap((setting) => this.#problem(() => this.#checkPrivate(board, setting))),
        ...this.#problem(() => this.#checkTree(root)),
      )
    }
    if (problems.length === 0 && plan.seed % 2 === 0) this.#volume.reopen(true)
    this.#clear(round, homes)
    if (plan.fill) for (const directory of this.#arena.directories) this.#empty(directory, permanentNames)
    return { calls: board.calls, problems }
  }

  #setting(
    plan: RoundPlan,
    board: SharedArrayBuffer,
    shared: SharedFiles,
    home: number,
    worker: number,
  ): EngineWorkerSetting {
    const { volume, description, buffers } = this.#volume
    return {
      worker,
      workers: plan.workers,
      seed: plan.seed + 1000 * worker,
      privateSeed: plan.seed + 1000 * worker + 500,
      jittery: plan.jittery,
      medium: description,
      state: volume.state.description,
      engine: { ...volume.setting, data: plan.data },
      board,
      buffer: buffers[worker]!.mapping,
      arena: { ...this.#arena, fill: plan.fill },
      shared,
      privateDirectory: home,
    }
  }

  /** Lets the threads work. @returns what they failed by */
  async #run(plan: RoundPlan, board: Board, settings: readonly EngineWorkerSetting[]): Promise<string[]> {
    const problems: string[] = []
    const threads = settings.map(
      (workerData) =>
        new Worker(new URL('./engine-worker.js', import.meta.url), { workerData, execArgv: [] }),
    )
    const ended = threads.map(async (thread, worker) => {
      thread.on('error', (error: Error) => problems.push(`worker ${worker}: ${error.stack ?? error.message}`))
      await new Promise((resolve) => thread.once('exit', resolve))
    })
    await Promise.race([sleep(plan.durationMs), ...ended])
    if (plan.end === 'order' || problems.length > 0) {
      board.stop()
    } else {
      for (const thread of threads) void thread.terminate()
    }
    // A thread that sleeps on a lock of one that has been ended must wake to see that it has been as well.
    const waking = setInterval(() => this.#volume.wakeSleepers(), wakeEveryMs)
    await Promise.all(ended)
    clearInterval(waking)
    return problems
  }

  #make(directory: number, name: string, type: number): number {
    const { client } = this.#volume
    const number = client.engine.create(directory, client.name(name), client.newInode(type | 0o755))
    if (number < 0) throw new Error(`making ${name} gave ${number}`)
    client.engine.forget(number, 1)
    return number
  }

  #makeShared(round: number): SharedFiles {
    const make = (name: string): SharedFile => {
      const number = this.#make(root, `round-${round}-${name}`, S_IFREG)
      this.#volume.client.engine.getattr(number, this.#volume.client.attributes)
      return { number, id: fileIdOf(number, this.#volume.attributes.generation) }
    }
    return { cells: make('cells'), cut: Array.from({ length: cutFiles }, (_, n) => make(`cut-${n}`)) }
  }

  #fillCells(board: Board, cells: SharedFile): void {
    const { client } = this.#volume
    for (let cell = 0; cell < cellCount; cell++) {
      const first = cellStarts[cell]!
      const count = cellStarts[cell + 1]! - first
      const sequence = board.beginWrite(0)
      fillAtoms(client.buffer.words, 0, cells.id, first, count, sequence)
      const written = client.write(cells.number, first * atomBytes, count * atomBytes)
      board.endWrite(0)
      if (written !== count * atomBytes) throw new Error(`the volume has no room for the cells: ${written}`)
      board.acknowledge(cell, sequence)
    }
  }

  /** Leaves the round so little space that it runs out of it. */
  #loadBallast(round: number): void {
    const { client } = this.#volume
    const number = this.#make(root, `round-${round}-ballast`, S_IFREG)
    for (let offset = 0; ; offset += ballastStepBytes) {
      if (client.freeBlocks < spaceOfFullBlocks) return
      if (client.write(number, offset, ballastStepBytes) < 0) return
    }
  }

  /** @param whole nothing was cut off in the midst of a call */
  #checkShared(board: Board, { cells, cut }: SharedFiles, whole: boolean): void {
    const { client } = this.#volume
    const count = this.#readAll(cells, cellStarts[cellCount]!)
    if (whole) checkCells(client.words, cells.id, 0, count, (cell) => board.acknowledged(cell))
    const foreign = firstForeign(client.words, cells.id, 0, count)
    if (foreign >= 0) throw new Error(`atom ${foreign} of the cells is not of that file and place`)
    const floors = new Int32Array(cutAtoms)
    for (const [n, file] of cut.entries()) {
      board.copyFloors(n, 0, cutAtoms, floors)
      const problem = checkCut(client.words, file.id, 0, this.#readAll(file, cutAtoms), floors)
      if (problem !== null) throw new Error(problem)
    }
  }

  /** @returns the atoms read */
  #readAll(file: SharedFile, atoms: number): number {
    const read = this.#volume.client.read(file.number, 0, atoms * atomBytes)
    if (read < 0) throw new Error(`reading inode ${file.number} gave ${read}`)
    return Math.floor(read / atomBytes)
  }

  #checkPrivate(board: Board, { worker, privateSeed, privateDirectory }: EngineWorkerSetting): void {
    const journal = privateJournal(board, worker, privateSeed)
    const found = new Map(
      this.#entries(privateDirectory).map(({ name }) => [
        name,
        readWhole(this.#volume.client, privateDirectory, name),
      ]),
    )
    const problem = judge(found, journal)
    if (problem !== null) throw new Error(`worker ${worker}'s private files: ${problem}`)
  }

  /** Reads all files in the arena: only they are made of atoms throughout. */
  #checkTree(directory: number): void {
    for (const { name, inode } of this.#entries(directory)) {
      if (directory === root && !name.startsWith('arena-')) continue
      const { client } = this.#volume
      client.engine.getattr(inode, client.attributes)
      const { mode, generation } = this.#volume.attributes
      if ((mode & typeMask) === S_IFDIR) this.#checkTree(inode)
      else if ((mode & typeMask) === S_IFREG) this.#checkFile(inode, fileIdOf(inode, generation), client.size)
      else if ((mode & typeMask) === S_IFLNK) {
        const length = client.readlink(inode)
        if (length <= 0 || client.text(length) !== targetOf(length))
          throw new Error(`the target of inode ${inode} is not its own`)
      }
    }
  }

  #checkFile(number: number, id: number, size: number): void {
    const { client } = this.#volume
    // Files with a far end are holes beyond the first few MiB, and beyond a few places that the rounds read themselves.
    for (let offset = 0; offset < Math.min(size, 8 * readBytes); offset += readBytes) {
      const read = client.read(number, offset, readBytes)
      const foreign = firstForeign(client.words, id, offset / atomBytes, Math.floor(read / atomBytes))
      if (foreign >= 0) throw new Error(`atom ${foreign} of inode ${number} is not of that file and place`)
    }
  }

  #entries(directory: number): { name: string; inode: number }[] {
    const entries: { name: string; inode: number }[] = []
    this.#volume.client.engine.readdir(directory, 0, 0, {
      entry(inode, _type, bytes, start, length) {
        const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
        if (name !== '.' && name !== '..') entries.push({ name, inode })
        return true
      },
    })
    return entries
  }

  /** Takes the round's own files away, so that the volume does not fill up with them. */
  #clear(round: number, homes: readonly number[]): void {
    const { client } = this.#volume
    for (const home of homes) this.#empty(home, [])
    for (const { name } of this.#entries(root)) {
      if (!name.startsWith(`round-${round}-`)) continue
      if (client.engine.unlink(root, client.name(name)) !== 0) client.engine.rmdir(root, client.name(name))
    }
  }

  #empty(directory: number, kept: readonly string[]): void {
    const { engine } = this.#volume.client
    for (const { name, inode } of this.#entries(directory)) {
      if (kept.includes(name)) continue
      const bytes = this.#volume.client.name(name)
      if (engine.unlink(directory, bytes) === 0) continue
      this.#empty(inode, [])
      engine.rmdir(directory, bytes)
    }
  }

  #problem(look: () => void): string[] {
    try {
      look()
      return []
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)]
    }
  }
}
