// SPDX-License-Identifier: GPL-2.0-only
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { run } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import { chosenChannel, comesBack } from './program-mount.js'

tap.setTimeout(300_000)

const limitMs = 200_000

void tap.test('git', async (t) => {
  const mount = await TestMount.mounted(t, '256M', ...chosenChannel)
  const clone = join(mount.mountpoint, 'clone')
  const git = (...args: readonly string[]): Promise<string> => {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false']
    return run('git', ['-C', clone, ...identity, ...args], limitMs)
  }
  await run('git', ['clone', '--quiet', '--no-local', packageRoot, clone], limitMs)
  t.equal(await git('status', '--porcelain'), '', 'what was checked out is what was committed')
  await git('fsck', '--full', '--strict')
  await git('switch', '--quiet', '--create', 'branch')
  await git('rm', '--quiet', '-r', 'src')
  await git('commit', '--quiet', '--message', 'without sources')
  await git('checkout', '--quiet', 'HEAD~', '--', 'src')
  await git('commit', '--quiet', '--message', 'with them')
  await git('gc', '--quiet', '--prune=now')

  await comesBack(t, mount, ...chosenChannel)
  await git('fsck', '--full', '--strict')
  // Without the index, git has to read every file to know that none has changed.
  await rm(join(clone, '.git', 'index'))
  await git('reset', '--quiet')
  t.equal(await git('status', '--porcelain'), '')
  t.equal(await git('diff', '--stat', 'HEAD~2', 'HEAD'), '')
})
