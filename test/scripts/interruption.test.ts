// SPDX-License-Identifier: GPL-2.0-only
/** What a signal does to a script that has started another program. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import tap from 'tap'
import { hasEnded, packageRoot } from '../support/test-mount.js'

const module = join(packageRoot, 'scripts', 'interruption.js')
/** Its program starts another one, whose number it prints. */
const script = `
import { runScript } from '${module}'
await runScript('script', Error, async (interruption) => {
  await interruption.run('sh', ['-c', 'sleep 1000 & echo $!; wait'], { stdio: ['ignore', 'inherit', 'inherit'] })
  interruption.check()
})`

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  void tap.test(`${signal} ends what was started, too`, async (t) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (part: Buffer) => (said += part.toString()))
    const ended = once(child, 'close')
    const grandchild = Number(String((await once(child.stdout, 'data'))[0]))
    t.ok(existsSync(`/proc/${grandchild}`))
    child.kill(signal)
    t.same(await ended, [128 + constants.signals[signal], null])
    t.equal(said, `script: interrupted (${signal})\n`)
    t.ok(await hasEnded(grandchild))
  })
