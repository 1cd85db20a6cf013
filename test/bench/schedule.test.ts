// SPDX-License-Identifier: GPL-2.0-only
/** The order of turns, and the time left. */
import t from 'tap'
import type { Contender } from '../../bench/contenders/contender.js'
import { allContenders } from '../../bench/contenders/index.js'
import { Clock, minutesAndSeconds, plan } from '../../bench/schedule.js'
import { workloads } from '../../bench/workloads/index.js'
import type { Workload } from '../../bench/workloads/workload.js'

const settings = {
  quick: false,
  rounds: 2,
  fioMilliseconds: 1000,
  fileMebibytes: 1,
  files: 10,
  mountedFiles: 10,
}
const contenders = allContenders('/nowhere')

function contender(name: string): Contender {
  return contenders.find((one) => one.name === name)!
}

function workload(name: string): Workload {
  return workloads.find((one) => one.name === name)!
}

void t.test('contenders take turns within a workload', (t) => {
  const chosen = [contender('pmfs2-uring'), contender('uring-floor'), contender('tmpfs')]
  const steps = plan(settings, [workload('reread'), workload('tar')], chosen)
  t.same(
    steps.map((step) => `${step.workload.name} ${step.round} ${step.contender.name}`),
    [
      'reread 1 pmfs2-uring',
      'reread 1 uring-floor',
      'reread 1 tmpfs',
      'reread 2 pmfs2-uring',
      'reread 2 uring-floor',
      'reread 2 tmpfs',
      'tar 1 pmfs2-uring',
      'tar 1 tmpfs',
      'tar 2 pmfs2-uring',
      'tar 2 tmpfs',
    ],
    'and a floor is not asked for files',
  )
  t.end()
})

void t.test('time left: guessed, then learnt from earlier rounds', (t) => {
  const clock = new Clock(settings)
  const steps = plan(settings, [workload('reread')], [contender('tmpfs'), contender('bindfs')])
  const guess = workload('reread').guessSeconds(settings)
  t.equal(clock.secondsLeft(steps), 4 * guess)
  clock.note(steps[0]!, 10)
  t.equal(clock.secondsLeft(steps.slice(1)), 10 + 2 * guess)
  t.equal(minutesAndSeconds(1865), '31:05')
  t.equal(minutesAndSeconds(59.2), '1:00')
  t.end()
})
