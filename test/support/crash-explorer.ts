// SPDX-License-Identifier: GPL-2.0-only
/**
 * Cuts the power everywhere in a call, opens what is left, and holds it to the promise: the call happened whole or not
 * at all, and what had returned is there.
 */
import { extent } from './extent.js'
import { problemsOf } from './invariants.js'
import { Replay, type Survivors } from './power-failure.js'
import type { Random } from './random.js'
import type { Recording, RecordingMedium } from './recording-medium.js'
import { TestVolume } from './test-volume.js'
import { type Tree, difference, treeOf } from './tree.js'

/** Cache lines, of those in doubt at one moment, that are tried one by one. */
const mostSingleLines = extent(5, 2)
/** After so many failures there is no point in going on. */
const mostFailures = 5
/** Of a call with more fences than this, some are left out by chance. */
const mostFences = extent(20, 10)
/** One in so many images has its recovery cut short as well. */
const recoveryEvery = 7

export interface Outcomes {
  readonly before: Tree
  readonly after: Tree
}

/** Says what is wrong with a tree that stands for neither; null where it is right. */
export type Judge = (got: Tree, outcomes: Outcomes, returned: boolean) => string | null

export interface Exploration {
  readonly failures: readonly string[]
  readonly images: number
  readonly fences: number
}

/** The tree that a volume has once it was mounted again, and what is wrong with it. */
export function settle(medium: RecordingMedium): { tree: Tree; problems: string[] } {
  const volume = TestVolume.open(medium)
  try {
    return { tree: treeOf(volume.caller), problems: problemsOf(medium) }
  } finally {
    volume.drop()
  }
}

/** Whole or not at all. */
export function judgeAtomic(got: Tree, { before, after }: Outcomes, returned: boolean): string | null {
  const notAfter = difference(got, after)
  if (notAfter === null) return null
  if (returned) return `it had returned: ${notAfter}`
  const notBefore = difference(got, before)
  return notBefore === null ? null : `neither before (${notBefore}) nor after (${notAfter})`
}

/** Makes the call on the volume and cuts the power everywhere in it. */
export function exploreCall(
  volume: TestVolume,
  call: (volume: TestVolume) => void,
  random: Random,
  judge: Judge = judgeAtomic,
): Exploration {
  const before = settle(volume.medium.clone())
  volume.medium.startRecording()
  call(volume)
  const recording = volume.medium.stopRecording()
  const after = settle(volume.medium.clone())
  const outcomes = { before: before.tree, after: after.tree }
  const found = exploreRecording(recording, random, (tree, returned) => judge(tree, outcomes, returned))
  return { ...found, failures: [...before.problems, ...after.problems, ...found.failures] }
}

/** Cuts the power everywhere in a recording; `judge` sees each tree that is left. */
export function exploreRecording(
  recording: Recording,
  random: Random,
  judge: (got: Tree, returned: boolean) => string | null,
): Exploration {
  const failures: string[] = []
  const replay = new Replay(recording)
  let images = 0
  let image: RecordingMedium | undefined
  while (replay.advance() && failures.length < mostFailures) {
    const returned = replay.fence === recording.fences
    if (returned && replay.forgotten.length > 0) {
      failures.push(`${replay.forgotten.length} lines were stored to and never flushed`)
    }
    if (!returned && random.below(recording.fences) >= mostFences) continue
    for (const survivors of variants(replay.lines, random)) {
      const where = `power lost before fence ${replay.fence + 1} of ${recording.fences} (${describe(survivors)})`
      images++
      const again = images % recoveryEvery === 0
      image = replay.image(survivors, image)
      const problem = tryImage(image, random, again, (tree) => judge(tree, returned))
      if (problem !== null) failures.push(`${where}: ${problem}`)
    }
  }
  return { failures, images, fences: recording.fences }
}

/** What may be left of the lines in doubt. */
export function variants(lines: readonly number[], random: Random): Survivors[] {
  if (lines.length === 0) return [{ kind: 'certain' }]
  const chosen: Survivors[] = [{ kind: 'certain' }, { kind: 'all' }]
  if (lines.length > 1) {
    const singles = lines.length <= mostSingleLines ? lines : pick(lines, mostSingleLines, random)
    for (const line of singles) chosen.push({ kind: 'only', line }, { kind: 'except', line })
  }
  chosen.push({ kind: 'random', random }, { kind: 'random', random })
  return chosen
}

function pick(lines: readonly number[], count: number, random: Random): number[] {
  return Array.from({ length: count }, () => random.of(lines))
}

/** Opens an image; where `again`, it cuts the power in the recovery too. @returns what is wrong, or null */
function tryImage(
  image: RecordingMedium,
  random: Random,
  again: boolean,
  judge: (got: Tree) => string | null,
): string | null {
  if (again) image.startRecording()
  const first = settleOrSay(image)
  if (typeof first === 'string') return first
  const problem = first.problems[0] ?? judge(first.tree)
  if (problem !== null) return problem
  if (!again) return null
  const recording = image.stopRecording()
  const replay = new Replay(recording)
  let secondImage: RecordingMedium | undefined
  while (replay.advance()) {
    if (random.below(recording.fences) >= mostFences / 4) continue
    for (const survivors of variants(replay.lines, random).slice(0, 4)) {
      const where = `and lost again before fence ${replay.fence + 1} of the recovery (${describe(survivors)})`
      secondImage = replay.image(survivors, secondImage)
      const second = settleOrSay(secondImage)
      if (typeof second === 'string') return `${where}: ${second}`
      const differs = second.problems[0] ?? difference(second.tree, first.tree)
      if (differs !== null) return `${where}: ${differs}`
    }
  }
  return null
}

function settleOrSay(image: RecordingMedium): { tree: Tree; problems: string[] } | string {
  try {
    return settle(image)
  } catch (error) {
    return error instanceof Error
      ? `${error.name}: ${error.message}`
      : 'something that is no error was thrown'
  }
}

function describe(survivors: Survivors): string {
  return 'line' in survivors ? `${survivors.kind} line ${survivors.line}` : survivors.kind
}
