// SPDX-License-Identifier: GPL-2.0-only
/** Which mount options the channel fuse-native refuses, and what the others are called for libfuse. */
import { test } from 'tap'
import { type FuseNativeWishes, libfuseOptions, refusedOption } from '../../src/daemon/fuse-native-options.js'
import { parseMountOptions } from '../../src/daemon/mount-options.js'

function refusal(list: string, wishes: Partial<FuseNativeWishes> = {}): string | null {
  const usual = { cpus: [], workers: 0, pollMicroseconds: -1, enableUring: false }
  return refusedOption({ ...usual, options: parseMountOptions([list]), ...wishes })
}

void test('options that it cannot carry are refused', (t) => {
  for (const option of [
    'allow_other',
    'acl',
    'data=cow',
    'writeback_cache',
    'strictatime',
    'nodiratime',
    'nosymfollow',
    'errors=remount-ro',
  ])
    t.ok(refusal(option)?.startsWith(option), option)
  t.equal(refusal('', { workers: 2 }), 'workers=2: all requests are served by one thread')
  t.equal(refusal('', { cpus: [0] }), 'cpus')
  t.equal(refusal('', { pollMicroseconds: 100 }), 'poll')
  t.equal(refusal('', { enableUring: true }), 'enable_uring')
  t.end()
})

void test('options that hold anyway, or that libfuse or the server sees to', (t) => {
  for (const option of [
    '',
    'ro',
    'noatime',
    'relatime',
    'noacl',
    'noxattr',
    'direct_io',
    'data=inplace',
    'nosuid,sync',
  ])
    t.equal(refusal(option), null, option)
  t.equal(refusal('', { workers: 1, pollMicroseconds: 0 }), null)
  t.end()
})

void test('what libfuse is told', (t) => {
  const list = (source: string, options: string): string =>
    libfuseOptions(source, '/mnt', parseMountOptions([options]))
  t.match(
    list('/dev/pmem0', 'ro,nosuid,noatime'),
    /^fsname=\/dev\/pmem0,subtype=pmfs2,.*,suid,dev,ro,nosuid,noatime$/,
  )
  t.match(list('/tmp/a,b\\c', ''), 'fsname=/tmp/a\\,b\\\\c,subtype=')
  t.throws(() => list('/tmp/\udcff', ''), /takes only names in UTF-8/)
  t.throws(() => list(`/tmp/${'a'.repeat(1000)}`, ''), /too long for the channel fuse-native/)
  t.end()
})
