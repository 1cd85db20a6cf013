// SPDX-License-Identifier: GPL-2.0-only
/** What `info` says of devices on hardware that the machine lacks. */
import { test } from 'tap'
import { withMedium } from '../../src/check/with-devices.js'
import { type VolumeInfo, describeVolume, volumeRows } from '../../src/cli/volume-info.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { formattedFiles } from '../api/formatted-device.js'
import { changedDevice } from '../support/changed-device.js'
import { temporaryDirectory } from '../support/temporary.js'

void test('whether the kernel gathers writes of the mount', async (t) => {
  const paths = formattedFiles(await temporaryDirectory(t), 2 ** 20)
  const opened = DeviceSet.open(paths, { access: 'read-only', exclusive: false })
  t.teardown(() => opened.close())
  const reading = withMedium(opened, 'read-only', readSuperblock)
  for (const [gathers, expected] of [
    [true, /; a power failure loses what was written and neither fsynced nor closed since/],
    [false, /; a power failure loses nothing that was acknowledged$/],
    [
      null,
      /; a power failure loses nothing that was acknowledged, unless it is mounted with writeback_cache$/,
    ],
  ] as const) {
    const use = { mount: null, gathers, names: [], states: [], badBlocks: [] }
    const volume = describeVolume(opened, reading, use)
    t.match(volume.persistence.summary, expected)
    t.match(volume.devices[0]!.persistence.summary, expected)
    t.match(volumeRows(volume).at(-1)![1], expected)
  }
})

void test('the NUMA nodes of devices, where they are known', async (t) => {
  const paths = formattedFiles(await temporaryDirectory(t), 2 ** 20, 2 ** 20, 2 ** 20)
  const opened = DeviceSet.open(paths, { access: 'read-only', exclusive: false })
  t.teardown(() => opened.close())
  const reading = withMedium(opened, 'read-only', readSuperblock)
  const devicesOn = (...nodes: readonly (number | null)[]): VolumeInfo =>
    describeVolume(
      new DeviceSet(opened.devices.map((device, n) => changedDevice(device, { numaNode: nodes[n]! }))),
      reading,
      null,
    )
  const shown = (volume: VolumeInfo) =>
    volumeRows(volume)
      .slice(-3)
      .map(([, text]) => text)
  const volume = devicesOn(0, 1, null)
  t.same(
    volume.devices.map(({ numaNode }) => numaNode),
    [0, 1, null],
  )
  const [first, second, third] = shown(volume) as [string, string, string]
  t.ok(first.startsWith(`1: ${paths[0]}, 1 MiB, NUMA node 0, a file`), first)
  t.ok(second.startsWith(`2: ${paths[1]}, 1 MiB, NUMA node 1, a file`), second)
  t.ok(third.startsWith(`3: ${paths[2]}, 1 MiB, a file`), third)
})
