// SPDX-License-Identifier: GPL-2.0-only
/**
 * A thread of a round: an engine of its own over the memory that all share, and random calls until it is told to stop.
 */
import { workerData } from 'node:worker_threads'
import { Engine } from '../../src/fs/engine.js'
import { EngineParts } from '../../src/fs/engine-parts.js'
import type { EngineSetting } from '../../src/fs/engine-setting.js'
import { SharedState, type SharedStateDescription } from '../../src/fs/shared-state.js'
import type { Mapping } from '../../src/native/index.js'
import { MappedMedium, type MediumDescription } from '../../src/pmem/mapped-medium.js'
import { Random } from '../support/random.js'
import { Board } from './board.js'
import { type Arena, EngineChaos } from './engine-chaos.js'
import { EngineClient } from './engine-client.js'
import { EnginePrivateFiles } from './engine-private-files.js'
import { EngineSharedFiles, type SharedFiles } from './engine-shared-files.js'
import { JitteryMedium, Stops } from './stops.js'

export interface EngineWorkerSetting {
  readonly worker: number
  readonly workers: number
  readonly seed: number
  readonly privateSeed: number
  readonly jittery: boolean
  readonly medium: MediumDescription
  readonly state: SharedStateDescription
  readonly engine: EngineSetting
  readonly board: SharedArrayBuffer
  /** Memory for its requests. */
  readonly buffer: Mapping
  readonly arena: Arena
  readonly shared: SharedFiles
  readonly privateDirectory: number
}

/** Which part of the calls goes where; the rest is chaos. */
const ofFifty = { shared: 15, private: 3, look: 1 }
const callsPerTick = 64

function run(setting: EngineWorkerSetting): void {
  const { worker, workers } = setting
  const random = new Random(setting.seed)
  const medium = setting.jittery ? jitteryMedium(setting, random) : new MappedMedium(setting.medium)
  const state = SharedState.view(setting.state)
  const onDamage = (what: string): never => {
    throw new Error(`a sound volume is said to be damaged: ${what}`)
  }
  const engine = new Engine(new EngineParts(medium, state, setting.engine, worker, onDamage))
  const client = new EngineClient(engine, medium, setting.buffer)
  const board = new Board(new Int32Array(setting.board))
  const chaos = new EngineChaos(client, board, random, setting.arena, worker)
  const shared = new EngineSharedFiles(client, board, random, setting.shared, worker, workers)
  const own = new EnginePrivateFiles(client, board, worker, setting.privateDirectory, setting.privateSeed)
  try {
    for (let calls = 0; !board.stopped; calls++) {
      if (calls % callsPerTick === 0) engine.clock.setMilliseconds(Date.now())
      const choice = random.below(50)
      if (choice < ofFifty.shared) shared.step()
      else if (choice < ofFifty.shared + ofFifty.private) own.step()
      else if (choice < ofFifty.shared + ofFifty.private + ofFifty.look) own.look(random)
      else chaos.step()
      engine.settle()
      board.count(worker)
    }
    chaos.dropAll()
  } catch (error) {
    // The others are not to wait for what this thread may hold.
    state.markFailed()
    throw error
  }
  medium.release()
}

function jitteryMedium(setting: EngineWorkerSetting, random: Random): MappedMedium {
  const stops = new Stops(random)
  stops.install()
  return new JitteryMedium(setting.medium, stops)
}

run(workerData as EngineWorkerSetting)
