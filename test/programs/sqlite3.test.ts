// SPDX-License-Identifier: GPL-2.0-only
import { join } from 'node:path'
import tap from 'tap'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { chosenChannel, comesBack, lacksSharedMappings } from './program-mount.js'

tap.setTimeout(300_000)

const limitMs = 200_000

const rows = 20_000
const fill = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
  INSERT INTO items (name, data) SELECT printf('name-%d', i * 7919 % ${rows}), randomblob(100 + i % 400) FROM n;`

void tap.test('sqlite3', async (t) => {
  const mount = await TestMount.mounted(t, '256M', ...chosenChannel)
  // The index of a WAL is a file that all of its users map.
  const journals = lacksSharedMappings ? ['delete'] : ['delete', 'wal']
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
  await comesBack(t, mount, ...chosenChannel)
  for (const journal of journals) {
    t.match(await sqlite(journal, 'PRAGMA integrity_check;'), /\bok$/, `${journal}, seen through a new mount`)
    t.equal(await sqlite(journal, sum), sums.get(journal))
  }
})
