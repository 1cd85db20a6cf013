// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs the plan. A turn that fails is a failure of that contender at that workload: it is told, the contender begins
 * anew, and the others go on, because forty minutes are not to be lost to a peer that hangs.
 */
import { BenchError } from './command.js'
import type { Contender } from './contenders/contender.js'
import type { Failure, Measurement, Settings } from './results.js'
import { Clock, type Step, minutesAndSeconds, plan } from './schedule.js'
import type { Session } from './session.js'
import type { Workload } from './workloads/workload.js'

export interface Outcome {
  readonly measurements: readonly Measurement[]
  readonly failures: readonly Failure[]
}

export interface Run {
  readonly settings: Settings
  readonly contenders: readonly Contender[]
  readonly workloads: readonly Workload[]
  readonly session: Session
  readonly packageRoot: string
  readonly signal: AbortSignal
  /** Takes text for people, whose lines end with a newline. */
  readonly say: (text: string) => void
}

/** @throws BenchError when the signal says so */
export async function measure(run: Run): Promise<Outcome> {
  const steps = plan(run.settings, run.workloads, run.contenders)
  const clock = new Clock(run.settings)
  const measurements: Measurement[] = []
  const failures: Failure[] = []
  for (const [index, step] of steps.entries()) {
    const isOut = failures.some((one) => isOf(one, step))
    if (!isOut) {
      const start = performance.now()
      const left = minutesAndSeconds(clock.secondsLeft(steps.slice(index)))
      run.say(`${left} left  ${describe(step, run.settings)}`)
      const outcome = await takeTurn(run, step).catch((error: unknown) => {
        run.say('\n')
        throw error
      })
      if (typeof outcome === 'string') {
        failures.push({ ...namesOf(step), message: outcome })
        run.say(`  failed: ${outcome}\n`)
        await run.session.closeOf(step.contender.name)
      } else {
        measurements.push(...outcome)
        run.say(`  ${inShort(outcome)}\n`)
      }
      clock.note(step, (performance.now() - start) / 1000)
    }
    if (steps[index + 1]?.workload !== step.workload) await run.session.closeOwn()
  }
  return { measurements, failures }
}

/** @returns what was measured, or why it failed */
async function takeTurn(run: Run, step: Step): Promise<readonly Measurement[] | string> {
  run.signal.throwIfAborted()
  try {
    const values = await step.workload.run({ ...run, ...step })
    return Object.entries(values).map(([metric, value]) => ({
      ...namesOf(step),
      metric,
      value: Number(value.toPrecision(6)),
    }))
  } catch (error) {
    run.signal.throwIfAborted()
    if (!(error instanceof BenchError)) throw error
    return error.message
  }
}

function namesOf({ workload, contender, round }: Step): Omit<Failure, 'message'> {
  return { workload: workload.name, contender: contender.name, round }
}

function isOf(failure: Failure, step: Step): boolean {
  return failure.workload === step.workload.name && failure.contender === step.contender.name
}

function describe({ workload, contender, round }: Step, { rounds }: Settings): string {
  return `${workload.name.padEnd(15)}  round ${round}/${rounds}  ${contender.name.padEnd(13)}`
}

/** Of a line of figures, as many as one reads. */
const mostShown = 8

function inShort(outcome: readonly Measurement[]): string {
  if (outcome.length > mostShown) return `${outcome.length} figures`
  return outcome
    .map(({ metric, value }) => `${metric} ${value >= 100 ? value.toFixed(0) : value.toPrecision(3)}`)
    .join('  ')
}
