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

void t.test('a failed system call is no defect', (t) => {
  try {
    readFileSync('/nonexistent')
    t.fail('it was read')
  } catch (error) {
    const { line, exitCode } = verdict(error, mkfs)
    t.match(line, /ENOENT.*\/nonexistent/)
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
  t.equal(met('/dev/pmem0'), `EMFILE: too many open files, open '/dev/pmem0': ${advice}`)
  t.end()
})

void t.test('a native part for which there is no memory is no defect', (t) => {
  const error = new Error('/x/pmfs2.node: failed to map segment from shared object')
  const { line, exitCode } = verdict(Object.assign(error, { code: 'ERR_DLOPEN_FAILED' }), mount)
  t.equal(line, 'there is no memory left, or no more of it is allowed (ulimit -v)')
  t.equal(exitCode, 32)
  t.end()
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
