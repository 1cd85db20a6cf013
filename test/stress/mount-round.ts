// SPDX-License-Identifier: GPL-2.0-only
/**
 * Rounds of client processes on a mount. A round ends in order, or with the server killed or told to end; then fsck,
 * and a look at every byte after the next mount.
 */
import {
  appendFileSync,
  constants,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { judge } from '../support/load-model.js'
import { Random } from '../support/random.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { type TestMount, hasEnded, packageRoot, until } from '../support/test-mount.js'
import { RENAME_EXCHANGE } from '../../src/fs/rename.js'
import { System } from '../support/system.js'
import { atomBytes, fillAtoms, firstForeign, sequenceAt } from './atoms.js'
import { Board } from './board.js'
import { checkCells, checkCut } from './checks.js'
import { remountBothWays, remountInUse } from './mount-remounts.js'
import { privateJournal } from './private-journal.js'
import {
  type MountClientSetting,
  appended,
  appendedId,
  arenas,
  cells,
  cellsId,
  cutId,
  cuts,
  fileIdOfStat,
  home,
  permanent,
  recordOfSequence,
} from './mount-plan.js'
import { cellCount, cellStarts, cutAtoms } from './shared-files-plan.js'

const clientProgram = fileURLToPath(new URL('./mount-client.js', import.meta.url))
const extrasProgram = join(packageRoot, 'test', 'stress', 'mount-extras.py')
const clientLimitMs = 60_000
/** What is looked at of a mapping at a time, and how often before it is wrong for good. */
const mappedAtoms = 300
const mostReadings = 50
const ballast = 'ballast'
const ballastStepBytes = 2 ** 15
const spaceOfFullBlocks = 150

/** The argument for writes that are there as a whole or not at all, also where the server was killed. */
export const copyOnWrite = '-odata=cow'

export interface MountRoundPlan {
  readonly seed: number
  readonly clients: number
  readonly durationMs: number
  readonly end: 'order' | 'SIGKILL' | 'SIGTERM'
  /** Arguments of the mount. */
  readonly arguments: readonly string[]
  readonly fill: boolean
  /** Of the volume. */
  readonly devices: number
}

export class MountStress {
  readonly #mount: TestMount
  #rounds = 0

  constructor(mount: TestMount) {
    this.#mount = mount
  }

  /** @returns calls made, and what went wrong, a sentence each */
  async round(plan: MountRoundPlan): Promise<{ calls: number; problems: string[] }> {
    await this.#mount.mount(...plan.arguments)
    const number = this.#rounds++
    const boardPath = join(this.#mount.folder, `board-${number}`)
    const board = Board.inFile(boardPath)
    if (number === 0) this.#makeArenas()
    this.#makeRound(plan, board)
    const settings = Array.from({ length: plan.clients }, (_, client) => ({
      mountpoint: this.#mount.mountpoint,
      board: boardPath,
      client,
      clients: plan.clients,
      seed: plan.seed + 1000 * client,
      privateSeed: plan.seed + 1000 * client + 500,
      fill: plan.fill,
    }))
    const problems = await this.#run(plan, board, settings)
    problems.push(...(await this.#check()))
    if (problems.length === 0) {
      await this.#mount.mount(...plan.arguments)
      const seen = this.#look(plan, board, settings)
      problems.push(...seen)
      if (seen.length === 0) this.#clearRound(plan)
      await this.#mount.unmount()
      problems.push(...(await this.#check()))
    }
    rmSync(boardPath)
    return { calls: board.calls, problems }
  }

  async #check(): Promise<string[]> {
    const said = await this.#mount.check()
    return said.includes(': clean,') ? [] : [said]
  }

  /** Lets the clients work until the round's end. @returns what they failed by */
  async #run(plan: MountRoundPlan, board: Board, settings: readonly MountClientSetting[]): Promise<string[]> {
    const problems: string[] = []
    const running = settings.map(async (setting) => {
      const args = [...withoutRunner, process.execPath, clientProgram, JSON.stringify(setting)]
      const { end, output } = await finish('env', args, clientLimitMs)
      if (end !== 0) problems.push(`client ${setting.client} ended with ${end}: ${output}`)
    })
    running.push(this.#runExtras(plan, settings[0]!.board, problems))
    const exchanging = this.#exchange(plan, board)
    // Starting a process takes longer than many a round.
    await Promise.race([until(() => Promise.resolve(board.begun(plan.clients))), ...running])
    await Promise.race([sleep(plan.durationMs), ...running])
    const { pid } = await this.#mount.report()
    if (plan.end === 'order' && problems.length === 0) problems.push(...(await remountInUse(this.#mount)))
    if (plan.end === 'order' || problems.length > 0) board.stop()
    else process.kill(pid, plan.end)
    await Promise.all(running)
    board.stop()
    problems.push(...(await exchanging))
    if (plan.end === 'order') {
      // On a full device there may be no space to write into afterwards.
      if (problems.length === 0 && !plan.fill) problems.push(...(await remountBothWays(this.#mount)))
      await this.#mount.unmount()
    }
    if (!(await hasEnded(pid))) problems.push(`the server did not end (${plan.end})`)
    await this.#mount.cutOff()
    return problems
  }

  /** Makes calls that Node has no names for, on what all clients share. */
  async #runExtras({ seed, fill }: MountRoundPlan, board: string, problems: string[]): Promise<void> {
    const args = [extrasProgram, this.#mount.mountpoint, board, String(seed), fill ? 'fill' : 'roomy']
    const { end, output } = await finish('python3', args, clientLimitMs)
    if (end !== 0) problems.push(`mount-extras.py with seed ${seed} ended with ${end}: ${output}`)
  }

  /**
   * Exchanges names that are there throughout, and looks at the cells in a mapping.
   * @returns what was wrong with those
   */
  async #exchange(plan: MountRoundPlan, board: Board): Promise<string[]> {
    const random = new Random(plan.seed)
    const system = await System.start()
    const path = (): string => join(this.#mount.mountpoint, random.of(arenas), random.of(permanent))
    let problem: string | null = null
    try {
      const fd = await system.open(join(this.#mount.mountpoint, cells), constants.O_RDWR)
      const mapping = await system.map(fd, cellStarts[cellCount]! * atomBytes)
      while (!board.stopped && problem === null) {
        await system.rename(path(), path(), RENAME_EXCHANGE)
        const first = random.below(cellStarts[cellCount]! - mappedAtoms)
        for (let n = 0; n === 0 || (problem !== null && n < mostReadings); n++) {
          const read = await system.mapRead(mapping, first * atomBytes, mappedAtoms * atomBytes)
          const foreign = firstForeign(wordsOf(read), cellsId, first, mappedAtoms)
          problem = foreign < 0 ? null : `atom ${foreign} of the mapped cells is not of that file and place`
        }
      }
    } catch (error) {
      // Otherwise the server may have gone.
      if (plan.end === 'order') problem = `exchanging names: ${String(error)}`
    } finally {
      await system.stop()
    }
    return problem === null ? [] : [problem]
  }

  #makeArenas(): void {
    for (const arena of arenas) {
      mkdirSync(join(this.#mount.mountpoint, arena))
      for (const name of permanent) writeFileSync(join(this.#mount.mountpoint, arena, name), '')
    }
  }

  #makeRound({ clients, fill }: MountRoundPlan, board: Board): void {
    const { mountpoint } = this.#mount
    for (let client = 0; client < clients; client++) mkdirSync(join(mountpoint, home(client)))
    for (const name of [...cuts, appended]) writeFileSync(join(mountpoint, name), '')
    const words = new Int32Array(2 * cellStarts[cellCount]!)
    for (let cell = 0; cell < cellCount; cell++) {
      const first = cellStarts[cell]!
      const sequence = board.beginWrite(0)
      fillAtoms(words, 2 * first, cellsId, first, cellStarts[cell + 1]! - first, sequence)
      board.endWrite(0)
      board.acknowledge(cell, sequence)
    }
    writeFileSync(join(mountpoint, cells), words)
    if (fill) this.#loadBallast()
  }

  /** Leaves the round so little space that it runs out of it. */
  #loadBallast(): void {
    const step = Buffer.alloc(ballastStepBytes)
    const path = join(this.#mount.mountpoint, ballast)
    writeFileSync(path, '')
    while (statfsSync(this.#mount.mountpoint).bfree > spaceOfFullBlocks) appendFileSync(path, step)
  }

  #clearRound({ clients, fill }: MountRoundPlan): void {
    if (fill) {
      rmSync(join(this.#mount.mountpoint, ballast))
      for (const arena of arenas) this.#empty(arena)
    }
    const names = [cells, appended, ...cuts, ...Array.from({ length: clients }, (_, client) => home(client))]
    for (const name of names) rmSync(join(this.#mount.mountpoint, name), { recursive: true })
  }

  #empty(arena: string): void {
    const path = join(this.#mount.mountpoint, arena)
    for (const name of readdirSync(path)) {
      if (!permanent.includes(name)) rmSync(join(path, name), { recursive: true })
    }
  }

  #look(plan: MountRoundPlan, board: Board, settings: readonly MountClientSetting[]): string[] {
    const looks = [
      () => this.#lookAtCells(plan, board),
      () => this.#lookAtCuts(board),
      () => this.#lookAtAppended(plan, board),
      ...settings.map((setting) => () => this.#lookAtPrivate(board, setting)),
      ...arenas.map((arena) => () => this.#lookAtArena(arena)),
    ]
    return looks.flatMap((look) => {
      try {
        look()
        return []
      } catch (error) {
        return [error instanceof Error ? error.message : String(error)]
      }
    })
  }

  #lookAtCells({ end, arguments: given }: MountRoundPlan, board: Board): void {
    const words = wordsOf(readFileSync(join(this.#mount.mountpoint, cells)))
    const foreign = firstForeign(words, cellsId, 0, words.length / 2)
    if (foreign >= 0) throw new Error(`atom ${foreign} of the cells is not of that file and place`)
    if (end === 'order' || given.includes(copyOnWrite)) {
      checkCells(words, cellsId, 0, words.length / 2, (cell) => board.acknowledged(cell))
      return
    }
    // A write that was cut off has changed some of its atoms; none is older than what had been acknowledged.
    for (let cell = 0; cell < cellCount; cell++) {
      for (let atom = cellStarts[cell]!; atom < cellStarts[cell + 1]!; atom++) {
        const sequence = sequenceAt(words, 2 * atom, cellsId, atom)
        if (sequence < board.acknowledged(cell))
          throw new Error(`cell ${cell} has write ${sequence}, but ${board.acknowledged(cell)} was done`)
      }
    }
  }

  #lookAtCuts(board: Board): void {
    const floors = new Int32Array(cutAtoms)
    for (const [which, name] of cuts.entries()) {
      const words = wordsOf(readFileSync(join(this.#mount.mountpoint, name)))
      board.copyFloors(which, 0, cutAtoms, floors)
      const problem = checkCut(words, cutId(which), 0, words.length / 2, floors)
      if (problem !== null) throw new Error(problem)
    }
  }

  /**
   * Records one after the other, each whole; of each client all that it was told are there, in their order. Of the last
   * one there may be a part where the server went.
   */
  #lookAtAppended({ clients, end }: MountRoundPlan, board: Board): void {
    const words = wordsOf(readFileSync(join(this.#mount.mountpoint, appended)))
    const last = Array<number>(clients).fill(0)
    for (let atom = 0; 2 * atom < words.length;) {
      const { client, n, atoms } = recordOfSequence(words[2 * atom]!)
      if (last[client] !== n - 1) throw new Error(`record ${n} of client ${client} follows ${last[client]}`)
      const record = words.subarray(2 * atom, 2 * (atom + atoms))
      for (let k = 0; 2 * k < record.length; k++) {
        if (sequenceAt(record, 2 * k, appendedId, k) !== words[2 * atom])
          throw new Error(`record ${n} of client ${client} is torn at its atom ${k}`)
      }
      if (record.length < 2 * atoms) {
        if (end === 'order') throw new Error(`record ${n} of client ${client} is cut short`)
        break
      }
      last[client] = n
      atom += atoms
    }
    for (const [client, n] of last.entries()) {
      const told = board.appended(client)
      if (n < told || n > told + 1)
        throw new Error(`client ${client} has ${n} records, and ${told} were acknowledged to it`)
    }
  }

  #lookAtPrivate(board: Board, { client, privateSeed }: MountClientSetting): void {
    const directory = join(this.#mount.mountpoint, home(client))
    const found = new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]))
    const problem = judge(found, privateJournal(board, client, privateSeed))
    if (problem !== null) throw new Error(`client ${client}'s private files: ${problem}`)
  }

  #lookAtArena(arena: string): void {
    const path = join(this.#mount.mountpoint, arena)
    const names = new Set(readdirSync(path))
    const missing = permanent.find((name) => !names.has(name))
    if (missing !== undefined) throw new Error(`${arena}/${missing} is missing`)
    this.#lookAtFiles(path)
  }

  #lookAtFiles(directory: string): void {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) this.#lookAtFiles(path)
      if (!entry.isFile()) continue
      const stat = lstatSync(path, { bigint: true })
      if (stat.size === 0n) continue
      const words = wordsOf(readFileSync(path))
      const foreign = firstForeign(words, fileIdOfStat(stat), 0, Math.floor(words.length / 2))
      if (foreign >= 0) throw new Error(`atom ${foreign} of ${path} is not of that file and place`)
    }
  }
}

function wordsOf(bytes: Buffer): Int32Array {
  return new Int32Array(Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % atomBytes))).buffer)
}
