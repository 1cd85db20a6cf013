// SPDX-License-Identifier: GPL-2.0-only
/** Mounts of volumes of several devices: named, found, missing, in use, failing, and made writable together. */
import { writeFileSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { mostDevices } from '../../layout/superblock.js'
import { findHolder } from '../../src/daemon/holder.js'
import { findMount } from '../../src/daemon/mount-table.js'
import { isHeld } from '../../src/pmem/device.js'
import { Underlay } from '../../src/pmem/underlay.js'
import { fingerprint, sparseFile, writeAt } from '../cli/cli.js'
import { actor } from '../posix/fixture.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { installHelper, mount8 } from '../support/mount-helper.js'
import { joinHalf } from '../support/join-half.js'
import { loopOver } from '../support/loop-device.js'
import { run } from '../support/run-command.js'
import { outcome } from '../support/system.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { TestMount, pmfs2, succeed, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const mebibyte = 2 ** 20
/** The second one begins beyond a gap, and reaches over the end of a window. */
const sizes = [20 * mebibyte, 2 ** 30 + 8 * mebibyte, 12 * mebibyte] as const

/** Bytes that tell where they belong. */
function contents(n: number): Buffer {
  return Buffer.alloc(7 * mebibyte, `file ${n} `)
}

for (const count of [2, 3]) {
  void tap.test(`${count} devices, and data on all of them`, async (t) => {
    const mount = await TestMount.makeOn(t, ...sizes.slice(0, count))
    const system = await actor(t)
    const [first, second] = mount.devices
    await mount.mount('--channel', 'devfuse')
    t.same((await mount.report()).devices, mount.devices)
    t.match(await pmfs2(['umount', '/dev/null']), { end: 32, output: 'umount: /dev/null: not mounted' })
    t.match(await pmfs2(['info', '/dev/null']), { end: 1, output: /it is a character device/ })
    const { bsize, blocks } = await system.statfs(mount.mountpoint)
    const whole = sizes.slice(0, count).reduce((sum, size) => sum + size, 0)
    t.ok(blocks * bsize > whole * 0.97, 'statfs(2) counts all of them')
    for (let n = 0; n < 6; n++) await system.writeFile(join(mount.mountpoint, `${n}`), contents(n))
    await mount.unmount()
    for (const device of [first!, second!])
      t.ok((await stat(device)).blocks * 512 > 12 * mebibyte, `${device} holds a part`)
    for (const named of [[second!], mount.devices.toReversed(), [first!]]) {
      await succeed(...named, mount.mountpoint, '--channel', 'devfuse')
      await mount.adopt()
      t.equal(findMount(mount.mountpoint)?.source, first, 'the source is the first one, whichever was named')
      for (let n = 0; n < 6; n++)
        t.ok((await system.readFile(join(mount.mountpoint, `${n}`))).equals(contents(n)), `file ${n}`)
      for (const device of mount.devices) {
        const { pid } = await mount.report()
        t.match(findHolder(device), { pid, mountpoints: [mount.mountpoint] })
        t.match(await succeed('info', device), new RegExp(`^${first}\n[^]*mounted on ${mount.mountpoint}`))
        const busy = `it is in use by process ${pid}, which serves it at ${mount.mountpoint}`
        t.match((await pmfs2(['fsck', device])).output, busy)
        t.match((await pmfs2(['mkfs', device, '--force'])).output, busy)
      }
      await succeed('umount', named[0]!)
      t.notOk(mount.isMounted())
      t.match(await succeed('fsck', ...mount.devices.toReversed()), /clean/, 'it was waited for')
    }
  })
}

void tap.test('as many devices as a volume can have', async (t) => {
  const mount = await TestMount.makeOn(t, ...Array.from({ length: mostDevices }, () => 2 * mebibyte))
  const middle = mount.devices[mostDevices / 2]!
  const added = sparseFile(join(mount.folder, 'added'), 2 * mebibyte)
  const files = Array.from({ length: mostDevices - 4 }, (_, n) => `${n}`)
  // A single worker fills one after the other.
  await succeed(middle, mount.mountpoint, '--channel', 'devfuse')
  await mount.adopt()
  for (const name of files) await writeFile(join(mount.mountpoint, name), Buffer.alloc(2 * mebibyte, name))
  const refused = await pmfs2(['grow', mount.mountpoint, added])
  t.match(refused, { end: 1, output: /a volume has 16 devices at most/ })
  await mount.unmount()
  for (const device of mount.devices.slice(0, -4)) t.ok((await stat(device)).blocks * 512 > mebibyte, device)
  await succeed(middle, mount.mountpoint)
  await mount.adopt()
  for (const name of files) {
    const found = await readFile(join(mount.mountpoint, name))
    t.ok(found.equals(Buffer.alloc(2 * mebibyte, name)), name)
  }
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a device elsewhere is named by -o device=, also in fstab', async (t) => {
  installHelper(t, 'mount.pmfs2')
  const mount = await TestMount.makeOn(t, 4 * mebibyte, 3 * mebibyte)
  const [first, second] = mount.devices as [string, string]
  const moved = join(mount.folder, 'elsewhere', 'second')
  await mkdir(join(mount.folder, 'elsewhere'))
  await rename(second, moved)
  const before = fingerprint(first)
  t.match(await pmfs2([first, mount.mountpoint]), {
    end: 32,
    output: /^mount: \S+: device number 2 of its 2, identifier [0-9a-f]{32}, is missing/m,
  })
  t.equal(fingerprint(first), before, 'nothing is changed on the other one')
  t.notOk(mount.isMounted())
  for (const options of [`device=${moved}`, `device=${first},device=${moved},noatime`]) {
    await mount.mount('-o', options)
    await mount.unmount()
  }
  const table = join(mount.folder, 'fstab')
  await writeFile(table, `${first} ${mount.mountpoint} pmfs2 device=${moved},nofail 0 0\n`)
  t.match(await mount8('-T', table, mount.mountpoint), { end: 0 })
  await mount.adopt()
  t.match(await mount8('-a', '-T', table), { end: 0 }, 'it is mounted already')
  t.match(await succeed('info', moved), /mounted on/)
  t.match(await mount8('-T', table, '-o', 'remount,ro', mount.mountpoint), { end: 0 })
  await mount.unmount()
  t.match(await pmfs2([first, mount.mountpoint, '-o', `device=${join(mount.folder, 'none')}`]), {
    end: 32,
    output: /^mount: cannot open \S+none: there is no such file or device$/m,
  })
})

void tap.test('what cannot be mounted is named', async (t) => {
  const mount = await TestMount.makeOn(t, 4 * mebibyte, 3 * mebibyte)
  const [first, second] = mount.devices as [string, string]
  const other = await TestMount.makeOn(t, 4 * mebibyte, 3 * mebibyte)
  const refused = async (named: readonly string[], output: RegExp | string): Promise<void> => {
    t.match(await pmfs2([...named, mount.mountpoint]), { end: 32, output }, named.join(' '))
    t.notOk(mount.isMounted())
  }
  await refused([first, other.devices[1]!], `${other.devices[1]!} belongs to another file system`)
  const copy = join(mount.folder, 'copy')
  await copyFile(second, copy)
  await refused([first], /are both device number 2 of its 2: one is a copy of the other/)
  await rm(copy)
  const stale = join(mount.folder, 'stale')
  await mkdir(stale)
  await copyFile(second, join(stale, 'second'))
  for (let n = 0; n < 2; n++) {
    await mount.mount()
    await mount.unmount()
  }
  await refused([first, join(stale, 'second')], /device number 2, \S+second, is stale/)
  await symlink(second, join(mount.folder, 'link'))
  const link = join(mount.folder, 'link')
  await refused([first, link, second], `${second} is the same device as ${link}`)
  await refused([second, second], `${second} is named twice`)
  await succeed(first, link, mount.mountpoint, '-o', `device=${second},device=${first}`)
  await mount.adopt()
  await mount.unmount()
})

void tap.test('one device without its header', async (t) => {
  const mount = await TestMount.makeOn(t, 4 * mebibyte, 3 * mebibyte, 2 * mebibyte)
  const [first, second, third] = mount.devices as [string, string, string]
  const others = [`device=${second}`, `device=${third}`]
  for (const [n, lost] of mount.devices.entries()) {
    writeAt(lost, 0, new Uint8Array(4096))
    const damage = `the header of device number ${n + 1}, ${lost}, is damaged; its superblock says that it belongs here`
    const notice = `mount: ${first}: ${damage}`
    t.match(await pmfs2([second, mount.mountpoint]), { end: 32 })
    const before = fingerprint(lost)
    const readOnly = await mount.mount('-o', ['ro', ...others].join(','))
    t.match(readOnly, notice)
    t.notMatch(readOnly, 'rewritten')
    t.match(await succeed('info', mount.mountpoint), damage)
    await mount.unmount()
    t.equal(fingerprint(lost), before)
    const said = await mount.mount('-o', others.join(','))
    t.match(said, notice)
    t.match(said, `mount: ${first}: the damaged header is rewritten`)
    t.notMatch(await succeed('info', lost), 'damaged')
    await mount.unmount()
    t.match(await mount.check(), /clean/)
    t.notMatch(await mount.mount(), 'damaged')
    await mount.unmount()
  }
})

void tap.test('by UUID and label, from loop devices', async (t) => {
  const mount = await TestMount.makeOn(t, 4 * mebibyte, 3 * mebibyte)
  const label = `several ${process.pid}`
  await succeed('mkfs', ...mount.devices, '--force', '--label', label)
  const { uuid } = JSON.parse(await succeed('info', '--json', mount.device)) as { uuid: string }
  const loops = mount.devices
    .toReversed()
    .map((file) => loopOver(t, file))
    .toReversed()
  for (const name of [`UUID=${uuid}`, `LABEL=${label}`, ...loops]) {
    await succeed(name, mount.mountpoint)
    t.same((await mount.adopt()).devices, loops, name)
    if (loops.includes(name)) {
      await mount.unmount()
      continue
    }
    t.match(await succeed('info', name), new RegExp(`^ +state +mounted on ${mount.mountpoint}`, 'm'), name)
    t.match(await succeed('grow', name), `${name}: nothing to do`)
    await succeed('umount', name)
    t.notOk(mount.isMounted(), name)
    t.match(await succeed('fsck', name), /: clean,/)
    t.match(await succeed('info', name), uuid)
    t.match(await succeed('dump', name, 'superblock'), uuid)
  }
  t.match(await pmfs2(['umount', `UUID=${uuid}`]), { end: 32, output: `umount: UUID=${uuid}: not mounted` })
})

void tap.test('by UUID, beside a device that was to join the volume and did not', async (t) => {
  const mount = await TestMount.makeOn(t, 8 * mebibyte)
  const { uuid } = JSON.parse(await succeed('info', '--json', mount.device)) as { uuid: string }
  const added = join(mount.folder, 'added')
  await writeFile(added, '')
  await truncate(added, 4 * mebibyte)
  joinHalf(mount.device, added)
  const [second, first] = [loopOver(t, added), loopOver(t, mount.device)] as const
  await succeed(`UUID=${uuid}`, mount.mountpoint)
  t.same((await mount.adopt()).devices, [first])
  await succeed('grow', `UUID=${uuid}`, second, '--quiet')
  t.same((await mount.report()).devices, [first, second])
  await succeed('umount', `UUID=${uuid}`)
  t.notOk(mount.isMounted())
})

void tap.test('there and back between read-only and writable', async (t) => {
  installHelper(t, 'mount.fuse.pmfs2')
  const mount = await TestMount.makeOn(t, ...sizes)
  const system = await actor(t)
  const file = join(mount.mountpoint, 'file')
  await mount.mount('--workers', '2', '--channel', 'devfuse')
  await system.writeFile(file, contents(1))
  await mount.remount('-o', 'ro')
  const small = [mount.devices[0]!, mount.devices[2]!]
  const before = small.map(fingerprint)
  t.ok((await system.readFile(file)).equals(contents(1)))
  t.equal(await outcome(system.writeFile(file, Buffer.from('no'))), 'EROFS')
  t.same(small.map(fingerprint), before)
  t.match(await mount8('-o', 'remount,rw', mount.mountpoint), { end: 0 })
  for (let n = 2; n < 6; n++) await system.writeFile(`${file}${n}`, contents(n))
  t.match(await mount8('-o', 'remount,ro', mount.mountpoint), { end: 0 })
  const after = small.map(fingerprint)
  for (let n = 2; n < 6; n++) t.ok((await system.readFile(`${file}${n}`)).equals(contents(n)))
  t.same(small.map(fingerprint), after)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test(
  'mounted at two places: umount says so once, and waits for all devices at the last',
  async (t) => {
    const mount = await TestMount.makeOn(t, ...sizes)
    const { device, mountpoint } = mount
    await mount.mount()
    const second = await mount.secondPlace(t)
    await run('mount', ['--bind', mountpoint, second])
    const goesOn = `umount: ${device} is still mounted at ${second}; its server goes on`
    t.same(await pmfs2(['umount', mountpoint]), { end: 0, output: goesOn })
    for (let n = 0; n < 500; n++) writeFileSync(join(second, `${n}`), '')
    t.same(await pmfs2(['umount', second]), { end: 0, output: '' })
    t.same(mount.devices.filter(isHeld), [], 'the server has let go of each')
    t.match(await succeed('fsck', ...mount.devices), /clean, 501\//)
  },
)

void tap.test('a killed server leaves all devices, which the next mount recovers', async (t) => {
  const mount = await TestMount.makeOn(t, ...sizes)
  const system = await actor(t)
  await mount.mount()
  for (let n = 0; n < 4; n++) await system.writeFile(join(mount.mountpoint, `${n}`), contents(n))
  await mount.kill()
  await succeed(mount.devices[2]!, mount.mountpoint)
  await mount.adopt()
  for (let n = 0; n < 4; n++)
    t.ok((await system.readFile(join(mount.mountpoint, `${n}`))).equals(contents(n)), `file ${n}`)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('a device that fails is named', async (t) => {
  const mount = await TestMount.makeOn(t, 4 * mebibyte, 64 * mebibyte)
  const system = await actor(t)
  const server = await ForegroundServer.start(mount, '-f', '--channel', 'devfuse')
  await truncate(mount.devices[1]!, 4096)
  t.not(await outcome(system.writeFile(join(mount.mountpoint, 'file'), contents(1))), 'OK')
  t.equal(await server.ended(), 32, server.output)
  t.match(server.output, `cannot access ${mount.devices[1]!} at byte `)
  await mount.cutOff()
  t.match(await pmfs2([mount.device, mount.mountpoint]), {
    end: 32,
    output: new RegExp(`${mount.devices[1]!} is \\d+ bytes shorter than its part of the file system`),
  })
  t.ok(await until(async () => Promise.resolve(findHolder(mount.device) === null)))
})

void tap.test('a file on a mount is as lasting as the least of the devices of the mount', async (t) => {
  const mount = await TestMount.make(t, '16M', '/var/tmp', 1)
  const [inRam, image] = [await temporaryDirectory(t, SHARED_MEMORY), join(mount.mountpoint, 'image')]
  await mount.mount('--channel', 'devfuse')
  const made = ['mkfs', image, '--size', '4M', '--force']
  t.match(
    await succeed(...made),
    /device +a file on fuse\.pmfs2.*; a power failure loses nothing that was ack/,
  )
  await succeed('grow', mount.mountpoint, join(inRam, 'further'), '--size', '8M')
  const line = /device +a file that lies in RAM \(tmpfs\): a power failure loses everything/
  t.match(await succeed(...made), line)
  await t.test('whose server is stopped, and is not waited for', async (t) => {
    const { pid } = await mount.report()
    process.kill(pid, 'SIGSTOP')
    try {
      const underlay = new Underlay({ sys: '/sys', proc: '/proc' })
      t.equal(underlay.ramBelowFile(image), 'tmpfs')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  })
  await mount.unmount()
})
