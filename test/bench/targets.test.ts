// SPDX-License-Identifier: GPL-2.0-only
/** Verdicts: the right quotient, the best of several, and nothing claimed of what was not measured. */
import t from 'tap'
import { allContenders } from '../../bench/contenders/index.js'
import { Figures, type Unit } from '../../bench/results.js'
import { type Target, judge, targets } from '../../bench/targets.js'
import { workloads } from '../../bench/workloads/index.js'
import { sampleResults } from './sample-results.js'

function figuresOf(unit: Unit, values: Readonly<Record<string, readonly number[]>>): Figures {
  return new Figures(sampleResults(unit, values))
}

function target(limit: Target['limit'], bound?: string): Target {
  return {
    what: 'ours ÷ best',
    numerator: { workload: 'work', metric: 'rate', contender: 'ours' },
    denominator: { workload: 'work', metric: 'rate', contenders: ['slow', 'fast', 'absent'] },
    limit,
    ...(bound === undefined ? {} : { bound }),
  }
}

void t.test('against the best of several', (t) => {
  const figures = figuresOf('MiB/s', { ours: [90, 100, 95], slow: [10, 20, 15], fast: [50, 40, 45] })
  const verdict = judge(target({ atLeast: 2 }), figures)
  t.equal(verdict.against, 'fast')
  t.same(verdict.reached, { ratio: 95 / 45, minimum: 90 / 50, maximum: 100 / 40 })
  t.equal(verdict.isReached, true)
  t.equal(judge(target({ atLeast: 2.2 }), figures).isReached, false)
  t.end()
})

void t.test('the best of seconds is the least', (t) => {
  const figures = figuresOf('s', { ours: [2], slow: [4], fast: [1] })
  const verdict = judge(target({ atMost: 2 }), figures)
  t.equal(verdict.against, 'fast')
  t.equal(verdict.reached?.ratio, 2)
  t.equal(verdict.isReached, true)
  t.equal(judge(target({ atMost: 1.9 }), figures).isReached, false)
  t.end()
})

void t.test('what bounds it is said for a miss only', (t) => {
  const figures = figuresOf('MiB/s', { ours: [10], fast: [10] })
  t.equal(judge(target({ atLeast: 2 }, 'the kernel'), figures).bound, 'the kernel')
  t.equal(judge(target({ atLeast: 1 }, 'the kernel'), figures).bound, undefined)
  t.end()
})

void t.test('no verdict without both figures', (t) => {
  const alone = judge(target({ atLeast: 1 }), figuresOf('MiB/s', { ours: [10] }))
  t.same(alone, { what: 'ours ÷ best', limit: 'at least 1' })
  const without = judge(target({ atLeast: 1 }), figuresOf('MiB/s', { fast: [10] }))
  t.same(without, { what: 'ours ÷ best', limit: 'at least 1', against: 'fast' })
  t.end()
})

void t.test('every target names what there is', (t) => {
  const contenders = new Set(allContenders('/nowhere').map(({ name }) => name))
  const metrics = new Set(
    workloads.flatMap(({ name, metrics }) => metrics.map((one) => `${name}/${one.name}`)),
  )
  for (const { what, numerator, denominator } of targets) {
    t.ok(metrics.has(`${numerator.workload}/${numerator.metric}`), `${what}: numerator`)
    t.ok(metrics.has(`${denominator.workload}/${denominator.metric}`), `${what}: denominator`)
    for (const name of [numerator.contender, ...denominator.contenders]) t.ok(contenders.has(name), name)
  }
  t.end()
})
