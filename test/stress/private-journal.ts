// SPDX-License-Identifier: GPL-2.0-only
/** What a client's private calls (load-model.ts) came to: its seed gives the calls, the board has their outcomes. */
import { type Call, type Files, type Journal, applyCall, chooseCall } from '../support/load-model.js'
import { Random } from '../support/random.js'
import type { Board } from './board.js'

/** What a client's private calls were, from its seed and what the board has. */
export function privateJournal(board: Board, worker: number, seed: number): Journal {
  const random = new Random(seed)
  const { begun, done } = board.privateCalls(worker)
  const calls: Call[] = []
  let files: Files = new Map()
  for (let n = 0; n < done; n++) {
    const call = chooseCall(random, files)
    const effect = effectOf(call, board.outcome(worker, n))
    if (effect === null) continue
    calls.push(effect)
    files = applyCall(files, effect)
  }
  return { done: calls, inFlight: begun > done ? chooseCall(random, files) : null }
}

/** What the files are after a call with this outcome. */
export function applyOutcome(files: Files, call: Call, outcome: number): Files {
  const effect = effectOf(call, outcome)
  return effect === null ? files : applyCall(files, effect)
}

/** The call that was done, null for none: a full device refuses calls, and cuts writes short. */
function effectOf(call: Call, outcome: number): Call | null {
  if (outcome < 0) return null
  return call.kind === 'write' ? { ...call, bytes: outcome } : call
}
