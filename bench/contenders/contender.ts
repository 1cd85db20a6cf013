// SPDX-License-Identifier: GPL-2.0-only
/**
 * What can be measured: something that offers a directory for a while. A contender is started afresh for
 * every measurement and stopped after it, so that none profits from what an earlier one warmed up.
 */

export interface Contender {
  /** As it stands in the table and after --only. */
  readonly name: string
  /**
   * Offers an empty directory. @param cpu the processor that the server is pinned to, undefined to let it move.
   * @throws BenchError
   */
  start(cpu: number | undefined): Promise<string>
  /** Leaves no mount, process or file behind, whatever start() got to. May be called without a start(). */
  stop(): Promise<void>
}

export type MakeContender = (packageRoot: string) => Contender
