// SPDX-License-Identifier: GPL-2.0-only
/** Files that are immutable or append-only, as programs meet them through the API: the errors are those of node:fs. */
import { test } from 'tap'
import { flagAppend, flagImmutable, userFlags } from '../../layout/inode.js'
import { openVolume } from '../../src/api/opened-volume.js'
import { openFiles } from '../../src/api/volume-files.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

function setFlags(path: string, flags: readonly (readonly [inode: number, flags: number])[]): void {
  const opened = openVolume(path, false)
  const { flags: calls } = opened.volume.engine(0)
  for (const [inode, wanted] of flags) {
    const error = calls.set(inode, userFlags, wanted)
    if (error !== 0) throw new Error(`errno ${-error}`)
  }
  opened.close()
}

void test('guarded files', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const first = await openFiles(path)
  await first.writeFile('/fixed', 'contents')
  await first.writeFile('/log', 'one\n')
  await first.mkdir('/directory')
  const [fixed, log, directory] = [
    await first.stat('/fixed'),
    await first.stat('/log'),
    await first.stat('/directory'),
  ]
  await first.close()
  setFlags(path, [
    [fixed.ino, flagImmutable],
    [log.ino, flagAppend],
    [directory.ino, flagImmutable],
  ])

  const files = await openFiles(path)
  const code = 'EPERM'
  await t.rejects(files.open('/fixed', 'r+'), { code, syscall: 'open', path: '/fixed' })
  await t.rejects(files.writeFile('/fixed', 'other'), { code })
  await t.rejects(files.appendFile('/fixed', 'more'), { code })
  await t.rejects(files.truncate('/fixed', 0), { code })
  await t.rejects(files.chmod('/fixed', 0o777), { code })
  await t.rejects(files.utimes('/fixed', 1, 1), { code })
  await t.rejects(files.unlink('/fixed'), { code })
  await t.rejects(files.rm('/fixed'), { code })
  await t.rejects(files.rename('/fixed', '/moved'), { code })
  await t.rejects(files.link('/fixed', '/second'), { code })
  await t.rejects(files.writeFile('/directory/new', ''), { code })
  await t.rejects(files.rename('/log', '/directory/log'), { code })
  await t.rejects(files.writeFile('/log', 'other'), { code })
  await t.rejects(files.open('/log', 'r+'), { code })
  await files.appendFile('/log', 'two\n')
  t.equal(await files.readFile('/log', 'utf8'), 'one\ntwo\n')
  t.equal(await files.readFile('/fixed', 'utf8'), 'contents')
  await files.close()
  t.same(problemsOn(path), [])
})
