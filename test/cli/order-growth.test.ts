// SPDX-License-Identifier: GPL-2.0-only
/** Growing a mount whose server says nothing. */
import t, { type Test } from 'tap'
import { Interrupted } from '../../src/cli/interruption.js'
import { UncertainGrowth, growingServer, orderGrowth } from '../../src/cli/order-growth.js'
import { openControl } from '../../src/daemon/control.js'
import type { DaemonReport } from '../../src/daemon/daemon-report.js'
import { deviceNumber, findMount } from '../../src/daemon/mount-table.js'
import type { GrowOrder } from '../../src/daemon/orders.js'
import { connectTo, hear, listeningSockets, nameLength } from '../../src/daemon/socket-owner.js'

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
  await t.rejects(orderGrowth(asked, order), { message: `${said}; nothing has changed` })
})

/** A server of the mount, which says of orders what the test has it say. */
async function serve(t: Test, said: (report: Partial<DaemonReport>) => Partial<DaemonReport>): Promise<void> {
  const report: Partial<DaemonReport> = {
    device: mount.source,
    mountpoint: '/proc',
    channel: 'devfuse',
    workers: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    requests: {},
    bytesRead: 0,
    bytesWritten: 0,
  }
  const control = openControl(mount, () => said(report) as DaemonReport)
  t.teardown(() => control.close())
  await control.settled
}

/** Names of the orders that are held out to it, and their sockets. */
function heldOut(): { readonly sockets: readonly string[]; readonly names: readonly string[] } {
  const prefix = `\0pmfs2-order/${deviceNumber(mount.device)}/`
  const sockets = listeningSockets(prefix)
  return { sockets, names: sockets.map((socket) => socket.slice(prefix.length, nameLength)) }
}

void t.test('another mount has its number by now', async (t) => {
  await serve(t, (report) => ({ ...report, device: '/dev/pmem8' }))
  const asked = { mount: { ...mount, source: '/dev/pmem7' }, name: '/mnt', checkpoint: settled }
  const said = '/mnt: it has been unmounted meanwhile'
  await t.rejects(growingServer(asked), { message: said })
  await t.rejects(orderGrowth(asked, order), { message: `${said}; nothing has changed` })
})

/** A server that fetches orders when it is asked. @param said is told whether it has one */
async function serveFetching(
  t: Test,
  said: (report: Partial<DaemonReport>, isFetched: boolean) => Partial<DaemonReport>,
): Promise<void> {
  let isFetched = false
  await serve(t, (report) => {
    if (!isFetched)
      for (const peer of connectTo(heldOut().sockets, null))
        void hear(peer).then((text) => (isFetched ||= text !== null))
    return said(report, isFetched)
  })
}

void t.test('what a server has fetched is waited for without a limit', async (t) => {
  const grown = { before: 1, after: 3, unused: 0 }
  const now = performance.now.bind(performance)
  let passedMs = 0
  performance.now = () => now() + passedMs
  t.teardown(() => (performance.now = now))
  let asked = 0
  await serveFetching(t, (report, isFetched) => {
    if (!isFetched) return report
    asked++
    passedMs += 3_600_000
    const growths = heldOut().names.map((order) => ({ order, refusal: null, isUncertain: false, grown }))
    return asked <= 5 ? report : { ...report, growths }
  })
  t.same(await orderGrowth({ mount, name: '/proc', checkpoint: settled }, order), grown)
  t.equal(asked, 6)
})

void t.test('a server that does not begin is waited for with a limit', async (t) => {
  await serve(t, (report) => report)
  const failure = await orderGrowth({ mount, name: '/proc', checkpoint: settled }, order, -1).catch(
    (error: unknown) => error,
  )
  t.match(failure, { message: '/proc: its server has not begun to grow it; nothing has changed' })
  t.notOk(failure instanceof UncertainGrowth)
})

void t.test('what has become of an order that was fetched is not known', async (t) => {
  await serveFetching(t, (report, isFetched) => (isFetched ? { ...report, device: '/dev/pmem8' } : report))
  const failure = await orderGrowth({ mount, name: '/proc', checkpoint: settled }, order).catch(
    (error: unknown) => error,
  )
  t.match(failure, { message: '/proc: it has been unmounted meanwhile; the file system may have grown' })
  t.ok(failure instanceof UncertainGrowth)
})

void t.test('whatever ends the waiting, the volume may have grown once the order was fetched', async (t) => {
  const noDescriptor = Object.assign(new Error('too many open files'), {
    code: 'EMFILE',
    syscall: 'open',
    path: '/proc/net/unix',
  })
  const failures = [
    [new Interrupted('interrupted'), /^\/proc: interrupted; the file system may have grown$/, false],
    [noDescriptor, /^\/proc: .*no more files.*; the file system may have grown$/, false],
    [new TypeError('a defect'), /^\/proc: a defect; the file system may have grown$/, true],
  ] as const
  for (const [cause, message, isOfDefect] of failures) {
    await t.test(cause.message, async (t) => {
      let isFetched = false
      await serveFetching(t, (report, hasOrder) => {
        isFetched = hasOrder
        return report
      })
      const checkpoint = (): Promise<void> => (isFetched ? Promise.reject(cause) : settled())
      await t.rejects(orderGrowth({ mount, name: '/proc', checkpoint }, order), {
        message,
        cause,
        isOfDefect,
      })
    })
  }
  await t.test('and not before', async (t) => {
    await serve(t, (report) => report)
    for (const [cause] of failures) {
      const checkpoint = (): Promise<void> => Promise.reject(cause)
      const failure = orderGrowth({ mount, name: '/proc', checkpoint }, order).catch(
        (error: unknown) => error,
      )
      t.equal(await failure, cause)
    }
  })
})
