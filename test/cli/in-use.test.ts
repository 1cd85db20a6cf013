// SPDX-License-Identifier: GPL-2.0-only
/** Files that the kernel itself uses, in a /sys and /proc of our own making. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kernelUse } from '../../src/cli/in-use.js'
import { temporaryDirectory } from '../support/temporary.js'

const folder = await temporaryDirectory(t)
const [sys, proc] = [join(folder, 'sys'), join(folder, 'proc')]
const place = (name: string): string => {
  writeFileSync(join(folder, name), '')
  return join(folder, name)
}
const [looped, swapped, free] = [place('looped'), place('swap file'), place('free')]

for (const name of ['loop0', 'loop1/loop', 'sda']) mkdirSync(join(sys, 'block', name), { recursive: true })
writeFileSync(join(sys, 'block/loop1/loop/backing_file'), `${looped}\n`)
mkdirSync(proc)
writeFileSync(
  join(proc, 'swaps'),
  `Filename\tType\tSize\tUsed\tPriority\n${swapped.replace(' ', '\\040')}    file\t1020\t0\t-2\n`,
)

void t.test('uses of the kernel', (t) => {
  t.equal(kernelUse(looped, sys, proc), '/dev/loop1')
  t.equal(kernelUse(swapped, sys, proc), 'swap space')
  t.equal(kernelUse(free, sys, proc), null)
  t.equal(kernelUse(free, join(folder, 'missing'), join(folder, 'missing')), null, 'where nobody tells')
  t.equal(kernelUse(free), null, 'on this machine')
  t.end()
})
