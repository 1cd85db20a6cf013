// SPDX-License-Identifier: GPL-2.0-only
/** What the options of -o mean, and what of them is passed on. */
import tap from 'tap'
import { parseMountOptions } from '../../src/daemon/mount-options.js'

void tap.test('the last of several holds, over all lists', (t) => {
  t.match(parseMountOptions(['ro,nosuid', 'rw,,noatime', 'relatime']), {
    readOnly: false,
    flags: 2,
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
  ]
  for (const line of lines) t.same(parseMountOptions([line]), plain, line)
  t.equal(parseMountOptions(['noatime,norelatime']).accessTimes, false, 'nor does it take noatime back')
  t.end()
})

void tap.test('what cannot be had is refused', (t) => {
  const refused = [
    ['ro,frobnicate', /^unknown mount option frobnicate$/],
    ['comment', /^unknown mount option comment$/],
    ['strictatime', /^strictatime cannot be had, .*: relatime comes nearest$/],
    ['remount,ro', /^a mount cannot be changed by remount/],
    ['constructor', /^unknown mount option constructor$/],
  ] as const
  for (const [list, message] of refused) {
    t.throws(() => parseMountOptions([list]), { name: 'UnknownOptionError', message }, list)
  }
  t.end()
})
