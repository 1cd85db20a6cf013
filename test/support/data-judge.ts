// SPDX-License-Identifier: GPL-2.0-only
/** What a loss of power may leave of the file /f, whose contents were being changed. */
import { type Outcomes, judgeAtomic } from './crash-explorer.js'
import { type Tree, type TreeNode, difference } from './tree.js'

const blockBytes = 4096

/** Gives the bytes of a block of a file, as far as its size reaches. A file may be far larger than what it holds. */
function blocksOf({ facts, contents }: TreeNode): (index: number) => Buffer {
  const { size } = JSON.parse(facts) as { size: number }
  return (index) => {
    const block = Buffer.alloc(Math.max(0, Math.min(blockBytes, size - index * blockBytes)))
    contents.get(index)?.copy(block)
    return block
  }
}

/** Data in place may be there word by word, and either time; all else whole or not at all. */
export function judgeData(got: Tree, outcomes: Outcomes, returned: boolean): string | null {
  const whole = judgeAtomic(got, outcomes, returned)
  if (whole === null || returned) return whole
  const node = got.get('/f')!
  const [before, after] = [outcomes.before.get('/f')!, outcomes.after.get('/f')!]
  const problem = judgeWords(node, before, after)
  if (problem !== null) return problem
  const facts = [before.facts, after.facts].map(withoutTimes)
  if (!facts.includes(withoutTimes(node.facts))) return `the attributes are of neither: ${node.facts}`
  const others = without(got)
  const problems = [outcomes.before, outcomes.after].map((tree) => difference(others, without(tree)))
  return problems.includes(null) ? null : problems.join(', and ')
}

/**
 * Of a call that changes a range in several transactions: each word of the file is old or new, the size is old or new,
 * and so is all else but the times, the blocks that it holds, and those that are free.
 */
export function judgeParts(got: Tree, outcomes: Outcomes, returned: boolean): string | null {
  const whole = judgeAtomic(got, outcomes, returned)
  if (whole === null || returned) return whole
  const node = got.get('/f')!
  const [before, after] = [outcomes.before.get('/f')!, outcomes.after.get('/f')!]
  const problem = judgeWords(node, before, after)
  if (problem !== null) return problem
  const facts = [before.facts, after.facts].map(withoutBlocks)
  return facts.includes(withoutBlocks(node.facts)) ? null : `the attributes are of neither: ${node.facts}`
}

function withoutBlocks(facts: string): string {
  return JSON.stringify({ ...(JSON.parse(withoutTimes(facts)) as object), blocks: null })
}

function without(tree: Tree): Tree {
  return new Map([...tree].filter(([path]) => path !== '/f'))
}

function withoutTimes(facts: string): string {
  return JSON.stringify({ ...(JSON.parse(facts) as object), mtime: null, ctime: null })
}

function judgeWords(got: TreeNode, before: TreeNode, after: TreeNode): string | null {
  const indices = [got, before, after].flatMap((node) => [...node.contents.keys()])
  const [mineAt, oldAt, freshAt] = [blocksOf(got), blocksOf(before), blocksOf(after)]
  for (const index of new Set(indices)) {
    const [mine, old, fresh] = [mineAt(index), oldAt(index), freshAt(index)]
    // Nearly all blocks are old or new as a whole.
    if ([old, fresh].some((block) => mine.equals(block.subarray(0, mine.length)))) continue
    for (let at = 0; at < mine.length; at += 8) {
      const word = mine.subarray(at, at + 8)
      const isOld = word.equals(old.subarray(at, at + word.length))
      const isNew = word.equals(fresh.subarray(at, at + word.length))
      const place = index * blockBytes + at
      if (!isOld && !isNew) return `the word at ${place} is ${word.toString('hex')}: neither old nor new`
    }
  }
  return null
}
