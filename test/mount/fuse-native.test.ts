// SPDX-License-Identifier: GPL-2.0-only
/** A mount by the npm package fuse-native: what it serves, and that what it cannot carry is refused. */
import * as fs from 'node:fs'
import { cp, readFile, readdir, rename, rm, rmdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { ForegroundServer } from '../support/foreground-server.js'
import { walkThroughReadme } from '../support/readme-walk.js'
import { finish, run } from '../support/run-command.js'
import { TestMount, hasEnded, packageRoot, pmfs2, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const channel = ['--channel', 'fuse-native'] as const
/** What a mount says is lost by it. */
const lossNotice =
  /^mount: fuse-native: times are cut to whole milliseconds; ACLs are neither served nor inherited nor checked; locks, leases and inotify by one name of a file do not hold for its other names$/m
const changeNotice =
  /^mount: fuse-native: a change of only one of a file's two times \(touch -a, touch -m, tar\) has no effect and is reported as done$/m
const limitMs = 120_000
const patienceMs = 60_000

function mounted(t: Test): Promise<TestMount> {
  return TestMount.mounted(t, '256M', ...channel)
}

async function isClean(t: Test, mount: TestMount): Promise<void> {
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

/** What was closed a moment ago may still be open to libfuse, which keeps it in its directory then. */
function isRemoved(path: string): Promise<boolean> {
  const remove = (): Promise<boolean> =>
    rm(path, { recursive: true, force: true }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY') return false
        throw error
      },
    )
  return until(remove, patienceMs)
}

/**
 * Python's calls reach the kernel as they are.
 * @param calls expressions @returns what each of them comes to, or the name of its error
 */
async function python(place: string, calls: readonly string[]): Promise<string[]> {
  const program = `
import ctypes, errno, fcntl, mmap, os
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(old, new, flags):
  if libc.renameat2(-100, old, -100, new, flags) < 0: raise OSError(ctypes.get_errno(), 'renameat2')
def flags(fd, now=0):
  fcntl.fcntl(fd, fcntl.F_SETFL, now)
def text(name):
  with open(name) as file: return file.read()
for call in ${JSON.stringify(calls)}:
  try: print(eval(call))
  except OSError as e: print(errno.errorcode[e.errno])`
  return (await run('env', ['-C', place, 'python3', '-c', program])).trim().split('\n')
}

/** Each call with what is to come of it. */
async function pythonSays(t: Test, place: string, expected: Readonly<Record<string, string>>): Promise<void> {
  const said = await python(place, Object.keys(expected))
  t.same(Object.fromEntries(Object.keys(expected).map((call, n) => [call, said[n]])), expected)
}

void tap.test('the commands of README.md', async (t) => {
  // They name one device.
  const mount = await TestMount.makeOn(t, 2 ** 28)
  await walkThroughReadme(t, mount, channel, async (said) => {
    t.match(said, lossNotice)
    t.match(said, changeNotice)
    const { channel: served, workers } = await mount.adopt()
    t.same({ served, workers }, { served: 'fuse-native', workers: 1 })
    t.match(
      await readFile('/proc/self/mounts', 'utf8'),
      `${mount.device} ${mount.mountpoint} fuse.pmfs2 rw,relatime`,
    )
  })
  const names = async (): Promise<string> => (await readdir(mount.mountpoint)).join()
  t.ok(await until(async () => (await names()) === 'seed.0.0', patienceMs), 'what is removed is gone')
  const { requests, bytesWritten } = await mount.report()
  t.ok(bytesWritten > 0 && requests['WRITE']! > 0, 'what is served is counted')
  await isClean(t, mount)
  const said = await mount.mount(...channel, '-o', 'ro')
  t.match(said, lossNotice)
  t.notMatch(said, changeNotice, 'nothing can be changed')
  t.equal((await stat(join(mount.mountpoint, 'seed.0.0'))).size, 2 * 2 ** 20, 'and lasts')
  await t.rejects(writeFile(join(mount.mountpoint, 'new'), ''), { code: 'EROFS' })
})

void tap.test('files', async (t) => {
  const mount = await mounted(t)
  const at = (name: string): string => join(mount.mountpoint, name)
  await t.test('names', async (t) => {
    fs.mkdirSync(at('folder'), { mode: 0o2750 })
    fs.writeFileSync(at('folder/a'), 'a')
    fs.linkSync(at('folder/a'), at('b'))
    const [a, b] = [fs.statSync(at('folder/a')), fs.statSync(at('b'))]
    t.equal(a.ino, b.ino, 'hard links are one file')
    t.equal(b.nlink, 2)
    fs.appendFileSync(at('b'), 'bc')
    t.equal(fs.readFileSync(at('folder/a'), 'utf8'), 'abc', 'whichever name it is written by')
    fs.symlinkSync('folder/a', at('c'))
    t.equal(fs.readlinkSync(at('c')), 'folder/a')
    t.equal(fs.readFileSync(at('c'), 'utf8'), 'abc')
    t.same(
      fs.readdirSync(at('folder'), { withFileTypes: true }).map((entry) => [entry.name, entry.isFile()]),
      [['a', true]],
      'a listing has types',
    )
    await rename(at('folder'), at('other'))
    await rename(at('c'), at('other/c'))
    t.same(fs.readdirSync(mount.mountpoint).sort(), ['b', 'other'])
    fs.mkdirSync(at('many'))
    const names = Array.from({ length: 300 }, (_, n) => `${n}-ä`)
    for (const name of names) fs.writeFileSync(at(`many/${name}`), '')
    t.same(fs.readdirSync(at('many')).sort(), names.sort())
    await t.rejects(rmdir(at('many')), { code: 'ENOTEMPTY' })
    for (const name of ['many', 'other', 'b']) t.ok(await isRemoved(at(name)), name)
    t.same(fs.readdirSync(mount.mountpoint), [])
  })
  await t.test('a directory that is removed while open', (t) => {
    fs.mkdirSync(at('d'))
    const fd = fs.openSync(at('d'), 'r')
    fs.rmdirSync(at('d'))
    t.throws(() => fs.fstatSync(fd), { code: 'ENOENT' })
    fs.closeSync(fd)
    t.end()
  })
  await t.test('contents', async (t) => {
    const fd = fs.openSync(at('f'), 'w+')
    const data = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 251))
    t.equal(fs.writeSync(fd, data, 0, data.length, 5000), data.length)
    fs.unlinkSync(at('f'))
    const read = Buffer.alloc(data.length)
    t.equal(fs.readSync(fd, read, 0, read.length, 5000), data.length, 'a file without a name is read on')
    t.ok(read.equals(data))
    t.equal(fs.readSync(fd, read, 0, 5000, 0), 5000)
    t.ok(
      read.subarray(0, 5000).every((byte) => byte === 0),
      'a hole has zeros',
    )
    fs.ftruncateSync(fd, 6000)
    t.equal(fs.fstatSync(fd).size, 6000)
    t.equal(fs.fstatSync(fd).nlink, 0)
    fs.fsyncSync(fd)
    fs.closeSync(fd)
    t.ok(
      await until(() => Promise.resolve(fs.readdirSync(mount.mountpoint).length === 0), patienceMs),
      'it goes when it is closed',
    )
    fs.writeFileSync(at('g'), 'one')
    fs.appendFileSync(at('g'), 'two')
    const made = fs.openSync(at('appended'), 'ax')
    fs.linkSync(at('appended'), at('other name'))
    fs.writeSync(made, 'one ')
    fs.appendFileSync(at('other name'), 'two ')
    fs.writeSync(made, 'three')
    fs.closeSync(made)
    t.equal(fs.readFileSync(at('appended'), 'utf8'), 'one two three', 'each is appended, by whichever name')
    fs.truncateSync(at('g'), 5)
    t.equal(fs.readFileSync(at('g'), 'utf8'), 'onetw')
  })
  await t.test('replacing open files', async (t) => {
    const only = (name: string, ...others: readonly string[]): Promise<boolean> =>
      until(
        () => Promise.resolve(fs.readdirSync(at('replaced')).sort().join() === [name, ...others].join()),
        patienceMs,
      )
    fs.mkdirSync(at('replaced'))
    for (const name of ['a', 'b']) fs.writeFileSync(at(`replaced/${name}`), name)
    const old = fs.openSync(at('replaced/b'), 'r')
    fs.renameSync(at('replaced/a'), at('replaced/b'))
    t.equal(fs.readFileSync(at('replaced/b'), 'utf8'), 'a')
    t.equal(fs.readFileSync(old, 'utf8'), 'b', 'who has it open reads on')
    fs.closeSync(old)
    t.ok(await only('b'))
    fs.linkSync(at('replaced/b'), at('replaced/c'))
    const open = fs.openSync(at('replaced/c'), 'r')
    fs.renameSync(at('replaced/b'), at('replaced/c'))
    t.equal(fs.readFileSync(at('replaced/b'), 'utf8'), 'a', 'two names of one file stay')
    t.equal(fs.readFileSync(at('replaced/c'), 'utf8'), 'a')
    fs.closeSync(open)
    t.ok(await only('b', 'c'), 'and no third one')
    t.equal(fs.statSync(at('replaced/b')).nlink, 2)
    t.ok(await isRemoved(at('replaced')))
  })
  await t.test('renaming hidden files', async (t) => {
    const folder = at('hidden')
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    const nameOf = (): string => fs.readdirSync(folder).find((name) => name.startsWith('.fuse_hidden'))!
    const only = (...names: readonly string[]): Promise<boolean> =>
      until(() => Promise.resolve(fs.readdirSync(folder).sort().join() === names.join()), patienceMs)
    fs.mkdirSync(folder)
    for (const opened of [[a], [a, b]]) {
      fs.writeFileSync(a, 'text')
      fs.linkSync(a, b)
      const open = opened.map((path) => fs.openSync(path, 'r'))
      fs.unlinkSync(a)
      fs.renameSync(join(folder, nameOf()), b)
      for (const fd of open) t.equal(fs.readFileSync(fd, 'utf8'), 'text')
      for (const fd of open) fs.closeSync(fd)
      t.ok(await only('b'), `onto another name of it, ${opened.length} open`)
      // The kernel counts the links of what it took for two files by itself, and may show that for a jiffy.
      t.ok(await until(() => Promise.resolve(fs.statSync(b).nlink === 1), patienceMs))
      t.equal(fs.readFileSync(b, 'utf8'), 'text')
      fs.unlinkSync(b)
      t.ok(await only())
    }
    fs.rmdirSync(folder)
  })
  await t.test('attributes', async (t) => {
    const umask = process.umask(0o027)
    fs.writeFileSync(at('h'), '', { mode: 0o666 })
    process.umask(umask)
    const { mode, uid, gid } = fs.statSync(at('h'))
    t.same([mode & 0o7777, uid, gid], [0o640, 0, 0], 'the umask of the caller counts, and no other')
    fs.chmodSync(at('h'), 0o4751)
    t.equal(fs.statSync(at('h')).mode & 0o7777, 0o4751)
    fs.chownSync(at('h'), 7, 8)
    t.match(fs.statSync(at('h')), { uid: 7, gid: 8, mode: 0o100751 })
    fs.chownSync(at('h'), 9, -1)
    t.match(fs.statSync(at('h')), { uid: 9, gid: 8 })
    fs.utimesSync(at('h'), 1_000_000_000.125, 1_234_567_890.75)
    t.match(fs.statSync(at('h')), { atimeMs: 1_000_000_000_125, mtimeMs: 1_234_567_890_750 })
    await run('mkfifo', [at('fifo')])
    await run('mknod', [at('null'), 'c', '1', '3'])
    t.ok(fs.statSync(at('fifo')).isFIFO())
    t.equal(await run('stat', ['-c', '%t %T', at('null')]), '1 3')
    const { blocks, bsize, ffree } = fs.statfsSync(mount.mountpoint)
    t.ok(blocks * bsize > 250 * 2 ** 20 && blocks * bsize <= 256 * 2 ** 20 && ffree > 0)
    await run('setfattr', ['-n', 'user.note', '-v', 'text', at('h')])
    await run('setfattr', ['-n', 'user.none', at('h')])
    await pythonSays(t, mount.mountpoint, {
      'sorted(os.listxattr("h"))': "['user.none', 'user.note']",
      'os.getxattr("h", "user.note")': "b'text'",
      'os.getxattr("h", "user.none")': "b''",
      'os.setxattr("h", "user.big", b"x" * 60000)': 'None',
      'len(os.getxattr("h", "user.big"))': '60000',
      'os.setxattr("h", "user.note", b"", os.XATTR_CREATE)': 'EEXIST',
      'libc.getxattr(b"h", b"user.note", ctypes.create_string_buffer(3), 3), errno.errorcode[ctypes.get_errno()]':
        "(-1, 'ERANGE')",
      'libc.listxattr(b"h", ctypes.create_string_buffer(3), 3), errno.errorcode[ctypes.get_errno()]':
        "(-1, 'ERANGE')",
      'libc.listxattr(b"h", None, 0)': '29',
      'os.removexattr("h", "user.note")': 'None',
      'os.getxattr("h", "user.note")  # again': 'ENODATA',
    })
  })
  await isClean(t, mount)
})

void tap.test('flags that fcntl(2) changes', async (t) => {
  const mount = await mounted(t)
  await pythonSays(t, mount.mountpoint, {
    '(a := os.open("f", os.O_RDWR | os.O_CREAT | os.O_APPEND)) != (b := os.open("f", os.O_RDWR))': 'True',
    'os.write(a, b"abc"), os.pwrite(a, b"d", 0), text("f")': "(3, 1, 'abcd')",
    'flags(a), os.pwrite(a, b"A", 0), text("f")': "(None, 1, 'Abcd')",
    'os.lseek(a, 1, 0), os.write(a, b"B"), text("f")': "(1, 1, 'ABcd')",
    'flags(b, os.O_APPEND), os.pwrite(b, b"e", 0), text("f")': "(None, 1, 'ABcde')",
    'os.lseek(b, 0, 0), os.write(b, b"f"), os.lseek(b, 0, 1), text("f")': "(0, 1, 6, 'ABcdef')",
    'os.pwrite(a, b"C", 2), text("f")': "(1, 'ABCdef')",
    // The descriptors that dup(2) makes share them.
    'flags(os.dup(a), os.O_APPEND), flags(b), os.pwrite(a, b"g", 0), os.pwrite(b, b"D", 3), text("f")':
      "(None, None, 1, 1, 'ABCDefg')",
    // The kernel does not know of the other name's length.
    'os.link("f", "g"), (c := os.open("g", os.O_WRONLY)) > 0, os.pwrite(c, b"h", 7), os.write(a, b"i"), text("g")':
      "(None, True, 1, 1, 'ABCDefghi')",
    'flags(c, os.O_APPEND), os.write(a, b"j"), os.write(c, b"k"), text("f")': "(None, 1, 1, 'ABCDefghijk')",
    // Without an effect, as every write is durable.
    'flags(c, os.O_DIRECT), os.pwrite(c, b"E", 4), text("f")': "(None, 1, 'ABCDEfghijk')",
    'os.utime("f", (1, 2)), flags(b, os.O_NOATIME), os.pread(b, 1, 0), os.stat("f").st_atime':
      "(None, None, b'A', 1.0)",
    'flags(b), os.pread(b, 1, 0), os.stat("f").st_atime > 1': "(None, b'A', True)",
  })
  await isClean(t, mount)
})

void tap.test('what it cannot carry', async (t) => {
  const mount = await mounted(t)
  const { mountpoint } = mount
  for (const name of ['f', 'other']) await writeFile(join(mountpoint, name), 'text')
  await pythonSays(t, mountpoint, {
    'renameat2(b"f", b"new", 1)': 'EINVAL',
    'renameat2(b"f", b"other", 2)': 'EINVAL',
    'renameat2(b"f", b"new", 4)': 'EINVAL',
    'os.mkdir(b"\\xff")': 'EILSEQ',
    'os.symlink(b"\\xff", "link")': 'EILSEQ',
    // What the package makes of such a name.
    'os.mkdir("\\ufffd")': 'EILSEQ',
    'os.utime("f", (-5, 5))': 'EINVAL',
    'os.utime("f", (5, -5))': 'EINVAL',
    'os.setxattr("f", "system.posix_acl_access", b"")': 'ENOTSUP',
    'mmap.mmap(os.open("f", os.O_RDWR), 4)': 'ENODEV',
    'mmap.mmap(os.open("f", os.O_RDONLY), 4, mmap.MAP_PRIVATE, mmap.PROT_READ)[:]': "b'text'",
    'os.open(".", os.O_TMPFILE | os.O_RDWR)': 'ENOTSUP',
    'os.path.exists("new")': 'False',
  })
  for (const args of [
    ['fallocate', '-l', '1M', 'f'],
    ['chattr', '+a', 'f'],
  ]) {
    const { end, output } = await finish('env', ['-C', mountpoint, ...args])
    t.equal(end, 1, args.join(' '))
    t.match(output, /not supported|Inappropriate ioctl/i)
  }
  const { mtimeMs } = await stat(join(mountpoint, 'f'))
  await run('touch', ['-m', '-d', '2001-02-03', join(mountpoint, 'f')])
  t.equal(
    (await stat(join(mountpoint, 'f'))).mtimeMs,
    mtimeMs,
    'one time without the other, as the notice says',
  )
  const { end, output } = await finish('setpriv', ['--reuid=1234', '--clear-groups', 'ls', mountpoint])
  t.equal(end, 2)
  t.match(output, /Permission denied/, 'a caller other than root')
  t.match(await pmfs2(['mount', '-o', 'remount,ro', mount.device, mountpoint]), {
    end: 1,
    output: /a mount by the channel fuse-native cannot be remounted/,
  })

  await mount.remount('--channel', 'devfuse')
  await python(mountpoint, ['os.mknod(b"caf\\xe9")', 'os.utime("f", (-5, -5))'])
  await writeFile(join(mountpoint, 'immutable'), 'new')
  await run('chattr', ['+i', join(mountpoint, 'immutable')])
  await mount.remount(...channel)
  const open = fs.openSync(join(mountpoint, 'other'), 'r')
  await pythonSays(t, mountpoint, {
    'os.rename("immutable", "other")': 'EPERM',
    'open("other").read()': 'text',
  })
  t.equal(fs.readFileSync(open, 'utf8'), 'text', 'what is not replaced stays, also where it is open')
  fs.closeSync(open)
  await run('rm', [join(mountpoint, 'other')])
  await writeFile(join(mountpoint, 'other'), 'text')
  await mount.remount('--channel', 'devfuse')
  await run('chattr', ['-i', join(mountpoint, 'immutable')])
  await run('rm', [join(mountpoint, 'immutable')])
  await mount.remount(...channel)
  await pythonSays(t, mountpoint, {
    // It is listed, and nothing else is done by it.
    'sorted(os.listdir(b"."))': "[b'caf\\xef\\xbf\\xbd', b'f', b'other']",
    'os.stat(b"caf\\xe9")': 'EILSEQ',
    'os.unlink(b"caf\\xef\\xbf\\xbd")': 'EILSEQ',
    'os.stat("f")': 'EOVERFLOW',
  })
  await isClean(t, mount)
})

void tap.test('options', async (t) => {
  const mount = await TestMount.make(t, '64M')
  t.match(await pmfs2([mount.device, mount.mountpoint, ...channel, '-o', 'allow_other']), {
    end: 32,
    output: /^mount: the channel fuse-native does not support allow_other: /,
  })
  t.notOk(mount.isMounted())
  await mount.mount(...channel, '-o', 'noatime,nosuid,nodev,noexec,noxattr,direct_io', '--workers', '1')
  t.match(
    await readFile('/proc/self/mounts', 'utf8'),
    `${mount.mountpoint} fuse.pmfs2 rw,nosuid,nodev,noexec,noatime`,
  )
  const file = join(mount.mountpoint, 'f')
  await writeFile(file, 'text')
  const { atimeMs } = await stat(file)
  await readFile(file)
  t.equal((await stat(file)).atimeMs, atimeMs)
  await pythonSays(t, mount.mountpoint, { 'os.setxattr("f", "user.a", b"")': 'ENOTSUP' })
  await mount.remount(...channel, '--mapper', 'mmap-io')
  t.match(await mount.report(), { channel: 'fuse-native', mapper: 'mmap-io' })
  await pythonSays(t, mount.mountpoint, {
    'os.read(os.open("f", os.O_RDONLY | os.O_NOATIME), 9)': "b'text'",
    [`os.stat("f").st_atime_ns == ${Math.round(atimeMs)} * 10**6`]: 'True',
  })
  t.equal(await readFile(file, 'utf8'), 'text')
  t.ok((await stat(file)).atimeMs > atimeMs, 'relatime')
})

void tap.test('programs', async (t) => {
  const mount = await mounted(t)
  const { mountpoint } = mount
  const source = join(packageRoot, 'layout')
  const copy = join(mountpoint, 'copy')
  await run('cp', ['-a', source, copy], limitMs)
  await run('diff', ['-r', source, copy], limitMs)
  const seconds = async (folder: string): Promise<string> =>
    run('env', ['-C', folder, 'find', '.', '-printf', '%p %m %U %Ts\n'])
  const sorted = (text: string): string[] => text.split('\n').sort()
  t.same(sorted(await seconds(copy)), sorted(await seconds(source)), 'cp -a keeps modes, owners and times')
  await run('rsync', ['-a', '--delete', `${copy}/`, join(mountpoint, 'synced')], limitMs)
  await run('diff', ['-r', copy, join(mountpoint, 'synced')], limitMs)

  await cp(source, join(mountpoint, 'tree'), { recursive: true })
  await run('tar', ['-C', mountpoint, '-cf', join(mountpoint, 'tree.tar'), 'tree'], limitMs)
  await run('mkdir', [join(mountpoint, 'out')])
  await run('tar', ['-C', join(mountpoint, 'out'), '-xf', join(mountpoint, 'tree.tar')], limitMs)
  await run('diff', ['-r', join(mountpoint, 'tree'), join(mountpoint, 'out', 'tree')], limitMs)

  const git = (...args: readonly string[]): Promise<string> =>
    run(
      'git',
      ['-C', join(mountpoint, 'tree'), '-c', 'user.name=Test', '-c', 'user.email=test@localhost', ...args],
      limitMs,
    )
  await git('init', '--quiet')
  await git('add', '.')
  await git('commit', '--quiet', '--message', 'all', '--no-gpg-sign')
  await git('gc', '--quiet', '--prune=now')
  await git('fsck', '--full', '--strict')
  t.equal(await git('status', '--porcelain'), '')

  const sql = `PRAGMA synchronous = FULL; CREATE TABLE items (name TEXT); BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO items SELECT 'item ' || i FROM n;
    COMMIT; DELETE FROM items WHERE rowid % 2; VACUUM; PRAGMA integrity_check; SELECT count(*) FROM items;`
  t.equal(await run('sqlite3', ['-bail', join(mountpoint, 'items.db'), sql], limitMs), 'ok\n2500')

  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount('--channel', 'devfuse')
  await run('diff', ['-r', source, copy], limitMs)
  t.equal(await git('status', '--porcelain'), '', 'another channel serves the same files')
})

void tap.test('the end of a mount', async (t) => {
  await t.test('a signal unmounts', async (t) => {
    const mount = await mounted(t)
    const { pid } = await mount.report()
    process.kill(pid, 'SIGTERM')
    t.ok(await hasEnded(pid, patienceMs))
    t.notOk(mount.isMounted())
    t.match(await mount.check(), /: clean,/)
  })
  await t.test('also where it is in use', async (t) => {
    const mount = await mounted(t)
    const at = (name: string): string => join(mount.mountpoint, name)
    const fd = fs.openSync(at('f'), 'w')
    fs.mkdirSync(at('folder'))
    const others = ['removed', 'folder/removed'].map((name) => fs.openSync(at(name), 'w'))
    fs.unlinkSync(at('removed'))
    fs.unlinkSync(at('folder/removed'))
    fs.renameSync(at('folder'), at('renamed'))
    const { pid } = await mount.report()
    process.kill(pid, 'SIGTERM')
    t.ok(await hasEnded(pid, patienceMs))
    t.notOk(mount.isMounted())
    t.throws(() => fs.writeSync(fd, 'text'), { code: /^(ENOTCONN|ECONNABORTED)$/ })
    for (const open of [fd, ...others])
      try {
        fs.closeSync(open)
      } catch (error) {
        t.comment(String(error))
      }
    t.match(await mount.check(), /: clean,/)
    await mount.mount(...channel)
    t.same(fs.readdirSync(mount.mountpoint).sort(), ['f', 'renamed'], 'what was removed is gone')
    t.same(fs.readdirSync(at('renamed')), [])
  })
  await t.test('umount(8) as well', async (t) => {
    const mount = await mounted(t)
    const { pid } = await mount.report()
    await run('umount', [mount.mountpoint])
    t.ok(await hasEnded(pid, patienceMs))
    t.match(await mount.check(), /: clean,/)
  })
  await t.test('a device that fails', async (t) => {
    const mount = await TestMount.make(t, '256M')
    const server = await ForegroundServer.start(mount, '-f', ...channel)
    await truncate(mount.device, 4096)
    await t.rejects(writeFile(join(mount.mountpoint, 'f'), Buffer.alloc(2 ** 20)))
    t.equal(await server.ended(), 32, server.output)
    const { mountpoint } = mount
    t.match(
      server.output,
      new RegExp(
        `^mount: the mount has failed: cannot access \\S+ at byte \\d+: .*it was cut short.*; programs get ENOTCONN at ${mountpoint} until it is unmounted`,
        'm',
      ),
    )
    await t.rejects(stat(mountpoint), { code: 'ENOTCONN' }, 'the mount stays, and is dead')
    t.ok(mount.isMounted())
  })
  await t.test('a killed server', async (t) => {
    const mount = await mounted(t)
    await writeFile(join(mount.mountpoint, 'f'), 'text')
    await mount.killServer()
    await t.rejects(stat(mount.mountpoint), { code: /^(ENOTCONN|ECONNABORTED)$/ })
    await mount.cutOff()
    await mount.mount(...channel)
    t.equal(await readFile(join(mount.mountpoint, 'f'), 'utf8'), 'text', 'what was written is there')
    await isClean(t, mount)
  })
})
