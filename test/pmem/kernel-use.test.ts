// SPDX-License-Identifier: GPL-2.0-only
/** Files that the kernel itself uses: on this machine, and in a /sys and /proc of our own making. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DeviceError, isHeld, openDevice } from '../../src/pmem/device.js'
import { type KernelPlaces, kernelUse } from '../../src/pmem/kernel-use.js'
import { temporaryDirectory } from '../support/temporary.js'

const exclusively = { access: 'read-write', exclusive: true } as const
const toCheck = { access: 'read-only', exclusive: true } as const

function use(path: string, places?: KernelPlaces): string | null {
  const fd = openSync(path, 'r')
  try {
    return kernelUse(fd, fstatSync(fd, { bigint: true }), null, places)
  } finally {
    closeSync(fd)
  }
}

void t.test('as the kernel lists it', async (t) => {
  const folder = await temporaryDirectory(t)
  const places = { sys: join(folder, 'sys'), proc: join(folder, 'proc'), dev: join(folder, 'dev') }
  const place = (name: string): string => {
    writeFileSync(join(folder, name), '')
    return join(folder, name)
  }
  const [looped, swapped, free] = [place('looped'), place('swap file'), place('free')]
  for (const name of ['loop0', 'loop1/loop', 'sda'])
    mkdirSync(join(places.sys, 'block', name), { recursive: true })
  writeFileSync(join(places.sys, 'block/loop1/loop/backing_file'), `${looped}\n`)
  mkdirSync(places.proc)
  writeFileSync(
    join(places.proc, 'swaps'),
    `Filename\tType\tSize\tUsed\tPriority\n${swapped.replace(' ', '\\040')}    file\t1020\t0\t-2\n`,
  )
  t.equal(use(looped, places), '/dev/loop1')
  t.equal(use(swapped, places), 'swap space')
  t.equal(use(free, places), null)
  const nowhere = join(folder, 'missing')
  t.equal(use(free, { sys: nowhere, proc: nowhere, dev: nowhere }), null, 'where nobody tells')
  t.equal(use(free), null, 'on this machine')
})

/** A file of 2 MiB, and a loop device over it. */
async function looped(t: Test): Promise<{ file: string; loop: string }> {
  const file = join(await temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  truncateSync(file, 2 ** 21)
  return { file, loop: loopOver(t, file) }
}

function loopOver(t: Test, path: string): string {
  const loop = execFileSync('losetup', ['--find', '--show', path], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', loop]))
  return loop
}

function refuses(t: Test, path: string, message: RegExp): void {
  for (const options of [exclusively, toCheck]) {
    try {
      openDevice(path, options).close()
      t.fail(`${path} can be had, ${options.access}`)
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error
      t.equal(error.code, 'EBUSY')
      t.match(error.message, message)
    }
  }
}

void t.test('a file behind a loop device is refused, by whatever name', async (t) => {
  const { file, loop } = await looped(t)
  const message = new RegExp(`^cannot use .*: it is in use by ${loop}$`)
  refuses(t, file, message)
  const other = `${file}-2`
  linkSync(file, other)
  refuses(t, other, message)
  renameSync(file, `${file}-3`)
  writeFileSync(file, '')
  truncateSync(file, 2 ** 21)
  refuses(t, `${file}-3`, message)
  openDevice(file, exclusively).close()
  t.notOk(isHeld(other), 'nobody has locked it')
  openDevice(other, { access: 'read-only', exclusive: false }).close()
})

void t.test('a loop device whose file is open here is refused', async (t) => {
  const file = join(await temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  truncateSync(file, 2 ** 21)
  const device = openDevice(file, exclusively)
  t.teardown(() => device.close())
  const loop = loopOver(t, file)
  refuses(t, loop, /^cannot lock .*file: it is in use/)
  device.close()
  openDevice(loop, exclusively).close()
})

void t.test('one file behind two loop devices, and a loop device behind another', async (t) => {
  const { file, loop } = await looped(t)
  const above = loopOver(t, loop)
  refuses(t, loop, new RegExp(`it is in use by ${above}$`))
  openDevice(above, exclusively).close()
  const second = loopOver(t, file)
  refuses(t, second, new RegExp(`it is in use by ${loop}$`))
})
