// SPDX-License-Identifier: GPL-2.0-only
/** ACLs under loss of power: what is made has its ACLs or is not there, and mode and ACL agree at every moment. */
import { test } from 'tap'
import { aclBytes } from '../support/acl-text.js'
import { exploreCall } from '../support/crash-explorer.js'
import { casesFor, useDevicesBySeed } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

useDevicesBySeed()

const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'
const random = new Random(seed)

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

const acl = (users: number, mask: string): Buffer => {
  const named = Array.from({ length: users }, (_, n) => `u:${n}:r-x`)
  return aclBytes(['u::rwx', ...named, 'g::r-x', `m::${mask}`, 'o::---'].join())
}

/** In the inode; in a directory one in its inode and one in its block; each in a block of its own. */
const sizes = [1, 8, 300]

interface Scenario {
  readonly name: string
  readonly call: (volume: TestVolume, parent: number, file: number) => void
}

const scenarios = (users: number): readonly Scenario[] => [
  { name: 'a file that inherits', call: ({ caller }, parent) => must(caller.make(parent, 'a', 0o100666)) },
  { name: 'a directory', call: ({ caller }, parent) => must(caller.make(parent, 'a', 0o040777)) },
  { name: 'a fifo', call: ({ caller }, parent) => must(caller.make(parent, 'a', 0o010600)) },
  {
    name: 'a file without a name, which gets one',
    call: ({ caller }, parent) => {
      const inode = must(caller.nameless(parent, 0o100666))
      must(caller.link(inode, parent, 'a'))
    },
  },
  { name: 'chmod', call: ({ caller }, _, file) => must(caller.chmod(file, 0o4640)) },
  { name: 'another ACL', call: ({ caller }, _, file) => must(caller.setxattr(file, ACCESS, acl(2, 'r--'))) },
  {
    name: 'an ACL that becomes the mode',
    call: ({ caller }, _, file) => must(caller.setxattr(file, ACCESS, aclBytes('u::r--,g::---,o::---'))),
  },
  { name: 'removal', call: ({ caller }, _, file) => must(caller.removexattr(file, ACCESS)) },
  {
    name: 'a default ACL',
    call: ({ caller }, parent) => must(caller.setxattr(parent, DEFAULT, acl(users + 1, 'r--'))),
  },
]

void test('ACLs and modes change together, whole or not at all', (t) => {
  for (const users of sizes) {
    for (const { name, call } of casesFor(scenarios(users))) {
      // Of this size only the two of a directory lie in different places.
      if (users === 8 && name !== 'a directory') continue
      const volume = TestVolume.make(512)
      const { caller } = volume
      const parent = must(caller.mkdir(root, 'parent'))
      must(caller.setxattr(parent, DEFAULT, acl(users, 'rwx')))
      const file = must(caller.make(parent, 'file', 0o100666))
      caller.setClock(epoch + 5000)
      const { failures, images, fences } = exploreCall(volume, (v) => call(v, parent, file), random)
      t.same(
        failures.slice(0, 5),
        [],
        `${name} of ${users} users: ${images} images around ${fences} fences (PMFS2_SEED=${seed})`,
      )
      volume.drop()
    }
  }
  t.end()
})
