// SPDX-License-Identifier: GPL-2.0-only
/**
 * Copy-on-write under loss of power: after any failure, each write is there as a whole or not at all. The same explorer
 * must find torn writes in place, or it would prove nothing.
 */
import { test } from 'tap'
import { casesFor, useDevicesBySeed } from '../support/medium-in-use.js'
import { seed } from '../support/random.js'
import { explore, writes } from '../support/write-scenarios.js'

useDevicesBySeed()

for (const scenario of casesFor(writes.filter(({ zeroesParts }) => zeroesParts !== true))) {
  void test(scenario.name, (t) => {
    t.same(explore('cow', scenario).failures, [], `whole with data=cow (PMFS2_SEED=${seed})`)
    if (scenario.tears === true)
      t.match(
        explore('inplace', scenario).failures[0],
        /neither before .* nor after/,
        'torn with data=inplace',
      )
    t.end()
  })
}
