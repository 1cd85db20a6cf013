// SPDX-License-Identifier: GPL-2.0-only
/**
 * Output that cannot be written: one line, and an exit code that is not 0; a reader that has seen enough is no error.
 */
import { join } from 'node:path'
import t from 'tap'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { command, fileLimitMs, start, succeed } from './cli.js'

t.setTimeout(fileLimitMs)

const device = join(await temporaryDirectory(t, SHARED_MEMORY), 'device')
await succeed(t, ['mkfs', device, '--size', '2M'])

/** Runs the command in a shell, with `redirection` behind it. */
function redirected(redirection: string, ...args: readonly string[]): ReturnType<typeof start> {
  return start('sh', ['-c', `"$0" "$@" ${redirection}`, process.execPath, command, ...args])
}

void t.test('a full disk', async (t) => {
  const cases: readonly (readonly [args: readonly string[], name: string, exitCode: number])[] = [
    [['info', device], 'info', 1],
    [['info', device, '--json'], 'info', 1],
    [['fsck', device], 'fsck', 8],
    [['dump', device], 'dump', 1],
    [['mkfs', device, '--force'], 'mkfs', 1],
    [['mkfs', '--help'], 'mkfs', 1],
    [['version'], 'version', 1],
    [['--help'], 'pmfs2-fuse', 1],
  ]
  for (const [args, name, exitCode] of cases) {
    const { end, stderr } = await redirected('>/dev/full', ...args)
    t.equal(stderr, `${name}: cannot write to standard output: no space left on device\n`, args.join(' '))
    t.equal(end, exitCode, args.join(' '))
  }
})

void t.test('a full disk under standard error leaves the exit code', async (t) => {
  t.equal((await redirected('2>/dev/full', 'fsck', '/nonexistent')).end, 8)
  t.equal((await redirected('2>/dev/full', 'info', device)).end, 0)
})

void t.test('a reader that has seen enough', async (t) => {
  const { end, stderr } = await redirected('| true', 'info', device)
  t.same({ end, stderr }, { end: 0, stderr: '' })
})
