// SPDX-License-Identifier: GPL-2.0-only
/** Options, handles and kinds of data: each call does with them what node:fs does, or refuses them by name. */
import { constants } from 'node:fs'
import { Readable } from 'node:stream'
import { test } from 'tap'
import { openFiles } from '../../src/api/volume-files.js'
import { type Case, type Calls, differences } from './differences.js'
import { formattedDevice } from './formatted-device.js'

/** The handle of either, loosely typed. */
type Handle = Calls

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants
const textFlags =
  'r rs sr r+ rs+ sr+ w wx xw w+ wx+ xw+ a ax xa as sa a+ ax+ xa+ as+ sa+ x + rw ra wr toString'.split(' ')
const numberFlags = [O_RDONLY, O_WRONLY, O_RDWR].flatMap((access) =>
  [0, O_CREAT, O_EXCL, O_CREAT | O_EXCL, O_TRUNC, O_APPEND, O_CREAT | O_TRUNC, O_NOFOLLOW, O_DIRECTORY].map(
    (more) => access | more,
  ),
)
const flags: readonly unknown[] = [...textFlags, ...numberFlags, '', 1.5, 2 ** 31, null, undefined, true, {}]
const targets = ['file', 'new', 'link', 'dangling', 'full', 'missing/file', 'file/below', 'new/', 'link/']
const encodings: readonly unknown[] = [
  'utf8',
  'UTF-8',
  'utf16le',
  'ucs2',
  'latin1',
  'binary',
  'ascii',
  'base64',
  'base64url',
  'hex',
  '',
  null,
  undefined,
]
const wrongEncodings: readonly unknown[] = ['buffer', 'utf-7', 'bogus', 5, {}]

function named(what: string, options: unknown): string {
  const text =
    typeof options === 'object' && options !== null ? Object.entries(options).join(' ') : String(options)
  return `${what} ${text}`
}

function each<Value>(
  what: string,
  values: readonly Value[],
  call: (files: Calls, at: string, value: Value) => Promise<unknown>,
): Case[] {
  return values.map((value) => ({ what: named(what, value), call: (files, at) => call(files, at, value) }))
}

/** Opens, and closes whatever happens. */
async function held(
  files: Calls,
  path: string,
  flag: unknown,
  use: (handle: Handle) => Promise<unknown>,
): Promise<unknown> {
  const handle = (await files['open']!(path, flag)) as Handle
  try {
    return await use(handle)
  } finally {
    await handle['close']!()
  }
}

async function* asyncParts(): AsyncGenerator<string | Uint8Array> {
  yield 'one'
  await Promise.resolve()
  yield Buffer.from('two')
}

async function none(t: Parameters<typeof differences>[0], cases: readonly Case[]): Promise<void> {
  t.ok(cases.length > 0)
  t.same(await differences(t, cases), [])
}

void test('flags of every call', async (t) => {
  const opened = (f: Calls, path: string, flag: unknown) => held(f, path, flag, () => Promise.resolve(1))
  const cases = [
    ...targets.flatMap((target) =>
      each(`open ${target}`, flags, (f, at, flag) => opened(f, `${at}/${target}`, flag)),
    ),
    ...['file', 'new'].flatMap((target) => [
      ...each(`writeFile ${target}`, flags, (f, at, flag) =>
        f['writeFile']!(`${at}/${target}`, 'x', { flag }),
      ),
      ...each(`appendFile ${target}`, flags, (f, at, flag) =>
        f['appendFile']!(`${at}/${target}`, 'x', { flag }),
      ),
      ...each(`readFile ${target}`, flags, (f, at, flag) =>
        f['readFile']!(`${at}/${target}`, { flag, encoding: 'hex' }),
      ),
    ]),
  ]
  await none(t, cases)
})

void test('modes and the umask', async (t) => {
  const modes: readonly unknown[] = [
    0,
    0o600,
    0o777,
    0o4755,
    0o7777,
    0o1777,
    0o2775,
    '644',
    '0755',
    '1777',
    '8',
    'rwx',
    '',
    -1,
    1.5,
    2 ** 32,
    null,
    undefined,
    true,
    {},
  ]
  const before = process.umask(0o22)
  t.teardown(() => process.umask(before))
  for (const umask of [0o22, 0o77, 0]) {
    process.umask(umask)
    await none(t, [
      ...each('writeFile', modes, (f, at, mode) => f['writeFile']!(`${at}/new`, 'x', { mode })),
      ...each('writeFile over', modes, (f, at, mode) => f['writeFile']!(`${at}/file`, 'x', { mode })),
      ...each('appendFile', modes, (f, at, mode) => f['appendFile']!(`${at}/new`, 'x', { mode })),
      ...each('open', modes, async (f, at, mode) =>
        ((await f['open']!(`${at}/new`, 'w', mode)) as Handle)['close']!(),
      ),
      ...each('mkdir', modes, (f, at, mode) => f['mkdir']!(`${at}/new`, { mode })),
      ...each(
        'mkdir short',
        modes.filter((mode) => mode !== true),
        (f, at, mode) => f['mkdir']!(`${at}/new`, mode),
      ),
      ...each('mkdir recursive', modes, (f, at, mode) =>
        f['mkdir']!(`${at}/new/a/b`, { mode, recursive: true }),
      ),
      ...each('chmod', modes, (f, at, mode) => f['chmod']!(`${at}/file`, mode)),
      ...each('chmod of a handle', modes, (f, at, mode) =>
        held(f, `${at}/file`, 'r', (handle) => handle['chmod']!(mode)),
      ),
      ...each('a set-ID file written', ['4755', '6755', '2644'], async (f, at, mode) => {
        await f['chmod']!(`${at}/file`, mode)
        await f['appendFile']!(`${at}/file`, 'x')
        await f['truncate']!(`${at}/file`, 3)
      }),
      ...each('in a set-group-ID directory', [0o755, 0o2755], async (f, at, mode) => {
        await f['chmod']!(`${at}/full`, 0o2775)
        await f['mkdir']!(`${at}/full/new`, { mode })
      }),
      ...each('a set-ID file given away', ['4755', '6755', '2644'], async (f, at, mode) => {
        await f['chmod']!(`${at}/file`, mode)
        await f['chown']!(`${at}/file`, -1, -1)
      }),
    ])
  }
})

void test('encodings', async (t) => {
  const all = [...encodings, ...wrongEncodings]
  const names = [...encodings.filter((encoding) => encoding !== 'utf16le'), 'buffer', 'utf-7', 'bogus', 5]
  await none(t, [
    ...each('readFile', all, (f, at, encoding) => f['readFile']!(`${at}/full/ä`, { encoding })),
    ...each('readFile short', all.slice(0, -1), (f, at, encoding) =>
      f['readFile']!(`${at}/full/ä`, encoding),
    ),
    ...each('writeFile', all, (f, at, encoding) => f['writeFile']!(`${at}/new`, 'c3a4', { encoding })),
    ...each('writeFile short', all.slice(0, -1), (f, at, encoding) =>
      f['writeFile']!(`${at}/new`, 'c3a4', encoding),
    ),
    ...each('writeFile of bytes', all, (f, at, encoding) =>
      f['writeFile']!(`${at}/new`, Buffer.from('x'), { encoding }),
    ),
    ...each('appendFile', all, (f, at, encoding) => f['appendFile']!(`${at}/file`, 'c3a4', { encoding })),
    ...each('readdir', names, (f, at, encoding) => f['readdir']!(`${at}/full`, { encoding })),
    ...each('readdir short', names, (f, at, encoding) => f['readdir']!(`${at}/full`, encoding)),
    ...each('readlink', names, (f, at, encoding) => f['readlink']!(`${at}/link`, encoding)),
    ...each('handle.readFile', all, (f, at, encoding) =>
      held(f, `${at}/file`, 'r', (handle) => handle['readFile']!({ encoding })),
    ),
    ...each('handle.writeFile', all, (f, at, encoding) =>
      held(f, `${at}/file`, 'r+', (handle) => handle['writeFile']!('c3a4', { encoding })),
    ),
  ])
})

void test('kinds of data', async (t) => {
  const data: Record<string, () => unknown> = {
    string: () => 'ä',
    Buffer: () => Buffer.from('bytes'),
    Uint16Array: () => Uint16Array.of(1, 2, 3),
    Float64Array: () => Float64Array.of(1.5),
    DataView: () => new DataView(new ArrayBuffer(9), 3, 4),
    'a part of an array': () => new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3),
    array: () => ['one', 'two', Buffer.from('three')],
    generator: () => asyncParts(),
    stream: () => Readable.from(['one', 'two']),
    'empty string': () => '',
    'nothing at all': () => [],
    number: () => 5,
    null: () => null,
    undefined: () => undefined,
    object: () => ({}),
    boolean: () => true,
    ArrayBuffer: () => new ArrayBuffer(3),
    'numbers in an array': () => [1, 2],
  }
  const kinds = Object.keys(data)
  const openOptions = [
    { flag: 'w' },
    { flag: 'bogus' },
    { mode: 5 },
    { flag: 5, mode: 'x' },
    { flush: true },
    { flush: null },
  ]
  await none(t, [
    ...each('writeFile', kinds, (f, at, kind) => f['writeFile']!(`${at}/file`, data[kind]!())),
    ...each('writeFile hex', ['array', 'string'], (f, at) =>
      f['writeFile']!(`${at}/file`, ['6162', '63'], 'hex'),
    ),
    ...each('appendFile', kinds, (f, at, kind) => f['appendFile']!(`${at}/file`, data[kind]!())),
    ...each('handle.appendFile', kinds, (f, at, kind) =>
      held(f, `${at}/file`, 'a', (handle) => handle['appendFile']!(data[kind]!())),
    ),
    ...['writeFile', 'appendFile'].flatMap((call) =>
      each(`${call}, with options of opening`, openOptions, (f, at, options) =>
        held(f, `${at}/file`, 'r+', async (handle) => {
          await handle[call]!('x', options)
          return f[call]!(handle, asyncParts(), options)
        }),
      ),
    ),
    ...each('readFile, with a flag', [{ flag: 'w' }, { flag: 'bogus' }], (f, at, options) =>
      held(f, `${at}/file`, 'r+', async (handle) => [
        await handle['readFile']!(options),
        await f['readFile']!(handle, options),
      ]),
    ),
    ...each('handle as a path', kinds, (f, at, kind) =>
      held(f, `${at}/file`, 'r+', (handle) => f['writeFile']!(handle, data[kind]!())),
    ),
  ])
})

void test('directories: types, trees, what was made', async (t) => {
  const entries = async (f: Calls, path: string, options: object): Promise<unknown> => {
    const found = (await f['readdir']!(path, options)) as {
      name: string
      parentPath: string
      isDirectory(): boolean
      isFile(): boolean
      isSymbolicLink(): boolean
    }[]
    return found.map(
      (entry) =>
        `${entry.parentPath.split('/').slice(-1)[0]!.replace(/^\d+$/, '')}/${entry.name} ${[entry.isDirectory(), entry.isFile(), entry.isSymbolicLink()].join()}`,
    )
  }
  const made = [
    'new',
    'new/a/b/c',
    'new/a/',
    'new/a//b',
    'new/./a',
    'full',
    'full/new/',
    'file',
    'file/a',
    'file/a/b',
    'link',
    'link/a',
    'dangling',
    'dangling/a',
    '.',
    '',
  ]
  const removed = [
    'file',
    'full',
    'full/below',
    'link',
    'dangling',
    'missing',
    'missing/a',
    'file/a',
    'full/',
    'link/',
  ]
  await none(t, [
    ...each('withFileTypes', ['', '/full', '/file', '/missing'], (f, at, path) =>
      entries(f, `${at}${path}`, { withFileTypes: true }),
    ),
    ...each('withFileTypes, recursive', [''], (f, at) =>
      entries(f, at, { withFileTypes: true, recursive: true }),
    ),
    ...each('recursive', ['', '/full', '/file', '/missing'], (f, at, path) =>
      f['readdir']!(`${at}${path}`, { recursive: true }),
    ),
    ...each('mkdir recursive', made, (f, at, path) => f['mkdir']!(`${at}/${path}`, { recursive: true })),
    ...each('mkdir', made, (f, at, path) => f['mkdir']!(`${at}/${path}`)),
    ...each('mkdir recursive:', [1, 'yes', null], (f, at, recursive) =>
      f['mkdir']!(`${at}/new`, { recursive }),
    ),
    ...[{}, { force: true }, { recursive: true }, { force: true, recursive: true }].flatMap((options) =>
      each(named('rm', options), removed, (f, at, path) => f['rm']!(`${at}/${path}`, options)).map(
        (one) => one,
      ),
    ),
    ...each(
      'rm',
      [{ force: 1 }, { recursive: 'x' }, { maxRetries: -1 }, { retryDelay: 'x' }, 5, 'x', null, []] as const,
      (f, at, options) => f['rm']!(`${at}/file`, options),
    ),
    ...each(
      'rmdir',
      [{}, { maxRetries: 3 }, { retryDelay: -1 }, { recursive: 1 }, null, []] as const,
      (f, at, options) => f['rmdir']!(`${at}/full/below`, options),
    ),
  ])
})

void test('attributes', async (t) => {
  const moments: readonly unknown[] = [
    0,
    1.5,
    1e9,
    '1000',
    new Date(1234567),
    new Date(-5000),
    2 ** 33,
    'x',
    null,
    undefined,
    NaN,
    Infinity,
    'Infinity',
    '-Infinity',
    '1e30',
    new Date(NaN),
    {},
  ]
  const times = async (f: Calls, path: string, call = 'lstat'): Promise<unknown> => {
    const stats = (await f[call]!(path)) as { mtimeMs: number; atimeMs: number; atime: Date }
    return [Math.round(stats.mtimeMs), Math.round(stats.atimeMs), stats.atime.getTime()]
  }
  await none(t, [
    ...['utimes', 'lutimes'].flatMap((call) =>
      ['file', 'link', 'missing'].flatMap((name) =>
        each(`${call} ${name}`, moments, async (f, at, moment) => {
          await f[call]!(`${at}/${name}`, moment, moment)
          return times(f, `${at}/${call === 'lutimes' ? name : 'file'}`)
        }),
      ),
    ),
    ...each('handle.utimes', moments, (f, at, moment) =>
      held(f, `${at}/file`, 'r', async (handle) => {
        await handle['utimes']!(moment, 7)
        return times(f, `${at}/file`)
      }),
    ),
    ...each('own properties', [true, false], async (f, at, bigint) => {
      const stats = (await f['stat']!(`${at}/file`, { bigint })) as Record<string, unknown>
      const { atime, mtime, ctime, birthtime } = { ...stats }
      return [...Object.keys(stats), ...[atime, mtime, ctime, birthtime].map((time) => time instanceof Date)]
    }),
    ...['stat', 'lstat'].flatMap((call) =>
      ['file', 'link', 'dangling', 'full', 'missing'].flatMap((name) =>
        each(`${call} ${name}`, [true, false, undefined], async (f, at, bigint) => {
          const stats = (await f[call]!(`${at}/${name}`, { bigint })) as Record<string, unknown>
          const kinds = [
            'isFile',
            'isDirectory',
            'isSymbolicLink',
            'isFIFO',
            'isSocket',
            'isBlockDevice',
            'isCharacterDevice',
          ]
          const size = name === 'full' ? 0 : stats['size']
          return [
            size,
            stats['mode'],
            stats['uid'],
            typeof stats['mtimeNs'],
            typeof stats['ino'],
            ...kinds.map((kind) => (stats[kind] as () => boolean)()),
          ]
        }),
      ),
    ),
    ...['chown', 'lchown'].flatMap((call) =>
      each(
        call,
        [
          [1, 2],
          [-1, 3],
          [4, -1],
          [-2, 0],
          [2 ** 32, 0],
          ['x', 0],
          [1.5, 0],
        ] as const,
        async (f, at, owner) => {
          await f[call]!(`${at}/link`, ...owner)
          const [link, file] = [await f['lstat']!(`${at}/link`), await f['stat']!(`${at}/link`)] as {
            uid: number
            gid: number
          }[]
          return [link!.uid, link!.gid, file!.uid, file!.gid]
        },
      ),
    ),
    ...each('access', [0, 1, 2, 4, 6, 7, undefined, null], (f, at, mode) => f['access']!(`${at}/file`, mode)),
    ...each('access of a program', [0, 1, 7], async (f, at, mode) => {
      await f['chmod']!(`${at}/file`, 0o711)
      await f['access']!(`${at}/link`, mode)
    }),
    ...each('access of', ['full', 'link', 'dangling', 'missing', 'file/'], (f, at, name) =>
      f['access']!(`${at}/${name}`, 1),
    ),
    ...each('truncate', [0, 3, 100, -5, undefined, 1.5, '3', null], (f, at, length) =>
      f['truncate']!(`${at}/file`, length),
    ),
    ...each('truncate of', targets, (f, at, name) => f['truncate']!(`${at}/${name}`, 3)),
  ])
})

void test('aborted', async (t) => {
  const aborted = AbortSignal.abort(new Error('enough'))
  const signals: readonly unknown[] = [aborted, new AbortController().signal, undefined, null, {}, 5]
  await none(t, [
    ...each('readFile', signals, (f, at, signal) => f['readFile']!(`${at}/file`, { signal })),
    ...each('writeFile', signals, (f, at, signal) => f['writeFile']!(`${at}/file`, 'x', { signal })),
    ...each('writeFile of parts', signals, (f, at, signal) =>
      f['writeFile']!(`${at}/file`, asyncParts(), { signal }),
    ),
    ...each('appendFile', signals, (f, at, signal) => f['appendFile']!(`${at}/file`, 'x', { signal })),
    ...each('flush', [true, false, 'x', 1, undefined], (f, at, flush) =>
      f['writeFile']!(`${at}/file`, 'x', { flush }),
    ),
    {
      what: 'in the midst of parts',
      call: (f, at) => {
        const controller = new AbortController()
        const parts = async function* () {
          yield 'one'
          await Promise.resolve()
          controller.abort()
          yield 'two'
        }
        return f['writeFile']!(`${at}/file`, parts(), { signal: controller.signal })
      },
    },
  ])
})

void test('paths as bytes and URLs', async (t) => {
  const paths: readonly ((at: string) => unknown)[] = [
    (at) => Buffer.from(`${at}/full/ä`),
    (at) => new Uint8Array(Buffer.from(`${at}/full/ä`)),
    (at) => new URL(`file://${at}/full/%C3%A4`),
    () => new URL('http://localhost/x'),
    (at) => Buffer.concat([Buffer.from(`${at}/`), Buffer.of(0xff, 0xfe)]),
    (at) => `${at}/a\0b`,
    (at) => Buffer.from(`${at}/a\0b`),
    () => 5,
    () => null,
    () => undefined,
    () => ({}),
  ]
  await none(t, [
    ...each('stat', paths, async (f, at, path) => ((await f['stat']!(path(at))) as { size: number }).size),
    ...each('writeFile', paths, async (f, at, path) => {
      await f['writeFile']!(path(at), 'x')
      await f['appendFile']!(path(at), 'y')
      const seen = [await f['readFile']!(path(at), 'utf8'), await f['readdir']!(at, 'buffer')]
      await f['rm']!(path(at))
      return seen
    }),
    ...each('symlink type', ['file', 'dir', 'junction', 'bogus', '', null, undefined, 5], (f, at, type) =>
      f['symlink']!('target', `${at}/new`, type),
    ),
    ...each('symlink of nothing', ['bogus', 'file'], (f, at, type) => f['symlink']!(5, `${at}/new`, type)),
    ...each('symlink', paths, async (f, at, path) => {
      await f['symlink']!(path(''), `${at}/new`)
      const target = await f['readlink']!(`${at}/new`, 'buffer')
      await f['unlink']!(`${at}/new`)
      return target
    }),
  ])
})

void test('what is not served is refused by its name', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  t.teardown(() => volume.close())
  const files = volume as unknown as Calls
  await volume.writeFile('/file', 'kept')
  const handle = (await volume.open('/file', 'r+')) as unknown as Handle
  const refused = { code: 'ERR_INVALID_ARG_VALUE', message: /bogus/ }
  const options = { bogus: 1 }
  await t.rejects(files['readFile']!('/file', options), refused)
  await t.rejects(files['writeFile']!('/file', 'x', options), refused)
  await t.rejects(files['appendFile']!('/file', 'x', options), refused)
  for (const call of ['readdir', 'readlink', 'stat', 'lstat', 'mkdir', 'rm', 'rmdir'])
    await t.rejects(files[call]!('/new', options), refused, call)
  for (const call of ['readFile', 'read', 'stat']) await t.rejects(handle[call]!(options), refused, call)
  for (const call of ['writeFile', 'appendFile']) await t.rejects(handle[call]!('x', options), refused, call)
  await t.rejects(handle['write']!(Buffer.from('x'), options), refused)
  await t.rejects(files['open']!('/file', 0o10000000), { code: 'ERR_INVALID_ARG_VALUE', message: /flags/ })
  await t.rejects(files['rmdir']!('/', { recursive: true }), { message: /recursive/ })
  await t.rejects(openFiles('/nowhere', options as object), refused)
  t.equal(await volume.readFile('/file', 'utf8'), 'kept')
})
