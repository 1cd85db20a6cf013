// SPDX-License-Identifier: GPL-2.0-only
/** Workers of a live mount leave no garbage: from the kernel to the kernel, a request takes nothing of the heap. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import tap, { type Test } from 'tap'
import { ForegroundServer } from '../support/foreground-server.js'
import { allowedBytesPerCall } from '../support/heap-growth.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { TestMount, packageRoot, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

/** As test/support/heap-probe.ts has it, which must not be loaded here. */
const probedRequests = 4000
const requests = 8 * probedRequests
const storm = join(packageRoot, 'test', 'support', 'request-storm.py')
const probe = pathToFileURL(join(packageRoot, 'dist', 'test', 'support', 'heap-probe.js')).href
const kinds = ['LOOKUP', 'LOOKUP of what is not there', 'GETATTR', 'READ', 'WRITE']

function makeRequests(kind: string, directory: string): Promise<string> {
  return run('python3', [storm, kind, directory, String(requests)], 60_000)
}

/** What the server has told so far: bytes of the heap per request, from one line to the next. */
function told(server: ForegroundServer): number[] {
  return Array.from(
    server.output.matchAll(/^heap \d+ (-?\d+)$/gm),
    ([, bytes]) => Number(bytes) / probedRequests,
  )
}

async function serve(t: Test, mount: TestMount, channel: 'uring' | 'devfuse'): Promise<void> {
  const options = ['-f', '--channel', channel, '--workers', '1']
  const server = await ForegroundServer.startUnder(['--import', probe], mount, ...options)
  for (const kind of kinds) {
    const start = told(server).length
    const before = (await mount.report()).requests
    await makeRequests(kind, mount.mountpoint)
    const name = kind.split(' ')[0]!
    const served = ((await mount.report()).requests[name] ?? 0) - (before[name] ?? 0)
    t.ok(served >= requests, `${served} requests ${name} over ${channel}`)
    await until(async () => Promise.resolve(told(server).length >= start + requests / probedRequests - 1))
    // The compiler has mostly finished by then; what it allocates now and then is in some readings, and what requests
    // allocate is in all of them. A collection in between shows as a heap that shrank, and says nothing.
    const later = told(server)
      .slice(start + requests / probedRequests / 2)
      .filter((bytes) => bytes >= 0)
    t.ok(later.length > 0, 'the server reported on its heap')
    const bytes = Math.min(...later)
    t.ok(bytes < allowedBytesPerCall, `${kind}: ${bytes.toFixed(3)} bytes per request`)
  }
  await mount.unmount()
  t.equal(await server.ended(), 0)
}

const mount = await TestMount.mounted(tap, '128M')
await makeRequests('make', mount.mountpoint)
await mount.unmount()

void tap.test('over /dev/fuse', (t) => serve(t, mount, 'devfuse'))
// Kernels without a ring have had their turn.
if (turnRingOn(tap) === 'uring') void tap.test('over io_uring', (t) => serve(t, mount, 'uring'))
