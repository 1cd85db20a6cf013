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

/** What goes wrong: a name of {@link kinds}. */
export type BadGrowth = keyof typeof kinds

const [kind = '', held = '', count = ''] = (process.env['PMFS2_TEST_GROWTH'] ?? '').split(' ')
const isCommand = process.argv.includes('grow')
const stepMs = 10

type Fence = (this: MappedMedium) => void
type Grow = (this: Volume, ...rest: unknown[]) => void
type Fail = (this: Workers, error: unknown) => void
type Finish = (this: Ends) => void
type Run = (this: Ends, succeeded: boolean) => void

const fence: Fence = Reflect.get(MappedMedium.prototype, 'fence')
const grow = Reflect.get(Volume.prototype, 'grow') as Grow
const fail: Fail = Reflect.get(Workers.prototype, 'fail')
const finish: Finish = Reflect.get(Ends.prototype, 'finish')
const run: Run = Reflect.get(Ends.prototype, 'run')
const begin = GrowthInHand.begin.bind(GrowthInHand)
const open = DeviceSet.open.bind(DeviceSet)

/** Does nothing until the test goes on, which is told that this has begun. */
function hold(): void {
  if (existsSync(held)) writeFileSync(`${held}-begun`, '')
  const clock = new Int32Array(new SharedArrayBuffer(4))
  while (existsSync(held)) Atomics.wait(clock, 0, 0, stepMs)
}

function fenceHalfWay(fail: () => Error): Fence {
  return function () {
    fence.call(this)
    // What joins is stored to by a medium of its own, without the first window.
    if (existsSync(held) && this.windows[0] !== 0 && readSuperblock(this).superblock.segments.length > 1)
      throw fail()
  }
}

const failure = (): Error => new DeviceError('EIO', 'cannot write: a failure made for a test')
const defect = (): Error => new TypeError('a defect made for a test')

const refuse: Grow = function (...rest) {
  if (existsSync(held)) throw new VolumeError('size', 'a refusal made for a test')
  grow.call(this, ...rest)
}

const growSlowly: Grow = function (...rest) {
  hold()
  grow.call(this, ...rest)
}

const growAndDie: Grow = function (...rest) {
  grow.call(this, ...rest)
  if (existsSync(held)) process.kill(process.pid, 'SIGKILL')
}

/** Null unless it grows. */
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

const growAndCount: Grow = function (...rest) {
  grow.call(this, ...rest)
  fences = null
}

const orderLater: Finish = function () {
  finish.call(this)
  hold()
}

const openLater: typeof open = (...args) => {
  hold()
  return open(...args)
}

let hasRefused = false
const refuseOnce: typeof open = (...args) => {
  const [[path = '']] = args
  if (hasRefused || !existsSync(held) || !path.endsWith('-added')) return open(...args)
  hasRefused = true
  throw new DeviceError('EIO', 'a refusal made for a test')
}

const undoLater: Run = function (succeeded) {
  if (!succeeded) hold()
  run.call(this, succeeded)
}

/** The command is to hear what the server says of its failure. */
const failLater: Fail = function (error) {
  const fails = async (): Promise<void> => {
    while (existsSync(held)) await sleep(stepMs, undefined, { ref: false })
    fail.call(this, error)
  }
  void fails()
}

/** A method that another one takes the place of. */
type Patch = readonly [owner: object, method: string, replacement: unknown]

const kinds = {
  /** The device fails once a copy of the superblock names more than one segment. */
  half: [[MappedMedium.prototype, 'fence', fenceHalfWay(failure)]],
  /** The program has a defect there. */
  defect: [[MappedMedium.prototype, 'fence', fenceHalfWay(defect)]],
  /** What has passed every check is refused once its windows are mapped. */
  refused: [[Volume.prototype, 'grow', refuse]],
  /** It takes its time, and the server answers nobody meanwhile. */
  slow: [[Volume.prototype, 'grow', growSlowly]],
  /** The server dies before it can answer. */
  last: [[Volume.prototype, 'grow', growAndDie]],
  /**
   * The server dies before a fence has done anything: the one of a number, counted from the beginning of the growth to
   * its end. It leaves a file with the number of those that it has come to.
   */
  dies: [
    [GrowthInHand, 'begin', beginCounting],
    [MappedMedium.prototype, 'fence', fenceOrDie],
    [Volume.prototype, 'grow', growAndCount],
  ],
  /** The command has made ready what is to be added, and gives its order later. */
  late: [[Ends.prototype, 'finish', orderLater]],
  /** The command has heard which devices there are, and opens them later. */
  early: isCommand ? [[DeviceSet, 'open', openLater]] : [],
  /**
   * The server refuses to take the first device that it is told to, and the command has decided to undo what it has
   * made ready, and does so later.
   */
  undo: isCommand ? [[Ends.prototype, 'run', undoLater]] : [[DeviceSet, 'open', refuseOnce]],
} satisfies Record<string, readonly Patch[]>

const patches: readonly Patch[] = Object.hasOwn(kinds, kind) ? kinds[kind as BadGrowth] : []
for (const [owner, method, replacement] of patches) Reflect.set(owner, method, replacement)
Reflect.set(Workers.prototype, 'fail', failLater)
