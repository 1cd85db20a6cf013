// SPDX-License-Identifier: GPL-2.0-only
import { join } from 'node:path'
import tap from 'tap'
import { differences, manifestOf } from '../support/manifest.js'
import { finish, run, withoutRunner } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import { chosenChannel, comesBack, patience } from './program-mount.js'

tap.setTimeout(300_000 * patience)

const limitMs = 200_000 * patience

void tap.test('npm ci and npm run build of this project', async (t) => {
  const mount = await TestMount.mounted(t, '1G', ...chosenChannel)
  const project = join(mount.mountpoint, 'project')
  await run('git', ['clone', '--quiet', packageRoot, project], limitMs)
  const here = async (...command: readonly string[]): Promise<string> => {
    const { end, output } = await finish('env', ['-C', project, ...withoutRunner, ...command], limitMs)
    t.equal(end, 0, `${command.join(' ')}${end === 0 ? '' : `: ${output}`}`)
    return output
  }
  await here('npm', 'ci', '--no-audit', '--no-fund')
  await here('npm', 'run', 'build')
  const program = [process.execPath, 'bin/pmfs2-fuse.js']
  const version = await here(...program, '--version')
  const built = await manifestOf(project)
  t.comment(`${built.size} files and directories`)

  await comesBack(t, mount, ...chosenChannel)
  t.same(differences(await manifestOf(project), built), [], 'all is as it was built')
  t.equal(await here(...program, '--version'), version, 'and runs')
})
