// SPDX-License-Identifier: GPL-2.0-only
/**
 * Reads the TAP output of one test file: counts its assertions, and tells whether it is whole. A test point that sums
 * up a subtest is not counted, unless it failed although nothing in the subtest did: then the subtest itself is at
 * fault, such as one that made no assertion.
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
const topPoint = /^(not )?ok\b/
const topPlan = /^1\.\.(\d+)/
const bailOutLine = /^(?: {4})*Bail out!(?: *#)?(.*)$/
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
  for (const line of linesOf(output)) {
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
  return counts
}

/**
 * Why the output is not that of a file that has run to its end, in words; null if it is. The plan of the top level says
 * so.
 */
export function flawOf(output: string): string | null {
  const plans: number[] = []
  let points = 0
  for (const line of linesOf(output)) {
    const bailOut = bailOutLine.exec(line)
    if (bailOut !== null) return `it bailed out: ${bailOut[1]!.trim() || 'no reason given'}`
    const plan = topPlan.exec(line)
    if (plan !== null) plans.push(Number(plan[1]))
    else if (topPoint.test(line)) points += 1
  }
  if (plans.length === 0) return 'it ended before its plan'
  if (plans.length > 1) return `it printed ${plans.length} plans`
  return plans[0] === points ? null : `its plan is 1..${plans[0]}, and its test points are ${points}`
}

/** The lines that are not part of a diagnosis. */
function* linesOf(output: string): Generator<string> {
  let inDiagnosis = false
  for (const line of output.split('\n')) {
    if (inDiagnosis) inDiagnosis = !diagnosisEnd.test(line)
    else if (diagnosisStart.test(line)) inDiagnosis = true
    else yield line
  }
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
