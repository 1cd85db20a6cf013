// SPDX-License-Identifier: GPL-2.0-only
/** mergerfs and bindfs: they pass requests on to a directory, which lies in /dev/shm here. */
import { mkdir } from 'node:fs/promises'
import { type Contender, type Demand, type Filling, Instance, command } from './contender.js'
import { makePeer } from './peer.js'

class PassthroughInstance extends Instance {
  readonly #program: string

  constructor(demand: Demand, program: string) {
    super(demand)
    this.#program = program
  }

  override async format(): Promise<void> {
    await super.format()
    await mkdir(this.path('source'))
  }

  override async mount(): Promise<void> {
    await command([this.#program, this.path('source'), this.directory], this.demand.cpu)
  }

  override async fill(filling: Filling): Promise<void> {
    await filling.make(this.path('source'))
  }
}

function makePassthrough(program: string, title: string): Contender {
  return makePeer(
    {
      name: program,
      title,
      how: `${program} DIRECTORY MOUNTPOINT`,
      packageName: program,
      programs: [program],
      fillsQuickly: true,
    },
    (demand) => new PassthroughInstance(demand, program),
  )
}

export function makeMergerfs(): Contender {
  return makePassthrough('mergerfs', 'mergerfs')
}

export function makeBindfs(): Contender {
  return makePassthrough('bindfs', 'bindfs')
}
