// SPDX-License-Identifier: GPL-2.0-only
/** How errors become a line and an exit code. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CommandError, UsageError, about } from '../../src/cli/command-error.js'
import { commands } from '../../src/cli/commands.js'
import { verdict } from '../../src/cli/verdict.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { DeviceError } from '../../src/pmem/device-error.js'

const mkfs = commands.find(({ name }) => name === 'mkfs')!
const mount = commands.find(({ name }) => name === 'mount')!
const umount = commands.find(({ name }) => name === 'umount')!
const fsck = commands.find(({ name }) => name === 'fsck')!

/** What a command says that ends with `error` at work on a device. */
async function saidAbout(device: string, error: Error): Promise<string> {
  try {
    await about(device, () => {
      throw error
    })
  } catch (caught) {
    return verdict(caught, mkfs).line
  }
  return 'nothing'
}

void t.test('failures', (t) => {
  t.same(verdict(new CommandError('no'), mkfs), { line: 'no', exitCode: 1 })
  t.same(verdict(new CommandError('no'), mount), { line: 'no', exitCode: 32 })
  t.same(verdict(new CommandError('no'), fsck), { line: 'no', exitCode: 8 })
  t.same(verdict(new CommandError('no', 2), mount), { line: 'no', exitCode: 2 })
  t.same(verdict(new UsageError('--x is wrong'), fsck), {
    line: '--x is wrong; try pmfs2-fuse fsck --help',
    exitCode: 16,
  })
  t.end()
})

void t.test('what a defect has led to is said first', (t) => {
  const cause = new TypeError('x is not a function')
  const { notice, line, exitCode } = verdict(
    new CommandError('it may have changed', null, { cause, isOfDefect: true }),
    mkfs,
  )
  t.equal(notice, 'it may have changed')
  t.match(line, /^this is a bug in .*: TypeError: x is not a function /)
  t.equal(exitCode, verdict(cause, mkfs).exitCode)
  const failure = new CommandError('it may have changed', null, { cause })
  t.same(verdict(failure, mkfs), { line: 'it may have changed', exitCode: 1 })
  t.end()
})

void t.test('a failed system call is no defect', (t) => {
  try {
    readFileSync('/nonexistent')
    t.fail('it was read')
  } catch (error) {
    const { line, exitCode } = verdict(error, mkfs)
    t.equal(line, 'cannot open /nonexistent: there is no such file or device')
    t.equal(exitCode, 1)
  }
  t.end()
})

void t.test('a limit met while the program loads its parts is told, and not the part', (t) => {
  const met = (path: string): string => {
    const error = new Error(`EMFILE: too many open files, open '${path}'`)
    return verdict(Object.assign(error, { code: 'EMFILE', syscall: 'open', path }), mkfs).line
  }
  const advice = 'this process may open no more files: raise the limit (ulimit -n)'
  t.equal(met(fileURLToPath(import.meta.url)), advice)
  t.equal(met('/usr/lib/node_modules/yargs/index.mjs'), advice)
  t.equal(met('/dev/pmem0'), `cannot open /dev/pmem0: ${advice}`)
  t.end()
})

void t.test('a native part for which there is no memory is no defect', (t) => {
  const error = new Error('/x/pmfs2.node: failed to map segment from shared object')
  const { line, exitCode } = verdict(Object.assign(error, { code: 'ERR_DLOPEN_FAILED' }), mount)
  t.equal(line, 'there is no memory left, or no more of it is allowed (ulimit -v)')
  t.equal(exitCode, 2)
  t.end()
})

void t.test('a limit of the system has an exit code of its own where mount(8) has one', async (t) => {
  const exits = (error: unknown) =>
    [mount, umount, mkfs, fsck].map((command) => verdict(error, command).exitCode)
  const system = (code: string, syscall: string) =>
    Object.assign(new Error(`${code}: ${syscall}`), { code, syscall })
  const ofLimit = [2, 2, 1, 8]
  const ofFailure = [32, 32, 1, 8]
  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM']) {
    t.same(exits(system(code, 'open')), ofLimit, code)
    const met = about('/dev/x', () => {
      throw new DeviceError(code, 'cannot open /dev/x')
    })
    t.same(exits(await met.catch((error: unknown) => error)), ofLimit, `${code} of a device`)
  }
  t.same(exits(system('EAGAIN', 'spawn node')), ofLimit)
  const unstarted = Object.assign(system('EAGAIN', 'spawn node'), { path: 'node' })
  const advice = 'no further process can be had: raise the limit (ulimit -u)'
  t.equal(verdict(unstarted, mkfs).line, `cannot spawn node: ${advice}`)
  t.equal(await saidAbout('/dev/x', unstarted), `/dev/x: ${advice}`)
  t.same(exits(system('EAGAIN', 'read')), ofFailure)
  t.same(exits(system('EACCES', 'open')), ofFailure)
  t.same(exits(new CommandError('no', null, { cause: new DeviceError('EBUSY', 'in use') })), ofFailure)
})

void t.test('a native part that is not built is no defect', (t) => {
  const { line, exitCode } = verdict(new Error('No native build was found for platform=linux'), mount)
  t.match(line, /npm rebuild/)
  t.equal(exitCode, 32)
  t.end()
})

void t.test('a defect is called one', (t) => {
  const { line, exitCode } = verdict(new TypeError('x is undefined'), mkfs)
  t.match(line, /^this is a bug in pmfs2-fuse .*TypeError: x is undefined/)
  t.equal(exitCode, 4)
  t.equal(verdict('a string', mkfs).exitCode, 4)
  t.equal(verdict(new TypeError('x is undefined'), mount).exitCode, 4)
  t.equal(verdict(new TypeError('x is undefined'), fsck).exitCode, 8, 'no word on the file system')
  t.end()
})

void t.test('the device is named, once', async (t) => {
  t.equal(
    await saidAbout('/dev/x', new VolumeError('foreign', 'it holds nothing')),
    '/dev/x: it holds nothing',
  )
  t.equal(
    await saidAbout('/dev/x', new DeviceError('EIO', 'cannot open /dev/x: EIO')),
    'cannot open /dev/x: EIO',
  )
  t.equal(await saidAbout('/dev/x', new DeviceError('EIO', 'no memory')), '/dev/x: no memory')
  t.match(await saidAbout('/dev/x', new RangeError('oops')), /this is a bug/)
})
