// SPDX-License-Identifier: GPL-2.0-only
/**
 * What -d prints: a line per request, from which one can tell what was asked, what was answered, and how long it took.
 */
import { constants } from 'node:fs'
import tap, { type Test } from 'tap'
import { ForegroundServer } from '../support/foreground-server.js'
import { fl, setFlags, trim } from '../support/inode-flags.js'
import { turnRingOn } from '../support/ring-switch.js'
import { System, outcome } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_DIRECT, O_RDWR } = constants
const time = '<\\d+\\.\\d µs>'
const attributes = (mode: string, links: number, size: number) =>
  `mode ${mode}, links ${links}, owner 0:0, size ${size}`

/** Does to a mount what the lines below tell. */
async function work(system: System, top: string): Promise<void> {
  await system.mkdir(`${top}/folder`, 0o750)
  const fd = await system.open(`${top}/folder/new\nline`, O_RDWR | O_CREAT | O_DIRECT, 0o640)
  await system.directWrite(fd, Buffer.alloc(4096, 1), 2 ** 32)
  await system.directRead(fd, 4096, 2 ** 32)
  await system.close(fd)
  await outcome(system.stat(`${top}/100%s`))
  await outcome(system.rmdir(`${top}/folder`))
  await system.symlink('some/target', `${top}/link`)
  await system.link(`${top}/folder/new\nline`, `${top}/second`)
  await system.rename(`${top}/second`, `${top}/third`)
  await system.truncate(`${top}/third`, 10)
  await system.chmod(`${top}/third`, 0o600)
  await system.chown(`${top}/third`, 1, 2)
  await system.list(top)
  await setFlags(system, top, fl.nodump)
  await trim(system, top)
  await system.unlink(`${top}/third`)
  await system.statfs(top)
}

/** How a request begins, since some of its flags depend on the kernel, and its whole reply. */
const expected: readonly (readonly [what: string, request: string, reply: string])[] = [
  ['mkdir', 'MKDIR(inode 1, "folder", mode 0750', `inode 2 generation 1, ${attributes('040750', 2, 0)}`],
  [
    'create',
    'MKNOD(inode 2, "new\\x0aline", mode 0100640',
    `inode 3 generation 1, ${attributes('0100640', 1, 0)}`,
  ],
  ['write', 'WRITE(inode 3, offset 4294967296, size 4096', '4096 bytes'],
  ['read', 'READ(inode 3, offset 4294967296, size 4096', '4096 bytes'],
  ['a missing name', 'LOOKUP(inode 1, "100%s")', 'ENOENT'],
  ['an error', 'RMDIR(inode 1, "folder")', 'ENOTEMPTY'],
  [
    'symlink',
    'SYMLINK(inode 1, "link", "some/target")',
    `inode 4 generation 1, ${attributes('0120777', 1, 11)}`,
  ],
  [
    'link',
    'LINK(inode 1, "second", to inode 3)',
    `inode 3 generation 1, ${attributes('0100640', 2, 2 ** 32 + 4096)}`,
  ],
  ['rename', 'RENAME(inode 1, "second", to inode 1, "third")', '0'],
  ['truncate', 'SETATTR(inode 3, size 10)', attributes('0100640', 2, 10)],
  ['chmod', 'SETATTR(inode 3, mode 0100600)', attributes('0100600', 2, 10)],
  ['chown', 'SETATTR(inode 3, uid 1, gid 2', 'mode 0100600, links 2, owner 1:2, size 10'],
  ['a listing', 'READDIRPLUS(inode 1, cookie 0x0, size ', '5 entries, 800 bytes'],
  ['flags', 'IOCTL(inode 1, FS_IOC_GETFLAGS)', '20 bytes'],
  ['setting flags', 'IOCTL(inode 1, FS_IOC_SETFLAGS)', '16 bytes'],
  ['trimming', 'IOCTL(inode 1, FITRIM)', '40 bytes'],
  ['unlink', 'UNLINK(inode 1, "third")', '0'],
]

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

async function traces(t: Test, channel: 'uring' | 'devfuse'): Promise<void> {
  const mount = await TestMount.make(t, '16M')
  const server = await ForegroundServer.start(mount, '-d', '--channel', channel)
  const system = await System.start()
  t.teardown(() => system.stop())
  await work(system, mount.mountpoint)
  await mount.unmount()
  t.equal(await server.ended(), 0)
  const { output } = server
  t.notMatch(output, /fuse %s|pmfs2:\w+ %s/, 'no line shows its own pattern')
  t.match(
    output,
    new RegExp(` INIT\\(inode 0, protocol 7\\.\\d+, flags 0x.* = protocol 7\\.\\d+, flags 0x.* ${time}`),
  )
  t.match(output, new RegExp(` STATFS\\(inode 1\\) pid \\d+ uid 0 = \\d+ of \\d+ blocks free ${time}`))
  for (const [what, request, reply] of expected) {
    t.match(
      output,
      new RegExp(`pmfs2:fuse \\d+ ${escaped(request)}.* pid \\d+ uid 0 = ${escaped(reply)} ${time}$`, 'm'),
      what,
    )
  }
}

void tap.test('over /dev/fuse', (t) => traces(t, 'devfuse'))
// Kernels without a ring have had their turn.
if (turnRingOn(tap) === 'uring') void tap.test('over io_uring', (t) => traces(t, 'uring'))
