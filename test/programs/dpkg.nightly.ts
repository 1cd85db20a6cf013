// SPDX-License-Identifier: GPL-2.0-only
/**
 * dpkg: debootstrap installs a minimal Debian on the mount. Within it, packages are installed, replaced, diverted and
 * removed, and every file of every package is compared with the checksum of its package.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { debianSource } from '../support/debian-source.js'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { chosenChannel, comesBack, patience, survivesKill } from './program-mount.js'

tap.setTimeout(900_000 * patience)

const limitMs = 600_000 * patience
const packages = ['hello', 'libmagic1', 'libmagic-mgc', 'file', 'tzdata']

void tap.test('dpkg', async (t) => {
  const mount = await TestMount.mounted(t, '2G', ...chosenChannel)
  const root = join(mount.mountpoint, 'root')
  const { site, release } = await debianSource()
  await run('debootstrap', ['--variant=minbase', release, root, site], limitMs)
  // debootstrap leaves these two mounted where the second stage could not unmount them.
  t.notMatch(
    await readFile('/proc/self/mountinfo', 'utf8'),
    root,
    'debootstrap has unmounted what it mounted',
  )

  const within = (...command: readonly string[]): Promise<string> =>
    run(
      'chroot',
      [root, 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'DEBIAN_FRONTEND=noninteractive', ...command],
      limitMs,
    )
  /** debsums reads each file; dpkg --verify knows files of configuration and what is missing, too. */
  const isWhole = async (): Promise<void> => {
    t.equal(await within('dpkg', '--audit'), '')
    t.equal(await within('dpkg', '--verify'), '')
    t.equal(await run('debsums', ['--silent', '--all', `--root=${root}`], limitMs), '')
  }
  await isWhole()

  const downloads = join(root, 'downloads')
  await mkdir(downloads)
  await run('sh', ['-c', `cd '${downloads}' && apt-get -qq download ${packages.join(' ')}`], limitMs)
  const files = (await readdir(downloads)).map((name) => `/downloads/${name}`)
  await within('dpkg', '--install', ...files)
  t.match(await within('hello'), /Hello, world!/)
  t.match(await within('file', '/bin/bash'), /ELF/)
  await isWhole()
  await within('dpkg', '--install', ...files)
  await within('dpkg-divert', '--local', '--rename', '--add', '/usr/bin/hello')
  t.match(await within('hello.distrib'), /Hello, world!/)
  await within('dpkg', '--install', ...files.filter((name) => name.includes('/hello_')))
  await within('dpkg-divert', '--rename', '--remove', '/usr/bin/hello')
  await within('dpkg', '--remove', 'hello')
  await within('dpkg', '--purge', 'hello', 'file', 'libmagic1', 'libmagic-mgc')
  t.equal(await within('sh', '-c', 'dpkg-query --list hello 2>/dev/null | grep ^ii || true'), '')
  await isWhole()

  await comesBack(t, mount, ...chosenChannel)
  await isWhole()
  await writeFile(join(root, 'bin', 'true'), 'not what the package holds')
  t.match(await run('sh', ['-c', `debsums --silent --root='${root}' 2>&1 || true`], limitMs), /bin\/true/)
  await survivesKill(t, mount, ...chosenChannel)
  t.match(await run('sh', ['-c', `chroot '${root}' dpkg --verify || true`], limitMs), /bin\/true/)
})
