// SPDX-License-Identifier: GPL-2.0-only
/** Memory of a server: its own, and not what it maps of the medium. */
import t from 'tap'
import { residentWithout } from '../../../bench/contenders/processes.js'

const smaps = `55d0c0a00000-55d0c0a21000 r-xp 00001000 fe:00 1234    /usr/bin/node
Size:                132 kB
Rss:                1024 kB
Pss:                 512 kB
7f0000000000-7f0040000000 rw-s 00000000 00:1a 77    /dev/shm/pmfs2-bench-x/pmfs2-0/device
Size:            1048576 kB
Rss:              524288 kB
7f0050000000-7f0050001000 rw-p 00000000 00:00 0
Rss:                2048 kB
VmFlags: rd wr
`

void t.test('what is mapped of the medium is left out', (t) => {
  t.equal(residentWithout(smaps, '/dev/shm/pmfs2-bench-x/pmfs2-0'), 3)
  t.equal(residentWithout(smaps, '/dev/shm/another'), 3 + 512)
  t.equal(residentWithout(smaps, '/dev/shm/pmfs2-bench-x/pmfs2-0', 'Pss'), 0.5)
  t.end()
})
