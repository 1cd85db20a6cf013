// SPDX-License-Identifier: GPL-2.0-only
/** What the options of -o mean, and what of them is passed on. */
import tap from 'tap'
import { parseMountOptions, withoutUnknown } from '../../src/daemon/mount-options.js'

void tap.test('the last of several holds, over all lists', (t) => {
  t.match(parseMountOptions(['ro,nosuid', 'rw,,noatime', 'relatime']), {
    readOnly: false,
    flags: 2 | (2 ** 21),
    accessTimes: true,
  })
  t.end()
})

void tap.test('fusermount3 is told what it knows', (t) => {
  t.same(parseMountOptions(['ro,relatime,nodiratime,nodev,allow_other']).names, ['ro', 'nodev'])
  t.same(parseMountOptions(['noatime,relatime']).names, [])
  t.same(parseMountOptions(['relatime,noatime']).names, ['noatime'])
  t.equal(parseMountOptions(['nodiratime']).directoryAccessTimes, false, 'the server sees to that')
  t.end()
})

void tap.test('ACLs are served unless noacl has the last word', (t) => {
  for (const [list, acls] of [
    ['', true],
    ['acl', true],
    ['noacl', false],
    ['noacl,ro,acl', true],
    ['acl,noacl', false],
  ] as const) {
    const options = parseMountOptions([list])
    t.equal(options.acls, acls, list)
    t.same(options.names, list.includes('ro') ? ['ro'] : [], 'fusermount3 hears nothing of it')
  }
  t.end()
})

void tap.test('extended attributes are served unless it is said otherwise', (t) => {
  t.equal(parseMountOptions([]).xattrs, true)
  t.equal(parseMountOptions(['noxattr']).xattrs, false)
  t.equal(parseMountOptions(['noxattr', 'xattr']).xattrs, true)
  t.equal(parseMountOptions(['noxattr,acl']).acls, false, 'ACLs are extended attributes')
  t.end()
})

void tap.test('what fstab has for others changes nothing', (t) => {
  const plain = parseMountOptions([])
  const lines = [
    'defaults,noauto,nofail,user,_netdev',
    'owner,group,nousers',
    'comment=a note,x-systemd.automount,X-mount.mkdir=0755',
    'norelatime,nostrictatime,lazytime,nolazytime,user_xattr',
    'user=somebody,nomand,loud,commit=60',
    'barrier=1,nobarrier,data=ordered,data=writeback,nodiscard,noquota',
  ]
  for (const line of lines) t.same({ ...parseMountOptions([line]), given: [] }, plain, line)
  t.equal(parseMountOptions(['noatime,norelatime']).accessTimes, false, 'nor does it take noatime back')
  t.end()
})

void tap.test('how writes change blocks is chosen', (t) => {
  t.equal(parseMountOptions([]).data, 'inplace')
  t.equal(parseMountOptions(['data=cow,noatime']).data, 'cow')
  t.equal(parseMountOptions(['data=cow', 'data=inplace']).data, 'inplace')
  for (const value of ['', 'COW', 'cow '])
    t.throws(() => parseMountOptions([`data=${value}`]), { message: /^unknown mount option data=/ })
  t.end()
})

void tap.test('what cannot be had is refused', (t) => {
  const refused = [
    ['ro,frobnicate', /^unknown mount option frobnicate$/],
    ['comment', /^unknown mount option comment$/],
    ['writeback_cache,direct_io', /^direct_io leaves no writes for writeback_cache to gather: choose one$/],
    ['errors=panic', /^errors=panic: a server cannot stop the kernel/],
    ['errors=no', /^unknown mount option errors=no$/],
    ['data=journal', /^data=journal: file contents are not journalled; data=cow /],
    ['usrquota', /^quotas are not supported$/],
    ['workers', /^unknown mount option workers$/],
    ['user_id=0', /^unknown mount option user_id=0$/],
    ['constructor', /^unknown mount option constructor$/],
  ] as const
  for (const [list, message] of refused) {
    t.throws(() => parseMountOptions([list]), { name: 'UnknownOptionError', message }, list)
  }
  t.end()
})

void tap.test('strictatime is had by keeping the page cache out', (t) => {
  t.match(parseMountOptions(['strictatime']), {
    flags: 2 ** 24,
    strictAccessTimes: true,
    directIo: true,
    accessTimes: true,
    names: [],
  })
  for (const taken of ['relatime', 'nostrictatime', 'noatime'])
    t.match(parseMountOptions([`strictatime,${taken}`]), { strictAccessTimes: false, directIo: false }, taken)
  t.match(parseMountOptions(['noatime,strictatime']), { strictAccessTimes: true, accessTimes: true })
  t.end()
})

void tap.test('what to do on damage', (t) => {
  t.equal(parseMountOptions([]).onErrors, null)
  t.equal(parseMountOptions(['errors=remount-ro']).onErrors, 'remount-ro')
  t.equal(parseMountOptions(['errors=remount-ro,errors=continue']).onErrors, 'continue')
  t.end()
})

void tap.test('an option without effect is told', (t) => {
  t.match(parseMountOptions(['discard']).notices, [/^discard has no effect/])
  t.same(parseMountOptions(['nodiscard']).notices, [])
  t.end()
})

void tap.test('options of the server, and values in quotes', (t) => {
  const list = 'workers=2,channel=devfuse,cpus="0,2-3",poll=off,mapper=mmap-io,enable_uring,require_dax'
  const { server } = parseMountOptions([list])
  const wishes = { workers: '2', channel: 'devfuse', cpus: '0,2-3', poll: 'off', mapper: 'mmap-io' }
  t.same(server, { ...wishes, enableUring: true, requireDax: true })
  t.same(parseMountOptions(['enable_uring']).server.requireDax, false)
  t.end()
})

void tap.test('what the kernel shows is taken back with remount', (t) => {
  const shown = 'rw,remount,relatime,user_id=0,group_id=0,default_permissions,allow_other,max_read=4096'
  t.match(parseMountOptions([shown]), { remount: true, readOnly: false, allowOther: true })
  t.end()
})

void tap.test('mount -s tolerates what nobody knows', (t) => {
  t.equal(withoutUnknown('ro,frobnicate,cpus="0,1",usrquota'), 'ro,"cpus=0,1"')
  t.equal(withoutUnknown('rw,remount,user_id=0'), 'rw,remount,user_id=0')
  t.end()
})
