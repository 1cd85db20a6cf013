// SPDX-License-Identifier: GPL-2.0-only
/**
 * What people do with files every day, by the programs they do it with: archives, editors, locks, mounts and images.
 */
import { mkdir, readFile, readdir, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { differences, manifestOf } from '../support/manifest.js'
import { finish, run } from '../support/run-command.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import {
  chosenChannel,
  comesBack,
  lacksAcls,
  lacksHoles,
  lacksSharedMappings,
  lacksSingleTimes,
  patience,
} from './program-mount.js'

tap.setTimeout(300_000 * patience)

const limitMs = 120_000 * patience

/** Runs a line of the shell in a directory, which has to succeed. */
function shell(directory: string, line: string): Promise<string> {
  return run('sh', ['-ec', `cd '${directory}'; ${line}`], limitMs)
}

const mount = await TestMount.mounted(tap, '512M', ...chosenChannel)
const top = mount.mountpoint

async function sample(t: Test): Promise<[directory: string, tree: string]> {
  const directory = join(top, t.name.replace(/\W+/g, '-'))
  const tree = join(directory, 'tree')
  await mkdir(directory)
  await run('cp', ['-a', join(packageRoot, 'layout'), tree])
  await shell(
    tree,
    `ln index.ts hard; ln -s index.ts soft; mkfifo pipe; truncate -s 3M sparse; chmod 4755 hard
    mkdir -p 'a b/c'; touch -d '2001-02-03 04:05:06.789' 'a b/c/old'; chown 1234:4321 'a b'
    setfattr -n user.one -v 1 index.ts; setfattr -n trusted.two -v 2 'a b'`,
  )
  if (!lacksAcls) await shell(tree, `setfacl -m u:1234:rw,g:4321:r index.ts; setfacl -d -m u:1234:rwx 'a b'`)
  return [directory, tree]
}

/** All attributes and ACLs of a tree, by name. */
function labels(tree: string): Promise<string> {
  const each = 'find . ! -type l -print0 | sort -z | xargs -0'
  return shell(tree, `${each} getfattr -d -m '^(user|trusted|security)' | sort; ${each} getfacl -n`)
}

async function isCopy(t: Test, copy: string, tree: string): Promise<void> {
  t.same(
    differences(await manifestOf(copy), await manifestOf(tree)),
    [],
    'contents, modes, owners, times, links',
  )
  t.equal(await labels(copy), await labels(tree), 'extended attributes and ACLs')
  if (!lacksHoles) t.ok((await stat(join(copy, 'sparse'))).blocks <= 8, 'holes')
}

const copiers: readonly (readonly [name: string, line: string])[] = [
  ['cp -a', 'cp -a tree copy'],
  ['rsync', 'rsync -aHAXS --modify-window=-1 tree/ copy'],
  [
    'GNU tar',
    `tar --xattrs --xattrs-include='*' --acls --sparse -cf tar -C tree .; mkdir copy
    tar --xattrs --xattrs-include='*' --acls -xpf tar -C copy`,
  ],
  [
    'bsdtar',
    `bsdtar --acls --xattrs -cf tar --format pax tree; mkdir out
    bsdtar --acls --xattrs -xpf tar -C out; mv out/tree copy`,
  ],
  ['mv between mounts', 'cp -a tree "$ELSEWHERE/tree"; mv "$ELSEWHERE/tree" copy'],
]
for (const [name, line] of copiers) {
  // It sets the time of modification alone.
  if (lacksSingleTimes && name === 'GNU tar') continue
  void tap.test(`a copy by ${name}`, async (t) => {
    const elsewhere = await temporaryDirectory(t, SHARED_MEMORY)
    const [directory, tree] = await sample(t)
    await shell(directory, `ELSEWHERE='${elsewhere}'; ${line}`)
    await isCopy(t, join(directory, 'copy'), tree)
  })
}

void tap.test('zip', async (t) => {
  const [directory, tree] = await sample(t)
  await shell(directory, 'rm tree/pipe; zip -qry zip tree; unzip -tq zip; mkdir out; unzip -q zip -d out')
  await shell(directory, 'diff -r --no-dereference tree out/tree')
  t.ok((await readdir(tree)).length > 5)
})

void tap.test('an editor', async (t) => {
  const [directory, tree] = await sample(t)
  const path = join(tree, 'index.ts')
  await shell(tree, 'rm hard')
  for (const copy of ['yes', 'no']) {
    const set = `set backup backupcopy=${copy} fsync directory=. backupext=.orig`
    const commands = ['-c', set, '-c', `%s/^/${copy} /`, '-c', 'wq', path]
    await run('vim', ['-u', 'NONE', '-N', '-es', ...commands])
    t.match(await readFile(path, 'utf8'), new RegExp(`^${copy} `), `backupcopy=${copy}`)
    if (!lacksAcls) t.match(await shell(tree, 'getfacl -n index.ts'), /user:1234:rw-/, 'the ACL stays')
  }
  await run('sed', ['-i', 's/^no yes //', path])
  t.notMatch(await readFile(path, 'utf8'), /^no yes/)
  t.same((await readdir(directory)).sort(), ['tree'])
})

void tap.test('reflinks', async (t) => {
  const [, tree] = await sample(t)
  await shell(tree, 'cp --reflink=auto index.ts copy; cmp index.ts copy')
  const { end, output } = await finish('cp', ['--reflink=always', join(tree, 'index.ts'), join(tree, 'link')])
  t.equal(end, 1)
  t.match(output, /failed to clone .*: Operation not supported/)
  t.equal(await shell(tree, 'test ! -s link; echo empty'), 'empty')
})

void tap.test('locks', async (t) => {
  const [, tree] = await sample(t)
  t.equal(
    await shell(
      tree,
      `for n in 1 2 3 4; do
        (for m in 1 2 3 4 5; do flock lock sh -c 'n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) >count'; done) &
      done; wait; cat count`,
    ),
    '20',
  )
  t.equal(await shell(tree, 'flock lock flock -n lock true || echo busy'), 'busy')
})

void tap.test('what df, du, find and ls say', async (t) => {
  const [, tree] = await sample(t)
  const before = await statfs(top)
  await shell(tree, 'for n in $(seq 500); do echo x >file-$n; done')
  const after = await statfs(top)
  t.equal(after.files - after.ffree - (before.files - before.ffree), 500, 'df -i counts inodes in use')
  t.equal(await shell(tree, 'du -s --apparent-size -B1 sparse | cut -f1'), `${3 * 2 ** 20}`)
  t.equal(await shell(tree, 'du -s -B1 sparse | cut -f1'), '0')
  t.equal(await shell(tree, 'find . -xdev -name "file-*" -type f -size 2c | wc -l'), '500')
  t.equal(await shell(tree, 'find . -xdev -type f -links 2 | wc -l'), '2')
  t.match(await shell(tree, 'ls -l --color=always'), /soft.* -> .*index\.ts/)
  t.match(await shell(tree, 'df --output=fstype .'), /fuse/)
})

void tap.test('an image', async (t) => {
  const [directory] = await sample(t)
  const point = await temporaryDirectory(t, SHARED_MEMORY)
  await shell(directory, 'truncate -s 64M image; mkfs.ext4 -q image')
  for (const direct of ['off', 'on']) {
    const device = await run('losetup', [
      '--find',
      '--show',
      `--direct-io=${direct}`,
      join(directory, 'image'),
    ])
    t.teardown(() => finish('losetup', ['-d', device]))
    await run('mount', [device, point])
    t.teardown(() => finish('umount', [point]))
    await shell(
      point,
      `cp -a '${packageRoot}/layout' copy-${direct}; diff -r '${packageRoot}/layout' copy-${direct}; fstrim .`,
    )
    await run('umount', [point])
    await run('losetup', ['-d', device])
    await run('e2fsck', ['-f', '-n', join(directory, 'image')])
    t.pass(`direct-io ${direct}`)
  }
})

void tap.test('swap', async (t) => {
  const [directory] = await sample(t)
  await shell(directory, 'dd if=/dev/zero of=swap bs=1M count=4 status=none; chmod 600 swap; mkswap -q swap')
  const { end, output } = await finish('swapon', [join(directory, 'swap')])
  t.not(end, 0)
  t.match(output, /swapon failed: Invalid argument/)
})

void tap.test('bind mounts of a mount namespace', async (t) => {
  const [directory] = await sample(t)
  const line = `mkdir bound; mount --bind tree bound; cmp tree/index.ts bound/index.ts
    mount -o remount,bind,ro bound; ! touch bound/new 2>/dev/null; ! mv bound/index.ts tree/other 2>/dev/null; cat bound/index.ts`
  const within = ['--mount', '--propagation', 'private', 'sh', '-ec', `cd '${directory}'; ${line}`]
  t.equal(await run('unshare', within), (await readFile(join(directory, 'tree', 'index.ts'), 'utf8')).trim())
  t.same(await readdir(join(directory, 'bound')), [])
  const root = [
    '--mount',
    '--user',
    '--map-root-user',
    'sh',
    '-ec',
    `cd '${directory}'; mount -t tmpfs none tree; ls -A tree`,
  ]
  t.equal(await run('unshare', root), '')
})

void tap.test('inotifywait', async (t) => {
  const [, tree] = await sample(t)
  const events = await shell(
    tree,
    `inotifywait -q -m -e create,modify,moved_to,delete,close_write --format '%e %f' . >../events & watcher=$!
    until inotifywait -q -t 1 -e create . >/dev/null & sleep 0.3; touch ready; grep -q ready ../events; do rm ready; done
    echo x >new; mv new newer; rm newer; sleep 0.3; kill $watcher; cat ../events`,
  )
  for (const event of ['CREATE new', 'MODIFY new', 'CLOSE_WRITE,CLOSE new', 'MOVED_TO newer', 'DELETE newer'])
    t.match(events, event)
})

void tap.test('a C project', async (t) => {
  const directory = join(top, 'project')
  await mkdir(directory)
  await writeFile(
    join(directory, 'Makefile'),
    'program: main.o part.o libpart.a\n\tcc -o $@ main.o -L. -lpart\nlibpart.a: part.o\n\tar rcs $@ $^\n',
  )
  await writeFile(join(directory, 'main.c'), 'int part(void);\nint main(void) { return part(); }\n')
  await writeFile(join(directory, 'part.c'), 'int part(void) { return 7; }\n')
  await shell(directory, 'make -s -j2')
  t.equal((await finish(join(directory, 'program'), [])).end, 7)
  t.match(await shell(directory, 'make'), /up to date/)
})

void tap.test('compiled Python', async (t) => {
  const directory = join(top, 'python')
  await run('/usr/bin/python3', ['-m', 'venv', '--without-pip', directory], limitMs)
  await writeFile(join(directory, 'module.py'), 'answer = 42\n')
  await shell(directory, 'bin/python -m compileall -q module.py; ls __pycache__ | grep pyc')
  t.equal(await shell(directory, 'bin/python -c "import module; print(module.answer)"'), '42')
})

/** By a log in shared memory (WAL), too. */
async function sqliteMapped(t: Test): Promise<void> {
  const path = join(top, 'mapped.db')
  const pragmas = 'PRAGMA mmap_size = 268435456; PRAGMA journal_mode = wal;'
  const rows =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO a SELECT i, hex(i) FROM n;'
  await run('sqlite3', ['-bail', path, `${pragmas} CREATE TABLE a (i INTEGER PRIMARY KEY, t TEXT); ${rows}`])
  await run('sqlite3', [
    '-bail',
    path,
    `${pragmas} DELETE FROM a WHERE i % 3 = 0; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);`,
  ])
  t.match(
    await run('sqlite3', ['-bail', path, `${pragmas} PRAGMA integrity_check; SELECT count(*) FROM a;`]),
    /ok\n13334$/,
  )
}

if (!lacksSharedMappings) void tap.test('sqlite3 with its file mapped', sqliteMapped)

void tap.test('the volume is clean', (t) => comesBack(t, mount, ...chosenChannel))
