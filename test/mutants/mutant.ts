// SPDX-License-Identifier: GPL-2.0-only
/** A defect to be planted in the sources, and the tests that have to notice it. */
export interface Mutant {
  readonly name: string
  /** A source, which has the text exactly once. */
  readonly file: string
  readonly text: string
  readonly by: string
  /** Test files, the likeliest to notice it first. */
  readonly tests: readonly string[]
  /** It is noticed by a test that does not end, which is an error of any other one. */
  readonly hangs: boolean
}

export const calls = 'shadow/mapped-medium'
/** Cases are drawn by a fixed seed. */
export const crashes = ['shadow/cache-lines', 'shadow/pages', 'shadow/fence-only']

/** @param tests that notice the mutants which name none of their own; the shadow's, unless given */
export function mutantsOf(
  file: string,
  mutants: readonly (readonly [name: string, text: string, by: string, ...tests: string[]])[],
  tests: readonly string[] = [calls, ...crashes],
): Mutant[] {
  return mutants.map(([name, text, by, ...own]) => ({
    name,
    file,
    text,
    by,
    tests: own.length > 0 ? own : tests,
    hangs: false,
  }))
}

/** The same mutants, of which the named one hangs. */
export function withHanging(mutants: readonly Mutant[], hanging: string): Mutant[] {
  return mutants.map((mutant) => ({ ...mutant, hangs: mutant.name === hanging }))
}
