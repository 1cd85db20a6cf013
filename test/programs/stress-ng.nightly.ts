// SPDX-License-Identifier: GPL-2.0-only
/**
 * The stressors of stress-ng that use files, one by one, each with its own verification, and fsck in the end. What
 * passes on ext4 or tmpfs passes here, but for what the kernel bounds. Arguments choose stressors by name.
 */
import tap from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { mountExt4, mountTmpfs } from '../support/target.js'
import { TestMount } from '../support/test-mount.js'
import { comesBack } from './program-mount.js'
import { bounded, findStressors, stress } from './stressors.js'

tap.setTimeout(1_800_000)

const seconds = 3
/** What a judge runs for: whether a stressor runs at all shows at once. */
const judgeSeconds = 1

const names = process.argv.slice(2)
const all = await findStressors()
tap.ok(all.length > 60, `${all.length} stressors`)
const stressors = all.filter(({ name }) => names.length === 0 || names.includes(name))

/** Stressors that pass on at least one of the file systems of the kernel. */
const expected = new Set<string>()

void tap.test('what can be expected', async (t) => {
  for (const mount of [mountTmpfs, mountExt4]) {
    const target = await mount()
    t.teardown(() => target.release())
    for (const stressor of stressors) {
      const { outcome } = await stress(stressor, target.directory, judgeSeconds)
      if (outcome === 'passes') expected.add(stressor.name)
    }
  }
})

for (const channel of new Set([turnRingOn(tap), 'devfuse'])) {
  void tap.test(channel, async (t) => {
    const mount = await TestMount.mounted(t, '2G', '--channel', channel)
    for (const stressor of stressors) {
      const { name } = stressor
      const { outcome, output } = await stress(stressor, mount.mountpoint, seconds)
      const said = `${name} ${outcome}: ${output}`
      if (bounded.has(name)) t.not(outcome, 'passes', `the kernel bounds ${said}`)
      else if (expected.has(name)) t.equal(outcome, 'passes', outcome === 'passes' ? name : said)
      else t.comment(`passes nowhere: ${said}`)
    }
    t.equal(await run('ls', ['-A', mount.mountpoint]), '')
    await comesBack(t, mount, '--channel', channel)
  })
}
