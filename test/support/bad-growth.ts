// SPDX-License-Identifier: GPL-2.0-only
/**
 * Ways in which growth goes wrong, for the tests of what becomes of it. Node loads this file into the server and into
 * commands before anything else. It begins when a file of the test's is there, and a server that has failed ends once
 * that is gone.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Workers } from '../../src/daemon/workers.js'
import { readSuperblock } from '../../src/fs/superblock.js'
import { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { DeviceError } from '../../src/pmem/device-error.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'

const [kind = '', held = ''] = (process.env['PMFS2_TEST_GROWTH'] ?? '').split(' ')
const stepMs = 10

type Fence = (this: MappedMedium) => void
type Grow = (this: Volume, ...rest: unknown[]) => void
type Fail = (this: Workers, error: unknown) => void

const fence = Reflect.get(MappedMedium.prototype, 'fence') as Fence
const grow = Reflect.get(Volume.prototype, 'grow') as Grow
const fail = Reflect.get(Workers.prototype, 'fail') as Fail

/** The device fails once a copy of the superblock names more than one segment. */
const fenceHalfWay: Fence = function () {
  fence.call(this)
  if (existsSync(held) && readSuperblock(this).superblock.segments.length > 1)
    throw new DeviceError('EIO', 'cannot write: a failure made for a test')
}

/** What has passed every check is refused once its windows are mapped. */
const refuse: Grow = function (...rest) {
  if (existsSync(held)) throw new VolumeError('size', 'a refusal made for a test')
  grow.call(this, ...rest)
}

/** It takes its time, and nobody is answered meanwhile. The test is told when it has begun. */
const growSlowly: Grow = function (...rest) {
  if (existsSync(held)) writeFileSync(`${held}-begun`, '')
  const clock = new Int32Array(new SharedArrayBuffer(4))
  while (existsSync(held)) Atomics.wait(clock, 0, 0, stepMs)
  grow.call(this, ...rest)
}

/** The command is to hear what the server says of it. */
const failLater = async (workers: Workers, error: unknown): Promise<void> => {
  while (existsSync(held)) await sleep(stepMs, undefined, { ref: false })
  fail.call(workers, error)
}

if (kind === 'half') Reflect.set(MappedMedium.prototype, 'fence', fenceHalfWay)
if (kind === 'refused') Reflect.set(Volume.prototype, 'grow', refuse)
if (kind === 'slow') Reflect.set(Volume.prototype, 'grow', growSlowly)
const failing: Fail = function (error) {
  void failLater(this, error)
}
Reflect.set(Workers.prototype, 'fail', failing)
