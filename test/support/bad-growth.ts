// SPDX-License-Identifier: GPL-2.0-only
/**
 * Ways in which growth goes wrong, for the tests of what becomes of it. Node loads this file into the server and into
 * commands before anything else. It begins when a file of the test's is there, and a server that has failed ends once
 * that is gone.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { GrowthInHand } from '../../src/api/growth-in-hand.js'
import { Ends } from '../../src/cli/ends.js'
import { Workers } from '../../src/daemon/workers.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { DeviceError } from '../../src/pmem/device-error.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'

const [kind = '', held = '', count = ''] = (process.env['PMFS2_TEST_GROWTH'] ?? '').split(' ')
const stepMs = 10

type Fence = (this: MappedMedium) => void
type Grow = (this: Volume, ...rest: unknown[]) => void
type Fail = (this: Workers, error: unknown) => void
type Finish = (this: Ends) => void
type Run = (this: Ends, succeeded: boolean) => void

const fence: Fence = Reflect.get(MappedMedium.prototype, 'fence')
const grow = Reflect.get(Volume.prototype, 'grow') as Grow
const fail: Fail = Reflect.get(Workers.prototype, 'fail')
const begin = GrowthInHand.begin.bind(GrowthInHand)
const finish: Finish = Reflect.get(Ends.prototype, 'finish')
const run: Run = Reflect.get(Ends.prototype, 'run')

/** The device fails once a copy of the superblock names more than one segment. */
const fenceHalfWay: Fence = function () {
  fence.call(this)
  // What joins is stored to by a medium of its own, without the first window.
  if (existsSync(held) && this.windows[0] !== 0 && readSuperblock(this).superblock.segments.length > 1)
    throw new DeviceError('EIO', 'cannot write: a failure made for a test')
}

/** What has passed every check is refused once its windows are mapped. */
const refuse: Grow = function (...rest) {
  if (existsSync(held)) throw new VolumeError('size', 'a refusal made for a test')
  grow.call(this, ...rest)
}

/** Does nothing until the test goes on, which is told that this has begun. */
function hold(): void {
  if (existsSync(held)) writeFileSync(`${held}-begun`, '')
  const clock = new Int32Array(new SharedArrayBuffer(4))
  while (existsSync(held)) Atomics.wait(clock, 0, 0, stepMs)
}

/** It takes its time, and the server answers nobody meanwhile. */
const growSlowly: Grow = function (...rest) {
  hold()
  grow.call(this, ...rest)
}

/** The server dies before it can answer. */
const growAndDie: Grow = function (...rest) {
  grow.call(this, ...rest)
  if (existsSync(held)) process.kill(process.pid, 'SIGKILL')
}

/**
 * The server dies before a fence has done anything: the one of this number from the beginning of a growth on. It leaves
 * a file with the number of those that it has come to.
 */
let fences: number | null = null
const beginCounting: typeof begin = (...args) => {
  if (existsSync(held)) fences = 0
  return begin(...args)
}
const fenceOrDie: Fence = function () {
  if (fences !== null) {
    fences++
    writeFileSync(`${held}-fences`, String(fences))
    if (fences === Number(count)) process.kill(process.pid, 'SIGKILL')
  }
  fence.call(this)
}
/** What comes after it has grown does not count. */
const growAndCount: Grow = function (...rest) {
  grow.call(this, ...rest)
  fences = null
}

/** The command has made ready what is to be added, and gives its order later. */
const orderLater: Finish = function () {
  finish.call(this)
  hold()
}

/** The command is to hear what the server says of it. */
const failLater = async (workers: Workers, error: unknown): Promise<void> => {
  while (existsSync(held)) await sleep(stepMs, undefined, { ref: false })
  fail.call(workers, error)
}

if (kind === 'half') Reflect.set(MappedMedium.prototype, 'fence', fenceHalfWay)
if (kind === 'refused') Reflect.set(Volume.prototype, 'grow', refuse)
/** The command has heard which devices there are, and opens them later. */
const open = DeviceSet.open.bind(DeviceSet)
const openLater: typeof open = (...args) => {
  hold()
  return open(...args)
}

/** The server refuses to take the first device that it is told to. */
let hasRefused = false
const refuseOnce: typeof open = (...args) => {
  const [[path = '']] = args
  if (hasRefused || !existsSync(held) || !path.endsWith('-added')) return open(...args)
  hasRefused = true
  throw new DeviceError('EIO', 'a refusal made for a test')
}

/** The command has decided to undo what it has made ready, and does so later. */
const undoLater: Run = function (succeeded) {
  if (!succeeded) hold()
  run.call(this, succeeded)
}

if (kind === 'undo' && process.argv.includes('grow')) Reflect.set(Ends.prototype, 'run', undoLater)
else if (kind === 'undo') Reflect.set(DeviceSet, 'open', refuseOnce)
if (kind === 'early' && process.argv.includes('grow')) Reflect.set(DeviceSet, 'open', openLater)
if (kind === 'dies') {
  Reflect.set(GrowthInHand, 'begin', beginCounting)
  Reflect.set(MappedMedium.prototype, 'fence', fenceOrDie)
  Reflect.set(Volume.prototype, 'grow', growAndCount)
}
if (kind === 'last') Reflect.set(Volume.prototype, 'grow', growAndDie)
if (kind === 'late') Reflect.set(Ends.prototype, 'finish', orderLater)
if (kind === 'slow') Reflect.set(Volume.prototype, 'grow', growSlowly)
const failing: Fail = function (error) {
  void failLater(this, error)
}
Reflect.set(Workers.prototype, 'fail', failing)
