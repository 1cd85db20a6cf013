// SPDX-License-Identifier: GPL-2.0-only
/**
 * The calls of one thread on files of its own, chosen by load-model.ts and noted on the board with their outcome. Who
 * knows the seed and the outcomes can tell what the files have to be, also when the thread ended in the midst of a
 * call.
 */
import { Random } from '../support/random.js'
import { type Call, type Files, chooseCall, firstDifference } from '../support/load-model.js'
import { pattern } from '../posix/fixture.js'
import { type Board, mostPrivateCalls } from './board.js'
import { applyOutcome } from './private-journal.js'
import type { EngineClient } from './engine-client.js'

const S_IFREG = 0o100000
const ENOSPC = 28
const mostFileBytes = 2 ** 18

export class EnginePrivateFiles {
  readonly #client: EngineClient
  readonly #board: Board
  readonly #worker: number
  readonly #directory: number
  readonly #random: Random
  #files: Files = new Map()

  constructor(client: EngineClient, board: Board, worker: number, directory: number, seed: number) {
    this.#client = client
    this.#board = board
    this.#worker = worker
    this.#directory = directory
    this.#random = new Random(seed)
  }

  step(): void {
    if (this.#board.privateCalls(this.#worker).done >= mostPrivateCalls) return
    const call = chooseCall(this.#random, this.#files)
    this.#board.beginPrivate(this.#worker)
    const outcome = this.#make(call)
    this.#board.endPrivate(this.#worker, outcome)
    if (outcome < 0 && outcome !== -ENOSPC) throw new Error(`${JSON.stringify(call)} gave ${outcome}`)
    this.#files = applyOutcome(this.#files, call, outcome)
  }

  /** Reads one of the files. */
  look(random: Random): void {
    const names = [...this.#files.keys()]
    if (names.length === 0) return
    const name = random.of(names)
    const found = readWhole(this.#client, this.#directory, name)
    const wanted = new Map([[name, this.#files.get(name)!]])
    const difference = firstDifference(new Map([[name, found]]), wanted)
    if (difference !== null) throw new Error(`a private file: ${difference}`)
  }

  /** @returns 0, the bytes of a write, or a negative errno */
  #make(call: Call): number {
    const { engine } = this.#client
    const name = this.#client.name(call.name)
    if (call.kind === 'unlink') return engine.unlink(this.#directory, name)
    if (call.kind === 'rename') {
      const [directory, none] = [this.#directory, this.#client.newInode(0)]
      return engine.rename(directory, name, directory, this.#client.name(call.to), 0, none)
    }
    const number =
      call.kind === 'create'
        ? engine.create(this.#directory, name, this.#client.newInode(S_IFREG | 0o600))
        : engine.lookup(this.#directory, name)
    if (number < 0) return number
    let outcome = 0
    if (call.kind === 'write') outcome = this.#write(number, call.offset, call.bytes, call.seed)
    else if (call.kind === 'truncate') outcome = this.#client.truncate(number, call.bytes)
    engine.forget(number, 1)
    return outcome
  }

  #write(number: number, offset: number, bytes: number, seed: number): number {
    // Any place in the buffer, so that copies are aligned in every way.
    const start = seed & 63
    this.#client.buffer.bytes.set(pattern(bytes, seed), start)
    return this.#client.write(number, offset, bytes, start)
  }
}

export function readWhole(client: EngineClient, directory: number, name: string): Buffer {
  const number = client.engine.lookup(directory, client.name(name))
  if (number < 0) throw new Error(`looking up private ${name} gave ${number}`)
  const length = client.read(number, 0, mostFileBytes)
  if (length < 0) throw new Error(`reading private ${name} gave ${length}`)
  client.engine.forget(number, 1)
  return client.contents(length)
}
