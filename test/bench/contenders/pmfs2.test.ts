// SPDX-License-Identifier: GPL-2.0-only
/** Our own contenders: one for each channel, and what is measured where the package of one is installed. */
import { test } from 'tap'
import { allContenders } from '../../../bench/contenders/index.js'
import { packageRoot } from '../../support/program.js'

const ours = allContenders(packageRoot).filter(({ kind }) => kind === 'ours')

void test('each channel', (t) => {
  for (const channel of ['uring', 'devfuse', 'fuse-native'])
    t.ok(
      ours.some(({ how }) => how.includes(`--channel ${channel}`)),
      channel,
    )
  t.end()
})

void test('fuse-native is measured where it is installed', async (t) => {
  const contender = ours.find(({ name }) => name === 'pmfs2-fuse-native')
  t.match(contender, { pins: true, needsRing: false, holdsFiles: true })
  t.equal(await contender!.obstacle(), undefined)
})
