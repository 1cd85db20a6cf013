// SPDX-License-Identifier: GPL-2.0-only
/**
 * Of several requests that are at hand at once, the first is answered when it is done, however long the next one takes.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { overRing, withRing } from '../support/ring-tests.js'
import { System, outcome } from '../support/system.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, preload, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

await withRing(tap, () => {
  void tap.test('a reply does not wait for the next request to be served', async (t) => {
    const folder = await temporaryDirectory(t)
    preload(t, 'held-lookups', `PMFS2_TEST_HELD=${folder}`)
    const mount = await TestMount.mounted(t, '64M', ...overRing, '--workers', '1')
    const systems = await Promise.all([System.start(), System.start(), System.start()])
    t.teardown(() => Promise.all(systems.map((system) => system.stop())))
    /** Asks for a name that is not there, and returns once the process sleeps in that call. */
    const ask = async (system: System, name: string): Promise<{ readonly answer: Promise<string> }> => {
      const pid = await system.getpid()
      const call = async () => (await readFile(`/proc/${pid}/syscall`, 'utf8')).split(' ')[0]!.trim()
      await until(async () => (await call()) !== 'running')
      const idle = await call()
      const answer = outcome(system.stat(join(mount.mountpoint, name)))
      t.ok(await until(async () => !['running', idle].includes(await call())), `${name} is asked for`)
      return { answer }
    }
    const release = (name: string) => writeFile(join(folder, name), '')

    const first = await ask(systems[0], 'held 1')
    const quick = await ask(systems[1], 'quick')
    const second = await ask(systems[2], 'held 2')
    await release('held 1')
    t.equal(await first.answer, 'ENOENT')
    let isAnswered = false
    void quick.answer.then(() => (isAnswered = true))
    t.ok(
      await until(() => Promise.resolve(isAnswered)),
      'the quick one is answered while the other is being served',
    )
    await release('held 2')
    t.equal(await quick.answer, 'ENOENT')
    t.equal(await second.answer, 'ENOENT')
  })
})
