// SPDX-License-Identifier: GPL-2.0-only
/** The calls of one client on files of its own (load-model.ts), noted on the board as they are done. */
import { Random } from '../support/random.js'
import { type Files, applyCall, chooseCall, makeCall } from '../support/load-model.js'
import { type Board, mostPrivateCalls } from './board.js'
import { type MountClientSetting, home } from './mount-plan.js'

export class MountPrivateFiles {
  readonly #board: Board
  readonly #client: number
  readonly #random: Random
  #files: Files = new Map()

  constructor(board: Board, setting: MountClientSetting) {
    this.#board = board
    this.#client = setting.client
    this.#random = new Random(setting.privateSeed)
  }

  step(): void {
    if (this.#board.privateCalls(this.#client).done >= mostPrivateCalls) return
    const call = chooseCall(this.#random, this.#files)
    this.#board.beginPrivate(this.#client)
    makeCall(home(this.#client), call)
    this.#board.endPrivate(this.#client, call.kind === 'write' ? call.bytes : 0)
    this.#files = applyCall(this.#files, call)
  }
}
