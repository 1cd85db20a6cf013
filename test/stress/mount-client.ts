// SPDX-License-Identifier: GPL-2.0-only
/**
 * A client process of a mount under stress: random calls, alone and together with others, until it is told to stop
 * (exit code 0) or the server has gone (exit code 0 as well). What it sees and must not see ends it with a message.
 */
import { Random } from '../support/random.js'
import { Board } from './board.js'
import { MountChaos } from './mount-chaos.js'
import type { MountClientSetting } from './mount-plan.js'
import { MountPrivateFiles } from './mount-private-files.js'
import { MountSharedFiles } from './mount-shared-files.js'

/** What a call says whose server has gone. */
const gone = ['ENOTCONN', 'ECONNABORTED', 'ECANCELED']

/** Which part of the calls goes where; the rest is chaos. */
const ofForty = { shared: 16, private: 4 }

function run(setting: MountClientSetting): void {
  process.chdir(setting.mountpoint)
  const random = new Random(setting.seed)
  const board = Board.inFile(setting.board)
  const shared = new MountSharedFiles(board, random, setting)
  const chaos = new MountChaos(board, random, setting)
  const own = new MountPrivateFiles(board, setting)
  while (!board.stopped) {
    const choice = random.below(40)
    if (choice < ofForty.shared) shared.step()
    else if (choice >= ofForty.shared + ofForty.private) chaos.step()
    else if (!setting.fill) own.step()
    board.count(setting.client)
  }
  chaos.dropAll()
}

try {
  run(JSON.parse(process.argv[2] ?? '') as MountClientSetting)
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!gone.includes(code)) throw error
}
