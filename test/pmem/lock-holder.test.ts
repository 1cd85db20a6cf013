// SPDX-License-Identifier: GPL-2.0-only
/** The process that has locked a device: on this machine, and in a /proc of our own making. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { statDevice } from '../../src/pmem/device-open.js'
import { openDevice } from '../../src/pmem/device.js'
import { deviceNumbers } from '../../src/pmem/device-facts.js'
import { identityOf, isSameDevice, lockHolder } from '../../src/pmem/lock-holder.js'
import { temporaryDirectory } from '../support/temporary.js'

async function newFile(t: Test): Promise<{ folder: string; path: string }> {
  const folder = await temporaryDirectory(t)
  const path = join(folder, 'device')
  writeFileSync(path, Buffer.alloc(2 ** 20))
  return { folder, path }
}

const look = (path: string, proc?: string): number | null =>
  lockHolder(statSync(path, { bigint: true }), proc)

void t.test('as the kernel lists it', async (t) => {
  const { path } = await newFile(t)
  t.equal(look(path), null, 'nobody holds it')
  const shared = openDevice(path, { access: 'read-only', exclusive: false })
  t.equal(look(path), null, 'who has it open has not locked it')
  shared.close()
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  t.equal(look(path), process.pid)
  device.close()
  t.equal(look(path), null)
})

void t.test('which locks count', async (t) => {
  const { folder, path } = await newFile(t)
  const { dev, ino } = statSync(path, { bigint: true })
  const place = `${deviceNumbers(dev)
    .split(':')
    .map((number) => Number(number).toString(16).padStart(2, '0'))
    .join(':')}:${ino}`
  const holderIn = (...lines: string[]): number | null => {
    writeFileSync(join(folder, 'locks'), lines.map((line) => `${line}\n`).join(''))
    return look(path, folder)
  }
  t.equal(holderIn(`1: FLOCK  ADVISORY  WRITE 77 ${place} 0 EOF`), 77)
  t.equal(holderIn(`1: FLOCK  ADVISORY  READ 77 ${place} 0 EOF`), null, 'a shared one locks nobody out')
  t.equal(holderIn(`1: POSIX  ADVISORY  WRITE 77 ${place} 0 EOF`), null, 'one of fcntl(2) neither')
  t.equal(holderIn(`1: -> FLOCK  ADVISORY  WRITE 77 ${place} 0 EOF`), null, 'nor one that is waited for')
  t.equal(holderIn(`1: FLOCK  ADVISORY  WRITE 77 ${place}1 0 EOF`), null, 'nor one of another file')
  t.equal(holderIn(), null)
  // Overlayfs and Btrfs: another device number than stat(2) shows.
  const elsewhere = `1: FLOCK  ADVISORY  WRITE 88 ff:ff:${ino} 0 EOF`
  t.equal(holderIn(elsewhere), null)
  mkdirSync(join(folder, '88/fd'), { recursive: true })
  symlinkSync(path, join(folder, '88/fd/3'))
  t.equal(holderIn(elsewhere), 88, 'what the process has open tells')
})

void t.test('no /proc', async (t) => {
  const { folder, path } = await newFile(t)
  t.equal(look(path, join(folder, 'nothing')), null)
})

void t.test('a device may have more than one node', async (t) => {
  const folder = await temporaryDirectory(t)
  const node = (name: string, type: string, minor: number) => {
    const path = join(folder, name)
    execFileSync('mknod', [path, type, '1', String(minor)])
    return statDevice(path)
  }
  const [one, other, third] = [node('one', 'c', 3), node('other', 'c', 3), node('third', 'c', 5)]
  const block = node('block', 'b', 3)
  t.ok(isSameDevice(one, other))
  t.equal(identityOf(one), identityOf(other))
  t.notOk(isSameDevice(one, third))
  t.notOk(isSameDevice(one, block), 'block devices have numbers of their own')
  t.ok(isSameDevice(block, node('another', 'b', 3)))
  const [first, second] = ['first', 'second'].map((name) => {
    writeFileSync(join(folder, name), '')
    return statDevice(join(folder, name))
  })
  t.notOk(isSameDevice(first!, second!), 'files are told from each other by their inodes')
})
