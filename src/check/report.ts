// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a check found: problems by kind, one line each, and notes about what is unusual but right. Of every kind only
 * the first few are kept, and the others counted, so that a volume in ruins fills neither memory nor the screen.
 */

export type ProblemKind =
  | 'superblock'
  | 'device-header'
  | 'bad-block'
  | 'lane'
  | 'roots'
  | 'table'
  | 'inode-mode'
  | 'inode-size'
  | 'inode-flags'
  | 'inode-time'
  | 'symlink'
  | 'xattr'
  | 'block-map'
  | 'block-range'
  | 'block-shared'
  | 'block-count'
  | 'block-beyond-size'
  | 'directory-tree'
  | 'directory-leaf'
  | 'directory-count'
  | 'directory-parent'
  | 'directory-names'
  | 'directory-cycle'
  | 'entry-hash'
  | 'entry-twin'
  | 'entry-name'
  | 'entry-inode'
  | 'entry-type'
  | 'link-count'
  | 'nameless'
  | 'free-list'
  | 'free-lost'
  | 'orphan-list'
  | 'orphan-lost'
  | 'used-inodes'
  | 'bitmap-lost'
  | 'bitmap-free'

export interface Problem {
  readonly kind: ProblemKind
  readonly message: string
}

export class Report {
  /** The problems that are kept, in the order in which they were found. */
  readonly problems: Problem[] = []
  /** What is no problem, but worth a line. */
  readonly notes: string[] = []
  readonly #counts = new Map<ProblemKind, number>()
  readonly #mostPerKind: number

  constructor(mostPerKind = 20) {
    this.#mostPerKind = mostPerKind
  }

  problem(kind: ProblemKind, message: string): void {
    const count = this.count(kind) + 1
    this.#counts.set(kind, count)
    if (count <= this.#mostPerKind) this.problems.push({ kind, message })
  }

  note(message: string): void {
    if (this.notes.length < this.#mostPerKind) this.notes.push(message)
  }

  /** Problems of a kind, those that were not kept included. */
  count(kind: ProblemKind): number {
    return this.#counts.get(kind) ?? 0
  }

  get total(): number {
    let total = 0
    for (const count of this.#counts.values()) total += count
    return total
  }

  /** For people: a line for each problem, kind by kind. */
  lines(): string[] {
    const lines: string[] = []
    for (const [kind, count] of this.#counts) {
      const kept = this.problems.filter((problem) => problem.kind === kind)
      lines.push(...kept.map((problem) => problem.message))
      if (count > kept.length) lines.push(`and ${count - kept.length} more of this kind (${kind})`)
    }
    return lines
  }
}
