// SPDX-License-Identifier: GPL-2.0-only
/** Mounts the file system in memory: node dist/examples/memory.js MOUNTPOINT [uring | devfuse] */
import { serve } from '../src/daemon/serve.js'

const [mountpoint, channel = 'auto'] = process.argv.slice(2)
if (mountpoint === undefined || (channel !== 'auto' && channel !== 'uring' && channel !== 'devfuse')) {
  console.error('usage: node dist/examples/memory.js MOUNTPOINT [auto | uring | devfuse]')
  process.exit(1)
}
await serve(new URL('./memory-file-system.js', import.meta.url), mountpoint, {
  name: 'memory',
  channel,
  live: () => console.log(`${mountpoint} is mounted; Ctrl-C unmounts it`),
})
