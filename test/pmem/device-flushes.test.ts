// SPDX-License-Identifier: GPL-2.0-only
/** How often the disk below a volume is told to write its cache: a flush takes longer than all else in a call. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import tap, { type Test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { openDevice } from '../../src/pmem/device.js'
import { mapDevices, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { Volume } from '../../src/fs/volume.js'
import { EngineCaller } from '../support/engine-caller.js'
import { SmallDisk } from '../support/small-disk.js'
import { epoch, formatSmall, root } from '../support/test-volume.js'

const volumeBytes = 2 ** 24
/** Place of "flush I/Os processed" in the file `stat` of a block device (Documentation/block/stat.rst). */
const flushField = 15

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

interface OnDisk {
  readonly caller: EngineCaller
  /** The flushes that the disk has seen. */
  readonly flushes: () => number
}

/** A new volume on a loop device. */
async function volumeOnDisk(t: Test): Promise<OnDisk> {
  const disk = await SmallDisk.make(t, 2 * volumeBytes)
  const path = disk.loop(t, 'backing', volumeBytes)
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  const description = mapDevices([device], 'read-write')
  const medium = new MappedMedium(description)
  formatSmall(medium, [volumeBytes / blockBytes])
  const volume = Volume.open(medium, { readOnly: false, now: epoch })
  const caller = new EngineCaller(volume.engine(0), medium)
  caller.setClock(epoch)
  t.teardown(() => {
    volume.close()
    medium.release()
    unmapDevices(description)
    device.close()
  })
  const statistics = `/sys/block/${basename(path)}/stat`
  const flushes = (): number => Number(readFileSync(statistics, 'utf8').trim().split(/\s+/)[flushField])
  return { caller, flushes }
}

void tap.test('a call flushes the disk once for each of its fences', async (t) => {
  const { caller, flushes } = await volumeOnDisk(t)
  const file = must(caller.file(root, 'file'))
  const page = Buffer.alloc(blockBytes, 1)
  must(caller.write(file, 0, Buffer.alloc(16 * blockBytes, 2)))
  // An inode table and directories of these sizes grow by none of these calls.
  const calls: Record<string, [flushes: number, call: () => unknown]> = {
    mkdir: [3, () => must(caller.mkdir(root, 'new folder'))],
    create: [3, () => must(caller.file(root, 'new'))],
    'overwriting 4 KiB': [1, () => must(caller.write(file, blockBytes, page))],
    'overwriting a part of two blocks': [1, () => must(caller.write(file, 100, page))],
    'appending 4 KiB': [3, () => must(caller.write(file, 16 * blockBytes, page))],
    rename: [4, () => must(caller.rename(root, 'new', root, 'renamed'))],
    'reading an attribute': [0, () => caller.attributes(file)],
  }
  for (const [name, [expected, call]] of Object.entries(calls)) {
    const before = flushes()
    call()
    t.equal(flushes() - before, expected, name)
  }
})
