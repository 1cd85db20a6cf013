// SPDX-License-Identifier: GPL-2.0-only
/** What all FUSE programs of others have in common: a Debian package, its programs, and defaults. */
import type { Contender, Demand, Instance } from './contender.js'
import { missingPrograms, packageVersion } from './packages.js'

export interface PeerFacts {
  /** Also the name of the program that mounts. */
  readonly name: string
  readonly title: string
  readonly how: string
  readonly packageName: string
  readonly programs: readonly string[]
  readonly fillsQuickly: boolean
}

export function makePeer(facts: PeerFacts, make: (demand: Demand) => Instance): Contender {
  const { name, title, how, fillsQuickly } = facts
  return {
    name,
    title,
    kind: 'peer',
    how,
    holdsFiles: true,
    fillsQuickly,
    pins: true,
    needsRing: false,
    obstacle: () => missingPrograms(facts.programs, facts.packageName),
    version: () => packageVersion(facts.packageName),
    make,
  }
}

export interface ImagePeerFacts {
  /** Also of the package, and of the program that mounts. */
  readonly name: string
  readonly mkfs: string
  readonly fillsQuickly: boolean
}

/** A peer that serves an image: `NAME IMAGE MOUNTPOINT`. */
export function makeImagePeer(facts: ImagePeerFacts, make: (demand: Demand) => Instance): Contender {
  const { name, mkfs, fillsQuickly } = facts
  return makePeer(
    {
      name,
      title: name,
      how: `${name} IMAGE MOUNTPOINT`,
      packageName: name,
      programs: [name, mkfs],
      fillsQuickly,
    },
    make,
  )
}
