// SPDX-License-Identifier: GPL-2.0-only
/** Programs that people would run on it: git and sqlite3; and npm and the compiler, which take a minute, where all is tried. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { isExhaustive } from '../support/extent.js'
import { differences, manifestOf } from '../support/manifest.js'
import { finish, run, withoutRunner } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'

tap.setTimeout(300_000)

const limitMs = 200_000

/** Unmounts, checks, and mounts again. */
async function comesBack(t: Test, mount: TestMount): Promise<void> {
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount()
}

void tap.test('git', async (t) => {
  const mount = await TestMount.mounted(t, '256M')
  const clone = join(mount.mountpoint, 'clone')
  const git = (...args: readonly string[]): Promise<string> => {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false']
    return run('git', ['-C', clone, ...identity, ...args], limitMs)
  }
  await run('git', ['clone', '--quiet', '--no-local', packageRoot, clone], limitMs)
  t.equal(await git('status', '--porcelain'), '', 'what was checked out is what was committed')
  await git('fsck', '--full', '--strict')
  await git('switch', '--quiet', '--create', 'branch')
  await git('rm', '--quiet', '-r', 'src')
  await git('commit', '--quiet', '--message', 'without sources')
  await git('checkout', '--quiet', 'HEAD~', '--', 'src')
  await git('commit', '--quiet', '--message', 'with them')
  await git('gc', '--quiet', '--prune=now')

  await comesBack(t, mount)
  await git('fsck', '--full', '--strict')
  // Without the index, git has to read every file to know that none has changed.
  await rm(join(clone, '.git', 'index'))
  await git('reset', '--quiet')
  t.equal(await git('status', '--porcelain'), '')
  t.equal(await git('diff', '--stat', 'HEAD~2', 'HEAD'), '')
})

const rows = 20_000
const fill = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
  INSERT INTO items (name, data) SELECT printf('name-%d', i * 7919 % ${rows}), randomblob(100 + i % 400) FROM n;`

void tap.test('sqlite3', async (t) => {
  const mount = await TestMount.mounted(t, '256M')
  const journals = ['delete', 'wal']
  const databaseOf = (journal: string): string => join(mount.mountpoint, `${journal}.db`)
  const sqlite = (journal: string, sql: string): Promise<string> =>
    run('sqlite3', ['-bail', databaseOf(journal), `PRAGMA busy_timeout = 20000; ${sql}`], limitMs)
  const sum = 'SELECT count(*), sum(length(data)), count(DISTINCT name) FROM items;'
  const sums = new Map<string, string>()
  for (const journal of journals) {
    await sqlite(
      journal,
      `PRAGMA journal_mode = ${journal}; PRAGMA synchronous = FULL;
      CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, data BLOB NOT NULL);
      CREATE INDEX by_name ON items (name); BEGIN; ${fill} COMMIT; BEGIN; ${fill} ROLLBACK;`,
    )
    // A reader and two writers at once: locks, and in WAL mode shared memory, are held to what they promise.
    const inserts = Array.from(
      { length: 100 },
      (_, n) => `INSERT INTO items (name, data) VALUES ('one-${n}', x'00');`,
    )
    await Promise.all([
      sqlite(journal, inserts.join('')),
      sqlite(journal, inserts.join('')),
      sqlite(journal, 'SELECT count(*) FROM items; SELECT count(*) FROM items WHERE name > "name-5";'),
    ])
    await sqlite(
      journal,
      `UPDATE items SET data = zeroblob(10) WHERE id % 3 = 0; DELETE FROM items WHERE id % 5 = 0;
      VACUUM; BEGIN; ${fill} COMMIT;`,
    )
    t.match(await sqlite(journal, 'PRAGMA integrity_check;'), /\bok$/, journal)
    sums.set(journal, await sqlite(journal, sum))
    t.match(
      sums.get(journal)!,
      new RegExp(`\\b${rows + ((rows + 200) * 4) / 5}\\|`),
      'no row too many, none too few',
    )
  }
  await comesBack(t, mount)
  for (const journal of journals) {
    t.match(await sqlite(journal, 'PRAGMA integrity_check;'), /\bok$/, `${journal}, seen through a new mount`)
    t.equal(await sqlite(journal, sum), sums.get(journal))
  }
})

async function buildProject(t: Test): Promise<void> {
  const mount = await TestMount.mounted(t, '1G')
  const project = join(mount.mountpoint, 'project')
  await run('git', ['clone', '--quiet', packageRoot, project], limitMs)
  const here = async (...command: readonly string[]): Promise<string> => {
    const { end, output } = await finish('env', ['-C', project, ...withoutRunner, ...command], limitMs)
    t.equal(end, 0, `${command.join(' ')}${end === 0 ? '' : `: ${output}`}`)
    return output
  }
  await here('npm', 'ci', '--no-audit', '--no-fund')
  await here('npm', 'run', 'build')
  const program = [process.execPath, 'bin/pmfs2-fuse.js']
  const version = await here(...program, '--version')
  const built = await manifestOf(project)
  t.comment(`${built.size} files and directories`)

  await comesBack(t, mount)
  t.same(differences(await manifestOf(project), built), [], 'all is as it was built')
  t.equal(await here(...program, '--version'), version, 'and runs')
}

if (isExhaustive) void tap.test('npm ci and npm run build of this project', buildProject)
