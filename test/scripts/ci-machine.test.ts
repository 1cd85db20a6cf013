// SPDX-License-Identifier: GPL-2.0-only
/** Whether `.ci/run` tries the guest, leaves it out or fails, by what apt has: install_vm of .ci/machine. */
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { finish } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { packageRoot } from '../support/test-mount.js'

const shell = '/bin/bash'
const guestPrograms = ['qemu-system-x86_64', 'ndctl']

/** Bodies of programs, in the place of all that the machine has. */
type Programs = Readonly<Record<string, string>>

const x86: Programs = { uname: 'echo x86_64', npm: 'exit 0' }
const installed = Object.fromEntries(guestPrograms.map((name) => [name, 'exit 0']))
const aptGet = (update: number, install: number): string =>
  `case "$*" in *update) exit ${update} ;; *) exit ${install} ;; esac`

async function endOf(t: Test, programs: Programs): Promise<{ end: number | string; last: string }> {
  const folder = await temporaryDirectory(t)
  for (const [name, body] of Object.entries(programs))
    await writeFile(join(folder, name), `#!${shell}\n${body}\n`, { mode: 0o755 })
  await symlink('/bin/grep', join(folder, 'grep'))
  const script = `exec 2>&1; PATH='${folder}'; . '${join(packageRoot, '.ci/machine')}'; install_vm`
  const { end, output } = await finish(shell, ['-c', script])
  return { end, last: output.split('\n').at(-1)! }
}

const cases: readonly (readonly [what: string, programs: Programs, end: number, last: RegExp])[] = [
  ['all is there', { ...x86, ...installed, 'apt-cache': 'exit 0' }, 0, /^$/],
  ['another architecture', { uname: 'echo aarch64' }, 1, /^the guest is an x86-64 machine$/],
  ['no apt', x86, 1, /^without apt-get, nothing installs qemu-system-x86 ndctl$/],
  [
    'a package that apt does not have',
    { ...x86, 'apt-get': aptGet(0, 100), 'apt-cache': '[ "$2" != ndctl ]' },
    1,
    /^apt has no package ndctl$/,
  ],
  [
    'packages that do not arrive',
    { ...x86, 'apt-get': aptGet(0, 100), 'apt-cache': 'exit 0' },
    2,
    /^QEMU and ndctl could not be installed$/,
  ],
  [
    'no network, and no lists of packages',
    { ...x86, 'apt-get': aptGet(100, 100), 'apt-cache': 'exit 100' },
    2,
    /^the lists of packages could not be fetched$/,
  ],
  [
    'a kernel for the guest that does not arrive',
    { ...x86, ...installed, 'apt-cache': 'exit 0', npm: 'echo no kernel; exit 1' },
    2,
    /^no kernel$/,
  ],
]

void tap.test('a guest that cannot be had is a failure, unless the machine cannot have it', async (t) => {
  for (const [what, programs, end, last] of cases) {
    const found = await endOf(t, programs)
    t.equal(found.end, end, what)
    t.match(found.last, last, what)
  }
})
