// SPDX-License-Identifier: GPL-2.0-only
/** The label of a mounted volume, as programs ask for it and set it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { ALICE, actor } from '../posix/fixture.js'
import { loopOver } from '../support/loop-device.js'
import { mount8 } from '../support/mount-helper.js'
import { turnRingOn } from '../support/ring-switch.js'
import type { Finished } from '../support/run-command.js'
import { type System, outcome } from '../support/system.js'
import { TestMount, succeed } from '../support/test-mount.js'

const FS_IOC_GETFSLABEL = 0x81009431
const FS_IOC_SETFSLABEL = 0x41009432
const argumentBytes = 256
/** As many bytes as a label may have, and the shortest one. */
const labels = ['', 'ü'.repeat(32), 'scratch'] as const

tap.setTimeout(300_000)

async function get(system: System, path: string): Promise<string> {
  const answer = await system.ioctl(path, FS_IOC_GETFSLABEL, Buffer.alloc(argumentBytes, 1))
  return answer.toString('utf8').replace(/\0+$/, '')
}

/** What follows the zero is not looked at. */
function set(system: System, path: string, label: string | Buffer): Promise<string> {
  const argument = Buffer.concat([Buffer.from(label), Buffer.alloc(1), Buffer.alloc(argumentBytes, 'x')])
  return outcome(system.ioctl(path, FS_IOC_SETFSLABEL, argument.subarray(0, argumentBytes)))
}

async function labelShown(operand: string): Promise<string> {
  const output = await succeed('info', '--json', operand)
  return (JSON.parse(output) as { label: string }).label
}

function remounts(mount: TestMount, options: string): Promise<Finished> {
  return mount8('-i', '-o', `remount,${options}`, mount.mountpoint)
}

async function asked(t: Test, channel: string): Promise<void> {
  const system = await actor(t)
  const mount = await TestMount.make(t, '32M')
  for (const label of labels) {
    await succeed('mkfs', ...mount.devices, '--force', '--label', label)
    await mount.mount('--channel', channel)
    const file = join(mount.mountpoint, 'file')
    await writeFile(file, '')
    for (const path of [mount.mountpoint, file]) {
      const answer = await system.ioctl(path, FS_IOC_GETFSLABEL, Buffer.alloc(argumentBytes, 1))
      t.same(answer, Buffer.concat([Buffer.from(label)], argumentBytes), `"${label}", and zeros`)
    }
    await mount.unmount()
  }
}

async function isSet(t: Test, channel: string, ...args: readonly string[]): Promise<void> {
  const mount = await TestMount.mounted(t, '32M', '--channel', channel, ...args)
  const { device, devices, mountpoint } = mount
  const file = join(mountpoint, 'file')
  await writeFile(file, '')
  const systems = await Promise.all([actor(t), actor(t), actor(t), actor(t)])
  const system = systems[0]
  for (const [n, label] of labels.entries()) {
    t.equal(await set(system, n === 0 ? mountpoint : file, label), 'OK')
    for (let round = 0; round < 8; round++) {
      const seen = await Promise.all(systems.map((other) => get(other, mountpoint)))
      t.same(new Set(seen), new Set([label]), 'whoever serves it')
    }
    t.equal(await labelShown(mountpoint), label)
    t.equal(await labelShown(device), label)
  }
  const alice = await actor(t, ALICE)
  const last = labels.at(-1)!
  t.equal(await set(alice, mountpoint, 'hers'), 'EPERM', 'for administrators')
  t.equal(await set(alice, mountpoint, 'x'.repeat(65)), 'EPERM', 'who learn nothing else')
  t.equal(await get(alice, mountpoint), last, 'all may see it')
  t.equal(await set(system, mountpoint, 'x'.repeat(65)), 'EINVAL', 'too long')
  t.equal(await set(system, mountpoint, 'x'.repeat(argumentBytes)), 'EINVAL', 'without an end')
  t.equal(await set(system, mountpoint, Buffer.of(0x78, 0xff)), 'EINVAL', 'no UTF-8')
  t.equal(await set(system, mountpoint, 'two\nlines'), 'EINVAL', 'two lines')
  t.equal(await get(system, mountpoint), last)

  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount('--channel', channel, '-o', 'ro', ...args)
  t.equal(await set(system, mountpoint, 'other'), 'EROFS')
  t.equal(await get(system, mountpoint), last)
  await succeed(device, mountpoint, '-o', 'remount,rw')
  const name = `label ${process.pid} ${channel}`
  t.equal(await set(system, mountpoint, name), 'OK', 'once it is writable')
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  for (const path of devices) loopOver(t, path)
  await succeed(`LABEL=${name}`, mountpoint)
  await mount.adopt()
  t.equal(await get(system, mountpoint), name, 'and mounted by it')
  await mount.unmount()
}

/** All workers pause for each remount, and for the read-only ones the main thread writes the superblock. */
async function beside(t: Test, channel: string, ...args: readonly string[]): Promise<void> {
  const mount = await TestMount.mounted(t, '32M', '--channel', channel, ...args)
  const { mountpoint } = mount
  const systems = await Promise.all([actor(t), actor(t), actor(t)])
  let isOver = false
  const setting = systems.map(async (system, n) => {
    const outcomes = new Map<string, number>()
    for (let round = 0; !isOver; round++) {
      const result = await set(system, mountpoint, `${n}`.repeat(1 + (round % 64)))
      outcomes.set(result, (outcomes.get(result) ?? 0) + 1)
    }
    return outcomes
  })
  for (let round = 0; round < 10; round++)
    for (const options of ['noatime', 'relatime', 'ro', 'rw'])
      t.match(await remounts(mount, options), { end: 0 }, options)
  isOver = true
  for (const outcomes of await Promise.all(setting)) {
    t.ok(outcomes.get('OK')! > 0, [...outcomes].join('; '))
    outcomes.delete('OK')
    outcomes.delete('EROFS')
    t.same([...outcomes], [])
  }
  t.match(await get(systems[0], mountpoint), /^(0+|1+|2+)$/, 'one of them, whole')
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

function all(channel: string, ...args: readonly string[]): void {
  void tap.test(`FS_IOC_GETFSLABEL over ${channel}`, (t) => asked(t, channel))
  void tap.test(`FS_IOC_SETFSLABEL over ${channel}`, (t) => isSet(t, channel, ...args))
  void tap.test(`FS_IOC_SETFSLABEL beside remounts, over ${channel}`, (t) => beside(t, channel, ...args))
}

all('devfuse', '--workers', '3')
void tap.test('FS_IOC_SETFSLABEL beside remounts, with one worker', (t) =>
  beside(t, 'devfuse', '--workers', '1'),
)
if (turnRingOn(tap) === 'uring') all('uring')
