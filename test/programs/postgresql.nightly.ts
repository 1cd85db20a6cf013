// SPDX-License-Identifier: GPL-2.0-only
/**
 * PostgreSQL: pgbench, then the death of its server and of ours while it runs. What it had committed is there, and its
 * own checks of tables and indices find nothing.
 */
import { chown, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { type Finished, finish, run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { comesBack } from './program-mount.js'

tap.setTimeout(600_000)

const limitMs = 120_000
const versions = '/usr/lib/postgresql'

/** A cluster on the mount, without a network port. It runs as the user postgres, as it refuses to be root. */
class Cluster {
  readonly #binaries: string
  readonly #data: string
  readonly #socket: string

  constructor(binaries: string, mount: TestMount) {
    this.#binaries = binaries
    this.#data = join(mount.mountpoint, 'cluster')
    this.#socket = mount.folder
  }

  static async make(mount: TestMount): Promise<Cluster> {
    const [version] = (await readdir(versions)).sort().reverse()
    if (version === undefined) throw new Error('the Debian package postgresql is not installed')
    const cluster = new Cluster(join(versions, version, 'bin'), mount)
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number(await run('id', [flag, 'postgres']))),
    )
    await mkdir(cluster.#data, { mode: 0o700 })
    await chown(cluster.#data, uid!, gid!)
    await chown(mount.folder, uid!, gid!)
    await cluster.run('initdb', '--pgdata', cluster.#data, '--auth', 'trust', '--data-checksums')
    return cluster
  }

  finish(program: string, ...args: readonly string[]): Promise<Finished> {
    const command = [join(this.#binaries, program), ...args]
    const identity = ['--reuid=postgres', '--regid=postgres', '--init-groups', '--']
    return finish('setpriv', [...identity, 'env', '-C', '/', `PGHOST=${this.#socket}`, ...command], limitMs)
  }

  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { end, output } = await this.finish(program, ...args)
    if (end !== 0) throw new Error(`${program} ${args.join(' ')}: ended with ${end}: ${output}`)
    return output
  }

  async start(): Promise<void> {
    const options = `-c listen_addresses='' -c unix_socket_directories='${this.#socket}' -c max_wal_size=256MB`
    const log = join(this.#data, 'log')
    await this.run('pg_ctl', 'start', '--wait', '--pgdata', this.#data, '--log', log, '--options', options)
  }

  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    await this.run('pg_ctl', 'stop', '--wait', '--pgdata', this.#data, '--mode', mode)
  }

  /** pg_ctl has no better way to end all processes at once, without a word. */
  async kill(): Promise<void> {
    await finish('pkill', ['-KILL', '-u', 'postgres', '-f', `^${this.#binaries}/postgres`])
    await finish('pkill', ['-KILL', '-u', 'postgres', '-x', 'postgres'])
  }

  async query(sql: string): Promise<string> {
    return this.run(
      'psql',
      '--no-psqlrc',
      '--tuples-only',
      '--no-align',
      '--dbname',
      'postgres',
      '--command',
      sql,
    )
  }
}

/** Every transaction of pgbench adds the same to an account, a teller and a branch, and to the history. */
async function isConsistent(t: Test, cluster: Cluster): Promise<void> {
  const sums = await cluster.query(`SELECT (SELECT sum(abalance) FROM pgbench_accounts),
    (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches),
    (SELECT sum(delta) FROM pgbench_history)`)
  t.equal(new Set(sums.split('|')).size, 1, `the four sums are one: ${sums}`)
  await cluster.run('pg_amcheck', '--dbname', 'postgres', '--install-missing', '--heapallindexed')
}

/** Transactions that pgbench was told of as committed until everything dies, as rows of the history. */
async function killUnderLoad(cluster: Cluster, kill: () => Promise<void>): Promise<void> {
  const bench = cluster.finish('pgbench', '--client', '4', '--time', '60', '--no-vacuum', 'postgres')
  await sleep(5000)
  await kill()
  await bench
}

for (const channel of ['uring', 'devfuse']) {
  void tap.test(`PostgreSQL, ${channel}`, async (t) => {
    const args = ['--channel', channel]
    const mount = await TestMount.mounted(t, '2G', ...args)
    const cluster = await Cluster.make(mount)
    t.teardown(() => cluster.kill())
    await cluster.start()
    await cluster.run('pgbench', '--initialize', '--quiet', '--scale', '5', 'postgres')
    t.comment(await cluster.run('pgbench', '--client', '4', '--time', '10', 'postgres'))
    await isConsistent(t, cluster)

    await killUnderLoad(cluster, () => cluster.kill())
    await cluster.start()
    await isConsistent(t, cluster)

    await cluster.query('CREATE TABLE told (n integer PRIMARY KEY)')
    let told = 0
    const teller = (async () => {
      while (
        (await cluster.finish('psql', '-qd', 'postgres', '-c', `INSERT INTO told VALUES (${told})`)).end === 0
      )
        told++
    })()
    await killUnderLoad(cluster, async () => {
      await mount.kill()
      await cluster.kill()
    })
    await teller
    t.ok(told > 0, `${told} rows were told of as committed`)
    t.match(await mount.check(), /in use|clean|unfinished/)
    await mount.mount(...args)
    await cluster.start()
    await isConsistent(t, cluster)
    const rows = await cluster.query('SELECT count(*) FROM told')
    t.ok(Number(rows) >= told, `of ${told} rows, ${rows} are there`)
    await cluster.stop('fast')
    await comesBack(t, mount, ...args)
    await cluster.start()
    await isConsistent(t, cluster)
    await cluster.stop('fast')
  })
}
