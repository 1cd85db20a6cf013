// SPDX-License-Identifier: GPL-2.0-only
/**
 * Counts the assertions in the TAP output of one test file. A test point that sums up a subtest is not counted, unless it
 * failed although nothing in the subtest did: then the subtest itself is at fault, such as one that made no assertion.
 */

export interface Counts {
  readonly total: number
  readonly pass: number
  readonly fail: number
  /** Neither passed nor failed, because the test said so in advance. */
  readonly skip: number
  readonly todo: number
}

const point = /^((?: {4})*)(not )?ok\b(?:.*? # (SKIP|TODO)\b)?/i
const diagnosisStart = /^ +---$/
const diagnosisEnd = /^ +\.\.\.$/

/** What is known of the test points at one depth since the last point one level above. */
interface Level {
  points: number
  failed: boolean
}

export function tally(output: string): Counts {
  const counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 }
  const levels: Level[] = []
  const levelAt = (depth: number): Level => (levels[depth] ??= { points: 0, failed: false })
  let inDiagnosis = false
  for (const line of output.split('\n')) {
    if (inDiagnosis) inDiagnosis = !diagnosisEnd.test(line)
    else if (diagnosisStart.test(line)) inDiagnosis = true
    else {
      const [matched, indent, not, directive] = point.exec(line) ?? []
      if (matched === undefined) continue
      const depth = indent!.length / 4
      const below = levelAt(depth + 1)
      const own = levelAt(depth)
      const failed = not !== undefined && directive === undefined
      if (below.points === 0 || (failed && !below.failed)) {
        counts.total += 1
        if (directive !== undefined) counts[directive.toLowerCase() === 'skip' ? 'skip' : 'todo'] += 1
        else counts[failed ? 'fail' : 'pass'] += 1
      }
      own.points += 1
      own.failed ||= failed
      levels.length = depth + 1
    }
  }
  return counts
}

/** As tap(1) sums up a run: what is 0 is left out. */
export function summary(counts: Counts): string {
  const { total, ...kinds } = counts
  const parts = Object.entries(kinds)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `, ${kind}: ${count}`)
  return `{ total: ${total}${parts.join('')} }`
}

export function sum(one: Counts, other: Counts): Counts {
  return {
    total: one.total + other.total,
    pass: one.pass + other.pass,
    fail: one.fail + other.fail,
    skip: one.skip + other.skip,
    todo: one.todo + other.todo,
  }
}

export const nothing: Counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 }
