// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes of an inode, with the calls and errors of the package fs-xattr. */
import { xattrPrefixes } from '../../layout/xattr.js'
import { E2BIG } from '../fs/errno.js'
import { Name } from '../fs/name.js'
import { XATTR_CREATE, XATTR_REPLACE } from '../fs/xattr-store.js'
import { apiError, check } from './api-error.js'
import { type BytePath, fromBytes } from './byte-path.js'
import { Collector } from './collector.js'
import { invalidType } from './invalid-argument.js'
import { booleanOf, optionsOf } from './options.js'
import type { Session } from './session.js'

/** The value of an attribute. */
export function valueOf(session: Session, inode: number, attribute: unknown, path: BytePath): Buffer {
  const { engine, medium } = session
  const name = xattrNameOf(attribute)
  const sink = { data: () => undefined, hole: () => undefined }
  const length = engine.xattrs.beginGet(inode, name, 0, sink)
  engine.endRead(inode)
  check(length, 'getxattr', path)
  const value = Buffer.alloc(length)
  if (length === 0) return value
  // Nobody else changes the volume in between.
  const read = engine.xattrs.beginGet(inode, name, length, new Collector(medium, value))
  engine.endRead(inode)
  check(read, 'getxattr', path)
  return value
}

/** @param value text is UTF-8 */
export function setValue(
  session: Session,
  inode: number,
  attribute: unknown,
  value: unknown,
  options: unknown,
  path: BytePath,
): void {
  const { buffer, engine } = session
  const name = xattrNameOf(attribute)
  const bytes = bytesOfValue(value)
  const { create, replace } = optionsOf('setAttribute', options, ['create', 'replace'])
  const flags =
    (booleanOf(create, 'create') ? XATTR_CREATE : 0) | (booleanOf(replace, 'replace') ? XATTR_REPLACE : 0)
  if (bytes.length > buffer.bytes.length) throw apiError(-E2BIG, 'setxattr', path)
  buffer.bytes.set(bytes)
  check(engine.xattrs.set(inode, name, buffer, 0, bytes.length, flags), 'setxattr', path)
}

export function removeValue(session: Session, inode: number, attribute: unknown, path: BytePath): void {
  check(session.engine.xattrs.remove(inode, xattrNameOf(attribute)), 'removexattr', path)
}

/** The names of all attributes, with their prefixes. */
export function namesOf(session: Session, inode: number, path: BytePath): BytePath[] {
  const names: BytePath[] = []
  const name = (namespace: number, bytes: Uint8Array, start: number, length: number): void => {
    const prefix = Buffer.from(xattrPrefixes[namespace]!)
    names.push(fromBytes(Buffer.concat([prefix, bytes.subarray(start, start + length)])))
  }
  check(session.engine.xattrs.list(inode, { name }), 'listxattr', path)
  return names
}

function xattrNameOf(attribute: unknown): Name {
  if (typeof attribute !== 'string' && !(attribute instanceof Uint8Array))
    throw invalidType('attr', 'string or an instance of Buffer', attribute)
  const bytes = typeof attribute === 'string' ? Buffer.from(attribute) : attribute
  return new Name().set(bytes, 0, bytes.length)
}

function bytesOfValue(value: unknown): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value)
  if (!ArrayBuffer.isView(value))
    throw invalidType('value', 'string or an instance of Buffer, TypedArray or DataView', value)
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}
