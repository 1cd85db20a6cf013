// SPDX-License-Identifier: GPL-2.0-only
/** Growing a mount whose server says nothing. */
import t from 'tap'
import { growingServer, orderGrowth } from '../../src/cli/order-growth.js'
import { findMount } from '../../src/daemon/mount-table.js'

const settled = (): Promise<void> => Promise.resolve()

/** A mount that has no server of ours. */
const mount = findMount('/proc')!

void t.test('the server of a mount has died', async (t) => {
  const asked = { mount, name: '/proc', checkpoint: settled }
  await t.rejects(growingServer(asked), /^\/proc: its server has died; umount it/)
})

void t.test('it is unmounted while its server grows it', async (t) => {
  const gone = { ...mount, source: '/dev/pmem7' }
  const asked = { mount: gone, name: '/mnt', checkpoint: settled }
  const said = '/mnt: it has been unmounted meanwhile; pmfs2-fuse info /dev/pmem7 shows whether it has grown'
  await t.rejects(growingServer(asked), { message: said })
  await t.rejects(orderGrowth(asked, { type: 'grow', devices: [], sizeBytes: null, sparse: false }), {
    message: said,
  })
})
