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
}

export const calls = 'shadow/mapped-medium'
/** Cases are drawn by a fixed seed. */
export const crashes = ['shadow/cache-lines', 'shadow/pages', 'shadow/fence-only']

/** @param tests besides those of the shadow */
export function mutantsOf(
  file: string,
  mutants: readonly (readonly [name: string, text: string, by: string, ...tests: string[]])[],
): Mutant[] {
  return mutants.map(([name, text, by, ...tests]) => ({
    name,
    file,
    text,
    by,
    tests: tests.length > 0 ? tests : [calls, ...crashes],
  }))
}
