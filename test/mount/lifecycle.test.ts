// SPDX-License-Identifier: GPL-2.0-only
/** How a mount comes about, in the background and in the foreground, and what is said when it does not. */
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { fingerprint } from '../cli/cli.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { withOwnMounts } from '../support/own-mounts.js'
import { finish, run, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, hasEnded, packageRoot, pmfs2, program } from '../support/test-mount.js'

tap.setTimeout(300_000)

void tap.test('in the background', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const { device, mountpoint } = mount
  const script = '"$0" "$1" "$2" "$3" && echo live > "$3/file" && cat "$3/file"'
  const shell = ['sh', '-c', script, process.execPath, program, device, mountpoint]
  const output = await run('env', [...withoutRunner, ...shell])
  t.match(output, /^live$/m, 'when the program returns, files can be made')
  const { pid } = await mount.adopt()

  const table = await run('mount', [])
  const line = table.split('\n').find((entry) => entry.startsWith(device)) ?? ''
  t.match(
    line,
    new RegExp(`^${device} on ${mountpoint} type fuse\\.pmfs2 \\(rw,`),
    'it stands in the mount table',
  )

  await t.test('keeps nothing of its caller', async (t) => {
    const session = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(' ')[5]
    t.equal(session, `${pid}`, 'it has a session of its own')
    t.equal(await run('readlink', [`/proc/${pid}/cwd`]), '/', 'and no directory of its caller')
  })

  await mount.unmount()
  await mount.check()
  t.ok(await hasEnded(pid), 'the server ends')
})

void tap.test("it does not keep the caller's output open", async (t) => {
  const mount = await TestMount.make(t, '16M')
  const script = 'said=$("$0" "$1" "$2" "$3" 2>&1); echo "returned: $said"'
  const shell = ['sh', '-c', script, process.execPath, program, mount.device, mount.mountpoint]
  t.match(await run('env', [...withoutRunner, ...shell]), /^returned: /)
  await mount.adopt()
})

void tap.test('in the foreground', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const server = await ForegroundServer.start(mount, '-f')
  const { pid } = await mount.report()
  await writeFile(join(mount.mountpoint, 'file'), 'contents')
  t.notOk(await hasEnded(pid, 200), 'it stays')
  await mount.unmount()
  t.equal(await server.ended(), 0, 'until it is unmounted')
})

/** Holds the program to one line on `args`, and to its exit code. */
async function refuses(t: Test, args: readonly string[], end: number, line: RegExp): Promise<void> {
  const finished = await pmfs2(args)
  t.equal(finished.end, end, `${finished.output} (${finished.end})`)
  t.match(finished.output, line)
  t.equal(finished.output.split('\n').length, 1, 'in one line')
}

void tap.test('what cannot be mounted', async (t) => {
  const { device, mountpoint, folder } = await TestMount.make(t, '16M')
  const zeros = join(folder, 'zeros')
  await writeFile(zeros, '')
  await truncate(zeros, 2 ** 24)
  const cases: readonly [what: string, args: readonly string[], end: number, line: RegExp][] = [
    ['no file system', [zeros, mountpoint], 32, /^mount: \S+zeros: it holds no PMFS2 file system$/],
    ['no device', [`${device}-no`, mountpoint], 32, /^mount: .*medium-no: there is no such file or device$/],
    [
      'no mount point',
      [device, `${mountpoint}-2`],
      32,
      /^mount: \S+mount-2: the mount point does not exist$/,
    ],
    ['a file', [device, zeros], 32, /^mount: \S+zeros: the mount point is not a directory$/],
    ['a directory for a device', [mountpoint, mountpoint], 32, /^mount: .*neither a regular file nor/],
    ['an unknown option', [device, mountpoint, '-o', 'nosense'], 1, /^mount: unknown mount option nosense;/],
    ['no list of processors', [device, mountpoint, '--cpus', '2-1'], 1, /^mount: cpus=2-1 is not a list/],
    [
      'a processor that is not there',
      [device, mountpoint, '--cpus', '8000'],
      1,
      /^mount: cpus=8000: there is no processor 8000/,
    ],
    ['one argument too few', [device], 1, /^mount: .*DEVICE\.\.\. MOUNTPOINT/],
  ]
  for (const [what, args, end, line] of cases) {
    await t.test(what, (t) => refuses(t, args, end, line))
  }
  await t.test('the same in the foreground', (t) => {
    return refuses(t, [zeros, mountpoint, '-f'], 32, /^mount: \S+zeros: it holds no PMFS2 file system$/)
  })
})

/** Runs what follows, as root, where the kernel lets nobody mount. */
const hindrances: readonly [what: string, command: readonly string[], line: RegExp][] = [
  [
    'no permission to mount',
    ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
    /^mount: \S+: mount\(2\) failed: EPERM$/m,
  ],
  [
    'a /dev/fuse that is none',
    withOwnMounts('', ['sh', '-c', 'mount --bind /dev/null /dev/fuse && exec "$@"', 'sh']),
    /^mount: \S+: mount\(2\) failed: EINVAL$/m,
  ],
]

for (const [what, command, line] of hindrances) {
  void tap.test(`${what} leaves the device as it was`, async (t) => {
    const { device, devices, mountpoint } = await TestMount.make(t, '16M')
    const before = devices.map(fingerprint)
    const mount = [...withoutRunner, ...command, process.execPath, program, device, mountpoint]
    const { end, output } = await finish('env', mount)
    t.equal(end, 2, output)
    t.match(output, line)
    t.same(devices.map(fingerprint), before, 'not a byte of it has changed')
  })
}

/**
 * mount(8) gives helpers no PATH, so that only the usual places count. $0: a directory with the command, then DEVICE
 * DIR
 */
const byMount = [
  'set -e',
  'mount --bind "$0" /usr/local/bin',
  'mount -t fuse.pmfs2 -o noatime "$1" "$2"',
  'grep " $2 " /proc/self/mountinfo',
  'mount -o remount,ro "$2" || echo "remount: $?"',
  'umount "$2"',
  'echo "$1 $2 fuse.pmfs2 noauto,ro,nofail,x-systemd.automount,_netdev 0 0" > "$0/fstab"',
  'mount --fstab "$0/fstab" "$2"',
  'grep " $2 " /proc/self/mountinfo',
  'umount "$2"',
].join('\n')

void tap.test('mount(8) and fstab know it as fuse.pmfs2', async (t) => {
  const { device, mountpoint } = await TestMount.make(t, '16M')
  const folder = await temporaryDirectory(t)
  const { bin } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
    bin: Record<string, string>
  }
  // The shim asks for node by name, which need not lie where mount(8) looks.
  for (const [name, file] of Object.entries(bin)) {
    const script = `#!/bin/sh\nexec '${process.execPath}' '${join(packageRoot, file)}' "$@"\n`
    await writeFile(join(folder, name), script, { mode: 0o755 })
  }
  const shell = withOwnMounts('', ['sh', '-c', byMount, folder, device, mountpoint])
  const { end, output } = await finish('env', [...withoutRunner, ...shell])
  t.equal(end, 0, output)
  t.match(output, new RegExp(` ${mountpoint} rw,noatime - fuse\\.pmfs2 ${device} `))
  t.notMatch(output, /^remount:/m, 'it is remounted')
  t.match(output, new RegExp(` ${mountpoint} ro\\S* - fuse\\.pmfs2 ${device} ro,`))
})

void tap.test('what is mounted already', async (t) => {
  const { device, mountpoint, folder } = await TestMount.mounted(t, '16M')
  const other = join(folder, 'other')
  await mkdir(other)
  await t.test('at the same place', (t) => {
    return refuses(t, [device, mountpoint], 32, /^mount: \S+mount: \S+medium is mounted there already/)
  })
  await t.test('the same device at another', (t) => {
    return refuses(
      t,
      [device, other],
      32,
      /^mount: \S+medium: it is in use by process \d+, which serves it at /,
    )
  })
})

void tap.test('a mount point whose server was killed', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { device, mountpoint } = mount
  // The kernel then knows the root directory.
  await stat(mountpoint)
  const { pid } = await mount.report()
  process.kill(pid, 'SIGKILL')
  t.ok(await hasEnded(pid))
  const line = /^mount: (\S+mount): the server of the file system there has died; umount \1 first$/
  await refuses(t, [device, mountpoint], 32, line)
  await mount.unmount()
  await mount.mount()
})

void tap.test('a link to a device is the device, a link to a mount point the mount point', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const { folder, device, mountpoint } = mount
  const [toDevice, toMountpoint] = [join(folder, 'to-device'), join(folder, 'to-mountpoint')]
  await run('ln', ['-s', device, toDevice])
  await run('ln', ['-s', mountpoint, toMountpoint])
  t.equal((await pmfs2([toDevice, toMountpoint])).end, 0)
  await mount.adopt()
  t.equal((await finish('mountpoint', ['-q', mountpoint])).end, 0)
  t.equal((await pmfs2(['umount', toMountpoint])).end, 0)
  t.notOk(mount.isMounted())
  t.ok((await stat(device)).isFile())
})
