// SPDX-License-Identifier: GPL-2.0-only
/** How a server follows the mount table when something else happens at the same time, with workers that do as told. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { openVolume } from '../../src/api/opened-volume.js'
import { parseMountOptions } from '../../src/daemon/mount-options.js'
import { identityAt } from '../../src/daemon/mount-table.js'
import { ServingMode } from '../../src/daemon/serving-mode.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { formattedDevice } from '../api/formatted-device.js'
import { run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'

/** A mount that the kernel serves, with a volume that has nothing to do with it. */
async function stage(t: Test, readOnly = false) {
  const path = await temporaryDirectory(t)
  await run('mount', ['-t', 'tmpfs', '-o', readOnly ? 'ro' : 'rw', 'pmfs2-test', path])
  t.teardown(() => run('umount', ['-l', path]))
  const opened = openVolume(formattedDevice(t, 2 ** 22), readOnly)
  t.teardown(() => opened.close())
  const events: string[] = []
  let finishPause = (): void => undefined
  const workers = {
    arePaused: true,
    isEnding: false,
    pause: () =>
      new Promise<void>((resolve) => {
        events.push('pause')
        finishPause = resolve
      }),
    goOn: (): void => void events.push('goOn'),
    fail: (error: unknown) => void events.push(`fail: ${String(error)}`),
  }
  const calls = { remountReadOnly: () => Promise.resolve(false) }
  const mode = new ServingMode({
    identity: identityAt(path),
    opened,
    localSegments: () => [],
    workers,
    calls,
    options: parseMountOptions([]),
    tell: () => undefined,
  })
  t.teardown(() => mode.release())
  const remount = (options: string) => run('mount', ['-i', '-o', `remount,${options}`, path])
  return { mode, opened, workers, calls, events, remount, finishPause: () => finishPause() }
}

type Stage = Awaited<ReturnType<typeof stage>>

void test('what workers may have to serve waits until they go on', async (t) => {
  const { mode, opened, events, remount, finishPause } = await stage(t)
  mode.whenServing(() => events.push('first'))
  await remount('ro')
  mode.follow()
  mode.whenServing(() => events.push('second'))
  await sleep(1)
  t.same(events, ['first', 'pause'])
  finishPause()
  await sleep(1)
  t.same(events, ['first', 'pause', 'goOn', 'second'])
  t.ok(opened.volume.isReadOnly)
})

void test('workers that do not all pause are let alone, and so is the volume', async (t) => {
  const { mode, opened, workers, events, remount, finishPause } = await stage(t)
  await remount('ro')
  mode.follow()
  await sleep(1)
  workers.arePaused = false
  mode.whenServing(() => events.push('later'))
  finishPause()
  await sleep(1)
  t.same(events.slice(0, 2), ['pause', 'later'])
  t.notOk(events.includes('goOn'))
  t.notOk(opened.volume.isReadOnly)
})

void test('a volume that cannot be used any more ends the mount', async (t) => {
  const { mode, opened, events, remount, finishPause } = await stage(t, true)
  const error = new Error('it is gone')
  opened.becomeWritable = () => {
    throw error
  }
  await remount('rw')
  mode.follow()
  finishPause()
  await sleep(1)
  t.same(events.slice(0, 2), ['pause', 'fail: Error: it is gone'])
  t.notOk(events.includes('goOn'))
})

void test('workers go on after work that failed, unless the volume has failed with it', async (t) => {
  for (const hasFailed of [false, true]) {
    const { mode, opened, events, finishPause } = await stage(t)
    const done = mode.whilePaused(() => {
      events.push('work')
      if (hasFailed) opened.volume.state.markFailed()
      throw new Error('it failed')
    })
    finishPause()
    await t.rejects(done, { message: 'it failed' })
    t.same(events, ['pause', 'work', hasFailed ? 'fail: Error: it failed' : 'goOn'])
  }
})

void test('nothing begins once the workers have been told to end', async (t) => {
  const { mode, workers, events } = await stage(t)
  t.notOk(mode.isEnding)
  workers.isEnding = true
  t.ok(mode.isEnding)
  await t.rejects(
    mode.whilePaused(() => undefined),
    { message: 'its server is ending' },
  )
  t.same(events, [])
  workers.isEnding = false
  mode.release()
  t.ok(mode.isEnding)
})

void test('workers that cannot go on end the mount', async (t) => {
  const starts = [
    async ({ mode, remount }: Stage) => {
      await remount('ro')
      mode.follow()
    },
    ({ mode }: Stage) =>
      t.rejects(
        mode.whilePaused(() => undefined),
        { message: 'no engine' },
      ),
  ]
  for (const start of starts) {
    const staged = await stage(t)
    const { workers, events, finishPause } = staged
    workers.goOn = () => {
      throw new Error('no engine')
    }
    const done = start(staged)
    while (events.length === 0) await sleep(1)
    finishPause()
    await done
    await sleep(1)
    t.match(events, ['pause', 'fail: Error: no engine'])
  }
})

void test('a mount table that cannot be read is read later', async (t) => {
  const { mode, events, remount, finishPause } = await stage(t)
  await remount('ro')
  const { readFileSync } = fs
  const mend = (): void => {
    fs.readFileSync = readFileSync
    syncBuiltinESMExports()
  }
  t.teardown(mend)
  fs.readFileSync = () => {
    throw new Error('EMFILE: too many open files')
  }
  syncBuiltinESMExports()
  mode.follow()
  mode.follow()
  t.same(events, [])
  mend()
  while (events.length === 0) await sleep(10)
  finishPause()
  await sleep(1)
  t.same(events, ['pause', 'goOn'], 'nobody has to ask')
})

void test('what somebody remounts while the server refuses to write is followed as well', async (t) => {
  const meanwhile: readonly [isRemounted: boolean, ...options: string[]][] = [
    [true, 'ro', 'rw'],
    [true, 'ro,noatime'],
    [false, 'rw,noatime'],
  ]
  for (const [isRemounted, ...options] of meanwhile) {
    const { mode, opened, calls, events, remount, finishPause } = await stage(t, true)
    opened.becomeWritable = () => {
      throw new VolumeError('damaged', 'it is damaged')
    }
    calls.remountReadOnly = async () => {
      for (const option of options) await remount(option)
      events.push('remounted')
      return isRemounted
    }
    await remount('rw')
    mode.follow()
    finishPause()
    while (!events.includes('remounted')) await sleep(10)
    await sleep(10)
    t.same(events, ['pause', 'goOn', 'remounted', 'pause'], options.join(', then '))
  }
})

void test('the remount by the server itself is no change', async (t) => {
  const { mode, opened, calls, events, remount, finishPause } = await stage(t, true)
  opened.becomeWritable = () => {
    throw new VolumeError('damaged', 'it is damaged')
  }
  calls.remountReadOnly = async () => {
    await remount('ro')
    events.push('remounted')
    return true
  }
  await remount('rw')
  mode.follow()
  finishPause()
  while (!events.includes('remounted')) await sleep(10)
  await sleep(10)
  mode.follow()
  t.same(events, ['pause', 'goOn', 'remounted'])
  t.equal(mode.report.refusal, 'it is damaged')
})
