// SPDX-License-Identifier: GPL-2.0-only
/**
 * A project in C: its sources by Debian's own tools, its build with make -j2, its tests, and a second make with nothing
 * to do.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { debianSource } from '../support/debian-source.js'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { chosenChannel, comesBack } from './program-mount.js'

tap.setTimeout(600_000)

const limitMs = 300_000

void tap.test('zlib', async (t) => {
  const mount = await TestMount.mounted(t, '512M', ...chosenChannel)
  const folder = join(mount.mountpoint, 'build')
  await mkdir(folder)
  const list = join(mount.folder, 'sources.list')
  // Where binaries come from, sources do, too.
  const { site, release } = await debianSource()
  await writeFile(list, `deb-src ${site} ${release} main\n`)
  const apt = [
    `-oDir::Etc::sourcelist=${list}`,
    '-oDir::Etc::sourceparts=-',
    `-oDir::State::lists=${folder}/lists`,
  ]
  await mkdir(join(folder, 'lists'))
  await run('apt-get', [...apt, '-qq', 'update'], limitMs)
  await run('sh', ['-c', `cd ${folder} && apt-get ${apt.join(' ')} -qq source zlib`], limitMs)
  const source = join(
    folder,
    (await readdir(folder)).find((name) => /^zlib-\d/.test(name) && !name.includes('.dsc'))!,
  )
  const here = (command: string): Promise<string> =>
    run('sh', ['-c', `cd '${source}' && ${command} 2>&1`], limitMs)
  await here('./configure')
  await here('make -j2')
  t.match(await here('make test'), /zlib test OK/)
  t.match(await here('make'), /up to date|Nothing to be done/, 'times are in order')
  const library = await readFile(join(source, 'libz.a'))
  await comesBack(t, mount, ...chosenChannel)
  t.ok(library.equals(await readFile(join(source, 'libz.a'))))
  t.match(await here('make'), /up to date|Nothing to be done/, 'and stay so')
})
