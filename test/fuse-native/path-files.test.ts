// SPDX-License-Identifier: GPL-2.0-only
/** Files that libfuse hides, as they are removed or replaced while they are open, and what becomes of them. */
import { type Test, test } from 'tap'
import { Session } from '../../src/api/session.js'
import { openVolume } from '../../src/api/opened-volume.js'
import { ENOSPC } from '../../src/fs/errno.js'
import { S_IFREG } from '../../src/fs/mode.js'
import { PathFiles } from '../../src/fuse-native/path-files.js'
import { formattedDevice } from '../api/formatted-device.js'

const hidden = '/d/.fuse_hidden0000000100000001'
const again = '/d/.fuse_hidden0000000100000002'

class Files extends PathFiles {
  readonly session: Session

  constructor(session: Session) {
    super(session, { accessTimes: true, directoryAccessTimes: true })
    this.session = session
  }

  names(directory: string): string[] {
    return this.list(directory)
      .map(({ name }) => name)
      .filter((name) => !/^\.\.?$/.test(name))
      .sort()
  }
}

/** With /d/a, which is open. */
function filesOf(t: Test): Files {
  const session = new Session(openVolume([formattedDevice(t, 2 ** 22)], false))
  t.teardown(() => session.close())
  const files = new Files(session)
  files.make('mkdir', '/d', 0o040755)
  files.make('mknod', '/d/a', S_IFREG | 0o644)
  files.open('/d/a', 0)
  return files
}

/** The same where libfuse was about to replace it, which failed, and where its name cannot be given back. */
function filesWithKept(t: Test): Files {
  const files = filesOf(t)
  files.rename('/d/a', hidden)
  const { engine } = files.session
  const link = engine.link.bind(engine)
  engine.link = () => -ENOSPC
  t.throws(() => files.rename('/d/missing', '/d/a'), { code: 'ENOENT' })
  engine.link = link
  return files
}

void test('what libfuse hides goes when it is closed, or when the server ends', (t) => {
  const files = filesOf(t)
  files.rename('/d/a', hidden)
  t.same(files.hidden, [hidden])
  files.rename('/d', '/e')
  t.same(files.hidden, [hidden.replace('/d', '/e')])
  files.unlink(files.hidden[0]!)
  t.same(files.names('/e'), [])
  t.same(files.hidden, [])
  t.end()
})

void test('what it was about to replace stays under the hidden name', (t) => {
  const files = filesWithKept(t)
  t.same(files.hidden, [])
  files.unlink(hidden)
  t.same(files.names('/d'), [hidden.slice('/d/'.length)])
  files.unlink(hidden)
  t.same(files.names('/d'), [], 'which whoever removes it later removes')
  t.end()
})

void test('and in a directory that is renamed', (t) => {
  const files = filesWithKept(t)
  files.rename('/d', '/e')
  files.unlink(hidden.replace('/d', '/e'))
  t.same(files.names('/e'), [hidden.slice('/d/'.length)])
  t.end()
})

void test('a hidden file that is given another name has that when it is closed', (t) => {
  for (const files of [filesOf(t), filesWithKept(t)]) {
    if (files.names('/d').includes('a')) files.rename('/d/a', hidden)
    files.rename(hidden, '/d/b')
    t.same(files.hidden, [])
    files.unlink('/d/b')
    t.same(files.names('/d'), ['b'], 'libfuse does not remove it')
    files.unlink('/d/b')
    t.same(files.names('/d'), [])
  }
  t.end()
})

void test('a file that is removed once it has its name again goes when it is closed', (t) => {
  const files = filesWithKept(t)
  files.rename(hidden, '/d/b')
  files.rename('/d/b', again)
  t.same(files.hidden, [again])
  files.unlink(again)
  t.same(files.names('/d'), [])
  t.end()
})

void test('a hidden file that is renamed onto another name of it has that alone when it is closed', (t) => {
  const files = filesOf(t)
  files.link('/d/a', '/d/b')
  files.rename('/d/a', hidden)
  files.rename(hidden, '/d/b')
  t.same(files.hidden, [])
  t.same(files.names('/d'), ['b'])
  t.equal(files.stat('/d/b').nlink, 1)
  files.unlink('/d/b')
  t.same(files.names('/d'), ['b'], 'libfuse does not remove it')
  files.unlink('/d/b')
  t.same(files.names('/d'), [])
  t.end()
})

void test('also where that is open, so that libfuse hides it before', (t) => {
  const files = filesOf(t)
  files.link('/d/a', '/d/b')
  files.open('/d/b', 0)
  files.rename('/d/a', hidden)
  files.rename('/d/b', again)
  files.rename(hidden, '/d/b')
  t.same(files.hidden, [again])
  files.unlink('/d/b')
  t.same(files.names('/d'), [again.slice('/d/'.length), 'b'])
  files.unlink(again)
  t.same(files.names('/d'), ['b'])
  t.end()
})

void test('a hidden file that was given a name keeps that, and another one onto which it is renamed', (t) => {
  const files = filesOf(t)
  files.link('/d/a', '/d/c')
  files.open('/d/c', 0)
  files.rename('/d/a', hidden)
  files.rename(hidden, '/d/b')
  files.rename('/d/c', again)
  files.rename('/d/b', '/d/c')
  files.unlink('/d/c')
  files.unlink(again)
  t.same(files.names('/d'), ['b', 'c'], 'libfuse removes neither')
  for (const name of ['b', 'c']) files.unlink(`/d/${name}`)
  t.same(files.names('/d'), [], 'and a program both')
  t.end()
})
