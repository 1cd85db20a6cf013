// SPDX-License-Identifier: GPL-2.0-only
/**
 * PostgreSQL: pgbench, then the death of its server and of ours while it runs. What it had committed is there, and its
 * own checks of tables and indices find nothing.
 */
import { chown, mkdir, readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { type Finished, finish, run } from '../support/run-command.js'
import { TestMount, hasEnded } from '../support/test-mount.js'
import { comesBack } from './program-mount.js'

tap.setTimeout(600_000)

const limitMs = 120_000
const versions = '/usr/lib/postgresql'

/** A cluster on the mount, without a network port. It runs as the user postgres, as it refuses to be root. */
class Cluster {
  readonly #binaries: string
  readonly #data: string
  readonly #socket: string
  /** The first process of the server. */
  #pid = 0

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
    // Where nobody reaps killed processes, as in some containers, PostgreSQL takes its dead server for a live one.
    if (this.#pid !== 0) {
      for (const lock of [join(this.#data, 'postmaster.pid'), join(this.#socket, '.s.PGSQL.5432.lock')])
        await rm(lock, { force: true })
    }
    const where = ['--pgdata', this.#data, '--log', log]
    const { end, output } = await this.finish('pg_ctl', 'start', '--wait', ...where, '--options', options)
    if (end !== 0)
      throw new Error(`${output}
${(await readFile(log, 'utf8')).slice(-2000)}`)
    this.#pid = parseInt(await readFile(join(this.#data, 'postmaster.pid'), 'utf8'))
  }

  async stop(): Promise<void> {
    await this.run('pg_ctl', 'stop', '--wait', '--pgdata', this.#data, '--mode', 'fast')
  }

  /** Ends all of its processes at once, without a word. */
  async kill(): Promise<void> {
    const { output } = await finish('pgrep', ['--parent', `${this.#pid}`])
    const pids = [this.#pid, ...output.split('\n').map(Number)].filter((pid) => pid > 0)
    for (const pid of pids) await finish('kill', ['-KILL', `${pid}`])
    for (const pid of pids) if (!(await hasEnded(pid))) throw new Error(`process ${pid} does not end`)
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
  await cluster.run('pg_amcheck', '--install-missing', '--heapallindexed', 'postgres')
}

/** Transactions that pgbench got committed until everything dies, as rows of the history. */
async function killUnderLoad(cluster: Cluster, kill: () => Promise<void>): Promise<void> {
  const bench = cluster.finish('pgbench', '--client', '4', '--time', '60', '--no-vacuum', 'postgres')
  await sleep(5000)
  await kill()
  await bench
}

for (const channel of new Set([turnRingOn(tap), 'devfuse'])) {
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
    t.ok(told > 0, `${told} rows were reported as committed`)
    t.match(await mount.check(), /in use|clean|unfinished/)
    await mount.mount(...args)
    await cluster.start()
    await isConsistent(t, cluster)
    const rows = await cluster.query('SELECT count(*) FROM told')
    t.ok(Number(rows) >= told, `of ${told} rows, ${rows} are there`)
    await cluster.stop()
    await comesBack(t, mount, ...args)
    await cluster.start()
    await isConsistent(t, cluster)
    await cluster.stop()
  })
}
