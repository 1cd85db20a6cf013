// SPDX-License-Identifier: GPL-2.0-only
/** The limit: a tmpfs of its own, reached by system call, with no server in between and no medium below. */
import { release } from 'node:os'
import { type Contender, Instance, command } from './contender.js'

class TmpfsInstance extends Instance {
  override async mount(): Promise<void> {
    await command(['mount', '-t', 'tmpfs', 'tmpfs', this.directory])
  }
}

export function makeTmpfs(): Contender {
  return {
    name: 'tmpfs',
    title: 'tmpfs',
    kind: 'kernel',
    how: 'mount -t tmpfs tmpfs MOUNTPOINT',
    holdsFiles: true,
    fillsQuickly: true,
    pins: false,
    needsRing: false,
    obstacle: () => Promise.resolve(undefined),
    version: () => Promise.resolve(`Linux ${release()}`),
    make: (demand) => new TmpfsInstance(demand),
  }
}
