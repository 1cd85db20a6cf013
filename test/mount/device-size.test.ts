// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the size of a device costs mkfs and a mount, on sparse files of 64 GiB and 1 TiB: room on the device, memory,
 * and page faults. These stand for time, which depends on what else the machine does: pages that are read or written
 * for the first time cost one each, or share one. The first mount after mkfs may meet each page of the bitmap by
 * itself.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { peakResidentBytes } from '../../bench/contenders/processes.js'
import { mostMegabytes, mostTimes } from '../../bench/workloads/device-sizes.js'
import { turnRingOn } from '../support/ring-switch.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { TestMount, packageRoot, program } from '../support/test-mount.js'

tap.setTimeout(120_000)

const gibibyte = 2 ** 30
const mebibyte = 2 ** 20
const kibibyte = 1024
/** The log: 256 lanes of 32 KiB. */
const laneBytes = 256 * 32 * kibibyte
const bitmapBytesPerGibibyte = 32 * kibibyte
/** For the superblock, the roots and the first inodes. */
const otherBytes = mebibyte
const mostResidentBytes = mostMegabytes * 1e6
const pageBytes = 4096
/** Each further one takes memory of its own, whatever the size of the device. */
const twoWorkers = ['--workers', '2']
/** Faults differ from start to start. */
const faultSlack = 2000
/** Field 10 of proc_pid_stat(5), counted from the one behind the name. */
const minorFaultsField = 7

interface Costs {
  readonly mkfsPeakBytes: number
  readonly deviceBytes: number
  /** More of that after the mount. */
  readonly grownBytes: number
  readonly peakBytes: number
  readonly firstFaults: number
  readonly faults: number
}

async function faultsOf(pid: number): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8')
  return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[minorFaultsField])
}

async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512
}

/** In a process of its own, which has only this done. @returns bytes that it had resident at most */
async function mkfsPeak(t: Test, sizeBytes: number): Promise<number> {
  const device = join(await temporaryDirectory(t, SHARED_MEMORY), 'medium')
  const mkfs = [process.execPath, program, 'mkfs', device, '--size', String(sizeBytes), '--sparse', '--quiet']
  const script = join(packageRoot, 'bench', 'client', 'command-cost.py')
  const { end, output } = await finish('env', [...withoutRunner, 'python3', script, ...mkfs])
  t.equal(end, 0, 'mkfs succeeds')
  const [, kibibytes] = output.split(' ')
  return Number(kibibytes) * kibibyte
}

async function costsOf(t: Test, sizeBytes: number, channel: string): Promise<Costs> {
  const mkfsPeakBytes = await mkfsPeak(t, sizeBytes)
  const mount = await TestMount.makeOn(t, sizeBytes)
  const deviceBytes = await allocatedBytes(mount.device)
  await mount.mount(...twoWorkers)
  const { pid, channel: served } = await mount.report()
  t.equal(served, channel)
  const peakBytes = await peakResidentBytes(pid)
  const firstFaults = await faultsOf(pid)
  const grownBytes = (await allocatedBytes(mount.device)) - deviceBytes
  await mount.remount(...twoWorkers)
  const faults = await faultsOf((await mount.report()).pid)
  await mount.unmount()
  await mount.check()
  return { mkfsPeakBytes, deviceBytes, grownBytes, peakBytes, firstFaults, faults }
}

void tap.test('the size of a device, by the default channel', async (t) => {
  const channel = turnRingOn(t)
  const small = await costsOf(t, 64 * gibibyte, channel)
  const large = await costsOf(t, 1024 * gibibyte, channel)
  for (const [gibibytes, costs] of [
    [64, small],
    [1024, large],
  ] as const) {
    const { mkfsPeakBytes, deviceBytes, grownBytes, peakBytes, firstFaults, faults } = costs
    const most = laneBytes + gibibytes * bitmapBytesPerGibibyte + otherBytes
    t.comment(`${gibibytes} GiB: device ${deviceBytes}, mkfs ${mkfsPeakBytes}, peak ${peakBytes}`)
    t.comment(`${gibibytes} GiB: faults ${firstFaults}, ${faults}`)
    t.ok(mkfsPeakBytes > 0 && mkfsPeakBytes < mostResidentBytes, `mkfs has ${mkfsPeakBytes} bytes in memory`)
    t.ok(deviceBytes <= most, `mkfs takes ${deviceBytes} bytes of a sparse file of ${gibibytes} GiB`)
    t.ok(grownBytes <= otherBytes, `a mount takes ${grownBytes} bytes more of it`)
    t.ok(peakBytes < mostResidentBytes, `the server has had ${peakBytes} bytes in memory at most`)
  }
  const bitmapPages = ((1024 - 64) * bitmapBytesPerGibibyte) / pageBytes
  const more = large.firstFaults - small.firstFaults
  t.ok(more <= bitmapPages + faultSlack, `${more} faults for ${bitmapPages} more pages of the bitmap`)
  t.ok(small.faults > 0 && large.faults <= small.faults * mostTimes, 'page faults of later mounts')
  t.ok(large.peakBytes <= small.peakBytes * mostTimes, 'memory of both servers')
  t.ok(large.mkfsPeakBytes <= small.mkfsPeakBytes * mostTimes, 'memory of mkfs for both')
})
