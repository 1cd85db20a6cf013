// SPDX-License-Identifier: GPL-2.0-only
/** Puts what was measured anew in the place of what an earlier run found. */
import type { Measurement, Renewal, Results } from './results.js'

/** @param fresh of some workloads and contenders, without failures: what `earlier` has of these is dropped */
export function merge(earlier: Results, fresh: Results): Results {
  const keyOf = ({ workload, contender }: Pick<Measurement, 'workload' | 'contender'>) =>
    `${workload}/${contender}`
  const measured = new Set(fresh.measurements.map(keyOf))
  const isKept = (one: Pick<Measurement, 'workload' | 'contender'>): boolean => !measured.has(keyOf(one))
  const renewed = new Set(fresh.measurements.map(({ workload }) => workload))
  const { command, startedAt } = fresh
  const versions = fresh.contenders
    .filter(({ name }) => fresh.measurements.some(({ contender }) => contender === name))
    .map(({ title, version }) => `${title} ${version ?? ''}`.trim())
  const { processor } = fresh.machine
  const elsewhere = processor === undefined || processor === earlier.machine['processor'] ? {} : { processor }
  const renewal: Renewal = { command, startedAt, workloads: [...renewed], versions, ...elsewhere }
  const earlierRenewals = (earlier.renewals ?? []).filter(({ workloads }) =>
    workloads.some((name) => !renewed.has(name)),
  )
  return {
    ...earlier,
    renewals: [...earlierRenewals, renewal],
    workloads: earlier.workloads.map(
      (workload) =>
        fresh.workloads.find(({ name }) => name === workload.name && renewed.has(name)) ?? workload,
    ),
    measurements: [...earlier.measurements.filter(isKept), ...fresh.measurements],
    failures: earlier.failures.filter(isKept),
  }
}
