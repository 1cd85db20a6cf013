// SPDX-License-Identifier: GPL-2.0-only
/** Results of a made-up run of one workload with one metric. */
import type { Kind, Results, Unit } from '../../bench/results.js'

const kinds: Readonly<Record<string, Kind>> = { ours: 'ours', floor: 'floor', tmpfs: 'kernel' }

/** @param values by contender, one for each round */
export function sampleResults(unit: Unit, values: Readonly<Record<string, readonly number[]>>): Results {
  return {
    command: 'npm run bench',
    startedAt: '2026-01-02T03:04:05.000Z',
    minutes: 7,
    machine: { kernel: 'Linux' },
    settings: {
      quick: false,
      rounds: 3,
      fioMilliseconds: 1000,
      fileMebibytes: 1,
      files: 10,
      mountedFiles: 10,
    },
    contenders: Object.keys(values).map((name) => ({
      name,
      title: `the ${name}`,
      kind: kinds[name] ?? 'peer',
      how: name,
    })),
    workloads: [
      { name: 'work', title: 'a work', text: 'work', metrics: [{ name: 'rate', title: 'rate', unit }] },
    ],
    measurements: Object.entries(values).flatMap(([contender, rounds]) =>
      rounds.map((value, index) => ({
        workload: 'work',
        metric: 'rate',
        contender,
        round: index + 1,
        value,
      })),
    ),
    failures: [],
  }
}
