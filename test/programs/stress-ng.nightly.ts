// SPDX-License-Identifier: GPL-2.0-only
/** The stressors of stress-ng's class "filesystem", one by one, each with its own verification, and fsck in the end. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { finish, run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { comesBack } from './program-mount.js'

tap.setTimeout(1_200_000)

/** What each runs for. */
const time = '3s'
const limitMs = 90_000
/** They need no file, or mount file systems of their own. */
const elsewhere = new Set(['bind-mount', 'binderfs', 'eventfd', 'ioprio', 'procfs'])
/** What FUSE does not pass on to a server: docs/posix.md. */
const withoutSupport = new Set(['fiemap', 'verity'])

const [, list = ''] =
  /stressors: (.*)/.exec((await finish('stress-ng', ['--class', 'filesystem?'])).output) ?? []
const stressors = list.split(' ').filter((name) => name !== '' && !elsewhere.has(name))
tap.ok(stressors.length > 40, `${stressors.length} stressors`)

for (const channel of new Set([turnRingOn(tap), 'devfuse'])) {
  void tap.test(channel, async (t) => {
    const mount = await TestMount.mounted(t, '2G', '--channel', channel)
    const folder = join(mount.mountpoint, 'stress')
    for (const stressor of stressors) {
      await mkdir(folder)
      const options = ['--timeout', time, '--verify', '--temp-path', folder]
      const { end, output } = await finish('stress-ng', [`--${stressor}`, '2', ...options], limitMs)
      t.equal(end, 0, `${stressor}${end === 0 ? '' : `: ${output}`}`)
      t.equal(/skipp|not supported/.test(output), withoutSupport.has(stressor), `${stressor} runs: ${output}`)
      t.notMatch(output, /fail:|unexpectedly/, stressor)
      await rm(folder, { recursive: true })
    }
    t.equal(await run('ls', ['-A', mount.mountpoint]), '')
    await comesBack(t, mount, '--channel', channel)
  })
}
