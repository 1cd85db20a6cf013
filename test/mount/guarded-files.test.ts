// SPDX-License-Identifier: GPL-2.0-only
/** Files that flags keep as they are: attributes, ACLs and blocks are kept, too, and root is bound. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { finish, run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

void tap.test('immutable and append-only files', async (t) => {
  const mount = await TestMount.mounted(t, '32M', '--channel', 'devfuse')
  const path = join(mount.mountpoint, 'file')
  await writeFile(path, 'contents')
  await run('setfattr', ['-n', 'user.kept', '-v', 'x', path])
  const ends = async (command: string): Promise<boolean> =>
    (await finish('sh', ['-c', `${command} '${path}'`])).end === 0
  const changes = {
    'setfattr -n user.new -v 1': [false, false],
    'setfattr -x user.kept': [false, false],
    'setfacl -m u:1:r': [false, false],
    'fallocate -p -o 0 -l 4096': [false, false],
    'fallocate -z -o 0 -l 4096': [false, false],
    'fallocate -n -l 65536': [false, true],
    'fallocate -l 131072': [false, true],
    'echo x >>': [false, true],
    'echo x >': [false, false],
  } as const
  for (const [n, flag] of ['i', 'a'].entries()) {
    await run('chattr', [`+${flag}`, path])
    for (const [command, isAllowed] of Object.entries(changes))
      t.equal(await ends(command), isAllowed[n], `${command} with +${flag}`)
    await run('chattr', [`-${flag}`, path])
  }
  for (const command of Object.keys(changes)) t.ok(await ends(command), `${command} without`)
  await mount.unmount()
  await mount.check()
})
