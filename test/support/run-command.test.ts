// SPDX-License-Identifier: GPL-2.0-only
/** Whoever runs a program waits for nobody else. */
import tap from 'tap'
import { finish } from './run-command.js'

void tap.test('a child of the program holds its output open', async (t) => {
  const limitMs = 20_000
  const { end, output } = await finish('sh', ['-c', `sleep ${(3 * limitMs) / 1000} & echo $!`], limitMs)
  t.equal(end, 0, 'it is not killed for its time limit')
  t.doesNotThrow(() => process.kill(Number(output), 'SIGKILL'), 'nor is the child waited for')
})

void tap.test('a program that is not there', async (t) => {
  await t.rejects(finish('/no/such/program', []), { code: 'ENOENT' })
})
