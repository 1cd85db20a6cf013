// SPDX-License-Identifier: GPL-2.0-only
/** A peer that is not installed is named, with what would install it. */
import t from 'tap'
import { makePeer } from '../../../bench/contenders/peer.js'
import { missingPrograms } from '../../../bench/contenders/packages.js'

void t.test('what is missing is told', async (t) => {
  t.equal(await missingPrograms(['sh', 'env'], 'dash coreutils'), undefined)
  t.equal(
    await missingPrograms(['sh', 'no-such-program'], 'no-such-package'),
    'no-such-program is not installed: apt-get install no-such-package',
  )
})

void t.test('a peer without its program is an obstacle, not an error', async (t) => {
  const facts = {
    name: 'peer',
    title: 'peer',
    how: 'peer',
    packageName: 'peer-package',
    programs: ['no-peer'],
    fillsQuickly: true,
  }
  const peer = makePeer(facts, () => {
    throw new Error('not to be made')
  })
  t.match(await peer.obstacle(), /no-peer is not installed: apt-get install peer-package/)
  t.match(await peer.version(), 'peer-package, not from a Debian package')
})
