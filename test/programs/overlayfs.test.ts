// SPDX-License-Identifier: GPL-2.0-only
/** overlayfs with its upper and work directory on a mount of ours, and with its lower one there. */
import { lstat, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { finish, run } from '../support/run-command.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { TestMount } from '../support/test-mount.js'
import { comesBack } from './program-mount.js'

tap.setTimeout(300_000)

/** Mounts an overlay until {@link Overlay.unmount}, or the end of the test. */
class Overlay {
  readonly #options: string
  readonly #point: string

  constructor(lower: string, upper: string, work: string, point: string) {
    this.#options = `lowerdir=${lower},upperdir=${upper},workdir=${work},redirect_dir=on,metacopy=on`
    this.#point = point
  }

  async mount(): Promise<void> {
    await run('mount', ['-t', 'overlay', 'overlay', '-o', this.#options, this.#point])
  }

  async unmount(): Promise<void> {
    await finish('umount', [this.#point])
  }
}

async function fill(lower: string): Promise<void> {
  await mkdir(join(lower, 'folder', 'deep'), { recursive: true })
  await writeFile(join(lower, 'changed'), 'old contents')
  await writeFile(join(lower, 'removed'), 'x')
  await writeFile(join(lower, 'mode'), 'metadata only', { mode: 0o600 })
  await writeFile(join(lower, 'folder', 'file'), 'inside')
  await writeFile(join(lower, 'folder', 'deep', 'file'), 'deep inside')
  await symlink('changed', join(lower, 'link'))
  await mkdir(join(lower, 'opaque'))
  await writeFile(join(lower, 'opaque', 'hidden'), 'x')
}

async function isLaid(t: Test, merged: string): Promise<void> {
  t.equal(await readFile(join(merged, 'link'), 'utf8'), 'old and new contents')
  t.same((await readdir(merged)).sort(), ['changed', 'link', 'mode', 'moved', 'opaque'])
  t.equal((await stat(join(merged, 'mode'))).mode & 0o777, 0o640)
  t.equal(await readFile(join(merged, 'mode'), 'utf8'), 'metadata only')
  t.equal(await readFile(join(merged, 'moved', 'deep', 'file'), 'utf8'), 'deep inside')
  t.same(await readdir(join(merged, 'opaque')), [], 'what a new directory hides stays hidden')
}

void tap.test('the upper directory', async (t) => {
  const mount = await TestMount.mounted(t, '64M')
  const elsewhere = await temporaryDirectory(t, SHARED_MEMORY)
  const [lower, merged] = [join(elsewhere, 'lower'), join(elsewhere, 'merged')]
  const [upper, work] = [join(mount.mountpoint, 'upper'), join(mount.mountpoint, 'work')]
  for (const folder of [lower, merged, upper, work]) await mkdir(folder)
  await fill(lower)
  const overlay = new Overlay(lower, upper, work, merged)
  t.teardown(() => overlay.unmount())
  await overlay.mount()
  await writeFile(join(merged, 'changed'), 'old and new contents')
  await rm(join(merged, 'removed'))
  await run('chmod', ['640', join(merged, 'mode')])
  await rename(join(merged, 'folder'), join(merged, 'moved'))
  await rm(join(merged, 'opaque'), { recursive: true })
  await mkdir(join(merged, 'opaque'))
  await isLaid(t, merged)
  await overlay.unmount()

  const whiteout = await lstat(join(upper, 'removed'))
  t.ok(whiteout.isCharacterDevice() && whiteout.rdev === 0, 'what was removed is a whiteout')
  t.ok((await stat(join(upper, 'mode'))).blocks < 8, 'a change of the mode copies no contents')
  await comesBack(t, mount)
  await overlay.mount()
  await isLaid(t, merged)
  await overlay.unmount()
})

void tap.test('the lower directory', async (t) => {
  const mount = await TestMount.mounted(t, '64M')
  const elsewhere = await temporaryDirectory(t, SHARED_MEMORY)
  const folders = ['upper', 'work', 'merged'].map((name) => join(elsewhere, name))
  for (const folder of folders) await mkdir(folder)
  await fill(mount.mountpoint)
  const [upper, work, merged] = folders as [string, string, string]
  const overlay = new Overlay(mount.mountpoint, upper, work, merged)
  t.teardown(() => overlay.unmount())
  await overlay.mount()
  await writeFile(join(merged, 'changed'), 'new contents')
  t.equal(await readFile(join(mount.mountpoint, 'changed'), 'utf8'), 'old contents')
  t.equal(await readFile(join(merged, 'link'), 'utf8'), 'new contents')
  await overlay.unmount()
})
