// SPDX-License-Identifier: GPL-2.0-only
/** Which command a mistyped word was meant to be. */
import t from 'tap'
import { meantCommand, typosBetween } from '../../src/cli/suggestion.js'

const names = ['mount', 'umount', 'mkfs', 'info', 'fsck', 'dump', 'help', 'version']

void t.test('meantCommand', (t) => {
  const words: readonly (readonly [string, string | null])[] = [
    ['mkf', 'mkfs'],
    ['MKFS', 'mkfs'],
    ['mkfs.pmfs2', 'mkfs'],
    ['format', 'mkfs'],
    ['umonut', 'umount'],
    ['unmount', 'umount'],
    ['uount', 'mount'],
    ['un', null],
    ['inof', 'info'],
    ['fcsk', 'fsck'],
    ['check', 'fsck'],
    ['dmup', 'dump'],
    ['ver', 'version'],
    ['medium', null],
    ['pmem.img', null],
    ['x', null],
    ['', null],
  ]
  for (const [word, meant] of words) t.equal(meantCommand(word, names), meant, word)
  t.end()
})

void t.test('typosBetween', (t) => {
  const pairs: readonly (readonly [string, string, number])[] = [
    ['', '', 0],
    ['mkfs', 'mkfs', 0],
    ['', 'mkfs', 4],
    ['mkf', 'mkfs', 1],
    ['mkkfs', 'mkfs', 1],
    ['mkxs', 'mkfs', 1],
    ['kmfs', 'mkfs', 1],
    ['umonut', 'umount', 1],
    ['info', 'fsck', 4],
  ]
  for (const [a, b, typos] of pairs) {
    t.equal(typosBetween(a, b), typos, `${a} ${b}`)
    t.equal(typosBetween(b, a), typos, `${b} ${a}`)
  }
  t.end()
})
