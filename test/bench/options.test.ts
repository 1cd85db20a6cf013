// SPDX-License-Identifier: GPL-2.0-only
/** The bench's command line: what is run, and which runs may write the documents. */
import t from 'tap'
import { allContenders } from '../../bench/contenders/index.js'
import { type Options, readOptions } from '../../bench/options.js'
import { workloads } from '../../bench/workloads/index.js'

const known = { contenders: allContenders('/nowhere'), workloads }

function options(...args: readonly string[]): Promise<Options> {
  return readOptions(args, known)
}

void t.test('a run without options is a full one', async (t) => {
  const { settings, contenders, workloads: chosen, isFull } = await options()
  t.ok(settings.rounds >= 5)
  t.equal(settings.mountedFiles, 1_000_000)
  t.equal(contenders.length, known.contenders.length)
  t.equal(chosen.length, workloads.length)
  t.equal(isFull, true)
})

void t.test('nothing less writes the documents', async (t) => {
  t.equal((await options('--quick')).isFull, false)
  t.equal((await options('--rounds', '2')).isFull, false)
  t.equal((await options('--only', 'tmpfs')).isFull, false)
  t.equal((await options('--rounds', '9')).isFull, true)
})

void t.test('--only takes contenders and workloads', async (t) => {
  const both = await options('--only', 'tmpfs', 'reread', 'tar')
  t.same(
    both.contenders.map(({ name }) => name),
    ['tmpfs'],
  )
  t.same(
    both.workloads.map(({ name }) => name),
    ['reread', 'tar'],
  )
  const one = await options('--only', 'tar')
  t.equal(one.contenders.length, known.contenders.length, 'all contenders where none is named')
})

void t.test('--quick is one short round, unless more are asked for', async (t) => {
  t.equal((await options('--quick')).settings.rounds, 1)
  t.equal((await options('--quick', '--rounds', '3')).settings.rounds, 3)
})

void t.test('--merge takes full rounds alone', async (t) => {
  const { merge, isFull } = await options('--only', 'tar', '--merge', 'some.json')
  t.equal(merge, 'some.json')
  t.equal(isFull, false)
  t.equal((await options('--only', 'tar')).merge, undefined)
})
