// SPDX-License-Identifier: GPL-2.0-only
/** ACLs by themselves: which ones Linux accepts, the mode that agrees with one, chmod(2), and inheriting. */
import { test } from 'tap'
import { ACL_USER_OBJ, mostAclEntries, mostAclWords } from '../../layout/acl.js'
import { Acl } from '../../src/fs/acl.js'
import { E2BIG, EINVAL, EOPNOTSUPP } from '../../src/fs/errno.js'
import { aclBytes, aclText } from '../support/acl-text.js'

const acl = new Acl(new Int32Array(mostAclWords))
const load = (bytes: Uint8Array) => acl.load(bytes, 0, bytes.length)

/** @returns the ACL that was loaded, as text */
function loaded(): string {
  return aclText(acl.bytes.subarray(0, acl.lengthBytes))
}

const minimal = 'u::rw-,g::r--,o::---'
const masked = 'u::rw-,g::r--,m::rwx,o::---'
const extended = 'u::rwx,u:7:r-x,u:9:---,g::r-x,g:5:rwx,m::rwx,o::r--'

void test('an ACL is right or refused', (t) => {
  const right = [minimal, masked, extended, 'u::---,u:9:r--,u:7:r--,g::---,m::---,o::---']
  for (const text of right) {
    t.equal(load(aclBytes(text)), 0, text)
    t.equal(loaded(), text)
    t.notOk(acl.isEmpty)
  }
  for (const text of [
    'u::rw-',
    'u::rw-,g::r--',
    'u::rw-,o::---',
    'g::r--,o::---',
    'u::rw-,u::rw-,g::r--,m::r--,o::---',
    'g::r--,u::rw-,o::---',
    'u::rw-,g::r--,u:7:r--,m::r--,o::---',
    'u::rw-,g:5:r--,g::r--,m::r--,o::---',
    'u::rw-,u:7:r--,g::r--,o::---',
    'u::rw-,g::r--,g:5:r--,o::---',
    'u::rw-,g::r--,m::r--,m::r--,o::---',
    'u::rw-,m::r--,g::r--,o::---',
    'u::rw-,m::r--,o::---',
    'u::rw-,g::r--,o::---,o::---',
    'u::rw-,g::r--,o::---,m::r--',
    'u::rw-,u:-1:r--,g::r--,m::r--,o::---',
    'u::rw-,g::r--,g:-1:r--,m::r--,o::---',
  ])
    t.equal(load(aclBytes(text)), -EINVAL, text)
  t.end()
})

void test('an ACL without entries is empty, and no bytes are one', (t) => {
  t.equal(load(aclBytes('')), 0)
  t.ok(acl.isEmpty)
  t.equal(load(Buffer.alloc(0)), 0)
  t.ok(acl.isEmpty)
  t.end()
})

void test('bytes that are no ACL are refused', (t) => {
  const bytes = aclBytes(minimal)
  for (const length of [1, 3, 5, 11, bytes.length - 1]) t.equal(load(bytes.subarray(0, length)), -EINVAL)
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(bytes)
    copy.writeUInt16LE(value, at)
    return copy
  }
  t.equal(load(changed(0, 1)), -EOPNOTSUPP, 'another version')
  t.equal(load(changed(4, 3)), -EINVAL, 'a tag that there is not')
  t.equal(load(changed(6, 8)), -EINVAL, 'a permission that there is not')
  t.equal(load(changed(6, 0xffff)), -EINVAL)
  t.equal(load(changed(4, ACL_USER_OBJ)), 0)
  t.end()
})

void test('an ACL has as many entries as Linux passes on', (t) => {
  const of = (named: number) =>
    aclBytes(
      ['u::rwx', ...Array.from({ length: named }, (_, n) => `u:${n}:r--`), 'g::r--,m::r--,o::---'].join(),
    )
  t.equal(load(of(mostAclEntries - 4)), 0)
  t.equal(acl.entries, mostAclEntries)
  t.equal(load(of(mostAclEntries - 3)), -E2BIG)
  t.ok(acl.isEmpty, 'what was there before is gone')
  t.end()
})

void test('a value is taken from where it lies', (t) => {
  const bytes = aclBytes(extended)
  t.equal(acl.load(Buffer.concat([Buffer.from('abc'), bytes, Buffer.from('d')]), 3, bytes.length), 0)
  t.equal(loaded(), extended)
  t.end()
})

void test('the mode shows the owner, the mask or else the group, and others', (t) => {
  for (const [text, permissions, isMinimal] of [
    [minimal, 0o640, true],
    ['u::rwx,g::rwx,o::rwx', 0o777, true],
    ['u::---,g::---,o::---', 0, true],
    [masked, 0o670, false],
    ['u::rw-,g::rwx,m::---,o::--x', 0o601, false],
    [extended, 0o774, false],
    ['u::-w-,u:7:rwx,g::rwx,m::r--,o::--x', 0o241, false],
  ] as const) {
    load(aclBytes(text))
    t.equal(acl.permissions, permissions, text)
    t.equal(acl.isMinimal, isMinimal, text)
  }
  t.end()
})

void test('chmod changes the owner, the mask or else the group, and others', (t) => {
  for (const [text, mode, after] of [
    [minimal, 0o751, 'u::rwx,g::r-x,o::--x'],
    [masked, 0o751, 'u::rwx,g::r--,m::r-x,o::--x'],
    [extended, 0, 'u::---,u:7:r-x,u:9:---,g::r-x,g:5:rwx,m::---,o::---'],
    [extended, 0o107777, 'u::rwx,u:7:r-x,u:9:---,g::r-x,g:5:rwx,m::rwx,o::rwx'],
    [extended, 0o102640, 'u::rw-,u:7:r-x,u:9:---,g::r-x,g:5:rwx,m::r--,o::---'],
  ] as const) {
    load(aclBytes(text))
    acl.agreeWith(mode)
    t.equal(loaded(), after, `${text} ${mode.toString(8)}`)
    t.equal(acl.permissions, mode & 0o777)
  }
  t.end()
})

void test('what is made gets the default ACL, as far as its mode lets it', (t) => {
  for (const [text, mode, made, after] of [
    [minimal, 0o100666, 0o100640, 'u::rw-,g::r--,o::---'],
    [minimal, 0o100600, 0o100600, 'u::rw-,g::---,o::---'],
    [minimal, 0o100111, 0o100000, 'u::---,g::---,o::---'],
    [extended, 0o100666, 0o100664, 'u::rw-,u:7:r-x,u:9:---,g::r-x,g:5:rwx,m::rw-,o::r--'],
    [extended, 0o042777, 0o042774, extended],
    [extended, 0o100600, 0o100600, 'u::rw-,u:7:r-x,u:9:---,g::r-x,g:5:rwx,m::---,o::---'],
    [extended, 0o106777, 0o106774, extended],
    [masked, 0o010666, 0o010660, 'u::rw-,g::r--,m::rw-,o::---'],
  ] as const) {
    load(aclBytes(text))
    t.equal(acl.inherit(mode), made, `${text} ${mode.toString(8)}`)
    t.equal(loaded(), after)
    t.equal(acl.permissions, made & 0o777)
  }
  t.end()
})
