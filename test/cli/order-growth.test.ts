// SPDX-License-Identifier: GPL-2.0-only
/** Growing a mount whose server says nothing. */
import t from 'tap'
import { growingServer, orderGrowth } from '../../src/cli/order-growth.js'
import { openControl } from '../../src/daemon/control.js'
import type { DaemonReport } from '../../src/daemon/daemon-report.js'
import { deviceNumber, findMount } from '../../src/daemon/mount-table.js'
import type { GrowOrder } from '../../src/daemon/orders.js'

const settled = (): Promise<void> => Promise.resolve()

/** A mount that has no server of ours. */
const mount = findMount('/proc')!

const order: GrowOrder = { type: 'grow', volume: 'a volume', devices: [], sizeBytes: null, sparse: false }

void t.test('the server of a mount has died', async (t) => {
  const asked = { mount, name: '/proc', checkpoint: settled }
  await t.rejects(growingServer(asked), /^\/proc: its server has died; umount it/)
})

void t.test('it is unmounted while its server grows it', async (t) => {
  const gone = { ...mount, source: '/dev/pmem7' }
  const asked = { mount: gone, name: '/mnt', checkpoint: settled }
  const said = '/mnt: it has been unmounted meanwhile'
  await t.rejects(growingServer(asked), { message: said })
  await t.rejects(orderGrowth(asked, order), {
    message: said,
  })
})

void t.test('another mount has its number by now', async (t) => {
  const report: Partial<DaemonReport> = {
    device: '/dev/pmem8',
    mountpoint: '/mnt/other',
    channel: 'devfuse',
    workers: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    requests: {},
    bytesRead: 0,
    bytesWritten: 0,
  }
  const control = openControl(deviceNumber(mount.device), () => report as DaemonReport)
  t.teardown(() => control.close())
  await control.settled
  const asked = { mount: { ...mount, source: '/dev/pmem7' }, name: '/mnt', checkpoint: settled }
  const said = '/mnt: it has been unmounted meanwhile'
  await t.rejects(growingServer(asked), { message: said })
  await t.rejects(orderGrowth(asked, order), { message: said })
})
