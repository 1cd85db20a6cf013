// SPDX-License-Identifier: GPL-2.0-only
/** Wrong arguments, help and version: one line, and the exit code that each command's classical forebear gives. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { commands } from '../../src/cli/commands.js'
import { packageRoot } from '../support/program.js'
import { temporaryDirectory } from '../support/temporary.js'
import { command, fileLimitMs, pmfs2, pmfs2Process, refuse, start, succeed, uuid } from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t)

void t.test('help has every command, with examples', async (t) => {
  const overview = await succeed(t, ['--help'])
  for (const { name, describe } of commands) {
    t.match(overview, new RegExp(`pmfs2-fuse ${name}\\b`))
    t.ok(overview.includes(describe))
    const help = await succeed(t, [name, '--help'])
    t.match(help, /Examples:\n.*pmfs2-fuse/)
  }
  t.equal(await succeed(t, []), overview)
  t.equal(await succeed(t, ['-h']), overview)
})

/** Left column and description of each entry of a help text. */
function entriesOf(help: string): (readonly [name: string, description: string])[] {
  return [...help.matchAll(/^ {2,6}(\S.*?) {2,}(\S.*)$/gm)].map(([, name, description]) => [
    name!,
    description!,
  ])
}

void t.test('descriptions are in one style, and README.md has every option', async (t) => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8')
  for (const name of ['', ...commands.map((command) => command.name)]) {
    const help = await succeed(t, name === '' ? ['--help'] : [name, '--help'])
    const entries = entriesOf(help)
    t.ok(entries.length > 3, `${name}: ${entries.length} entries`)
    for (const [entry, description] of entries) {
      t.match(description, /^(?:[a-z]|UUID of)/, `${name}: ${entry}: lower case`)
      t.notMatch(description, /\. *(?:\[|$)/, `${name}: ${entry}: no sentence`)
      for (const [option] of entry.matchAll(/--[a-z-]+/g))
        t.ok(readme.includes(option), `${option} of ${name}`)
    }
  }
})

void t.test('what an option of -o is said to mean below is said there', (t) => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8')
  const [row = ''] = /^\| .*\| as the options below/m.exec(readme) ?? []
  const names = [...row.matchAll(/`([a-z_]+)=?`/g)].map(([, name]) => name!.replace('_', '-'))
  t.ok(names.length > 4, names.join())
  for (const name of names) t.match(readme, new RegExp(`^\\| .--${name}[ \`]`, 'm'))
  t.end()
})

void t.test('version', async (t) => {
  const version = await succeed(t, ['--version'])
  t.match(version, /^pmfs2-fuse \d+\.\d+\.\d+\n$/)
  t.equal(await succeed(t, ['-V']), version)
  t.equal(await succeed(t, ['mkfs', '--version']), version)
})

void t.test('help and version are commands', async (t) => {
  t.equal(await succeed(t, ['help']), await succeed(t, ['--help']))
  t.equal(await succeed(t, ['help', 'mkfs']), await succeed(t, ['mkfs', '--help']))
  t.equal(await succeed(t, ['version']), await succeed(t, ['--version']))
  await refuse(
    t,
    ['help', 'mkfx'],
    1,
    "help: unknown command 'mkfx'; did you mean 'mkfs'? pmfs2-fuse --help shows all",
  )
  await refuse(t, ['help', 'mkfs', 'more'], 1, 'help: unknown argument: more; try pmfs2-fuse --help')
  await refuse(t, ['version', 'more'], 1, 'version: unknown argument: more; try pmfs2-fuse --help')
})

void t.test('a word that is no command is no device either', async (t) => {
  const unknown = (args: readonly string[], meant: string): Promise<void> => {
    const line = `pmfs2-fuse: unknown command '${args[0]}'; ${meant}pmfs2-fuse --help shows all`
    return refuse(t, args, 1, line)
  }
  await unknown(['mkf', '/nonexistent'], "did you mean 'mkfs'? ")
  await unknown(['umonut', '/nonexistent'], "did you mean 'umount'? ")
  await unknown(['umonut', '--lazy', '/nonexistent'], "did you mean 'umount'? ")
  await unknown(['frobnicate'], '')
  await unknown(['frobnicate', '/a', '/b'], '')
  const gone = /^mount: cannot open \S+\/frobnicate: there is no such file or device\n$/
  await refuse(t, ['frobnicate', folder], 32, gone)
  await refuse(t, ['./umonut', folder], 32, /^mount: cannot open \S+umonut: there is no such file/)
})

void t.test('a switch takes no value, and channels have names', async (t) => {
  await refuse(t, ['mkfs', '/a', '--force=no'], 1, 'mkfs: --force takes no value; try pmfs2-fuse mkfs --help')
  await refuse(t, ['info', '/a', '--json=x'], 1, 'info: --json takes no value; try pmfs2-fuse info --help')
  const mount = (...options: readonly string[]): readonly string[] => ['/nonexistent', '/none', ...options]
  await refuse(t, mount('--channel'), 1, /^mount: --channel needs a value; try/)
  await refuse(t, mount('-o'), 1, /^mount: -o needs a value; try/)
  await refuse(
    t,
    mount('--channel', 'x'),
    1,
    /^mount: channel=x: one of auto, uring, devfuse, fuse-native is needed; try/,
  )
  await refuse(t, mount('--workers', '2', '--workers', '0'), 1, /^mount: workers=0: a number from 1/)
})

void t.test('an empty name and a dash', async (t) => {
  for (const [args, exitCode] of [
    [['mkfs', ''], 1],
    [['info', ''], 1],
    [['fsck', ''], 8],
    [['umount', ''], 32],
    [['/nonexistent', ''], 32],
  ] as const)
    await refuse(t, args, exitCode, /^\w+: '': a name is needed, and this one is empty\n$/)
  await refuse(t, ['info', '-'], 1, 'info: cannot open ./-: there is no such file or device')
})

void t.test('where the working directory is gone', async (t) => {
  const script = 'mkdir "$0/gone" && cd "$0/gone" && rmdir "$0/gone" && exec "$@"'
  const run = (...args: readonly string[]) =>
    start('sh', ['-c', script, folder, process.execPath, command, ...args])
  const relative = await run('info', 'device')
  t.match(relative, { end: 1, stderr: 'info: cannot open device: there is no such file or device\n' })
  t.match(await run('info', '/nonexistent'), { end: 1, stderr: /^info: cannot open \/nonexistent: / })
})

void t.test('missing arguments', async (t) => {
  for (const { name, usageExit } of commands) {
    const expected = new RegExp(`^${name}: it takes [A-Z]+.*; try pmfs2-fuse ${name} --help\n$`)
    await refuse(t, [name], usageExit, expected)
  }
  await refuse(
    t,
    ['/dev/pmem0'],
    1,
    /^mount: it takes DEVICE\.\.\. MOUNTPOINT; try pmfs2-fuse mount --help\n$/,
  )
  await refuse(t, ['mkfs', 'x', '--size'], 1, /^mkfs: --size needs a value; try/)
})

void t.test('unknown options', async (t) => {
  for (const { name, usage, usageExit } of commands) {
    const operands = [...usage.matchAll(/</g)].map(() => '/nonexistent')
    await refuse(
      t,
      [name, ...operands, '--frobnicate'],
      usageExit,
      `${name}: unknown argument: --frobnicate; try pmfs2-fuse ${name} --help`,
    )
  }
})

void t.test('an unknown option is named, though it takes the operand for its value', async (t) => {
  const unknown = (args: readonly string[], exitCode: number, option: string): Promise<void> => {
    const name = args[0]!.startsWith('-') ? 'mount' : args[0]!
    return refuse(t, args, exitCode, `${name}: unknown argument: ${option}; try pmfs2-fuse ${name} --help`)
  }
  await unknown(['fsck', '-y', '/nonexistent'], 16, '-y')
  await unknown(['mkfs', '-qx', '/nonexistent'], 1, '-x')
  await unknown(['umount', '-f', '/nonexistent'], 1, '-f')
  await unknown(['mkfs', '--no-force', '/nonexistent'], 1, '--no-force')
  await unknown(['--frobnicate'], 1, '--frobnicate')
})

void t.test('options that other checkers and makers of file systems know', async (t) => {
  for (const options of [['-n'], ['-f'], ['-nf'], ['-n', '--json']])
    await refuse(t, ['fsck', ...options, '/nonexistent'], 8, /^fsck: cannot open \/nonexistent: /)
  for (const option of ['-f', '-F', '--force'])
    await refuse(t, ['mkfs', option, '/nonexistent'], 1, /^mkfs: \/nonexistent: /)
})

void t.test('too many arguments', async (t) => {
  await refuse(
    t,
    ['info', '/a', '/b', '/c'],
    1,
    'info: unknown arguments: /b, /c; try pmfs2-fuse info --help',
  )
  await refuse(t, ['umount', '/a', '/b'], 1, 'umount: unknown argument: /b; try pmfs2-fuse umount --help')
  await refuse(
    t,
    ['dump', '/a', 'inode', '1', '/b'],
    1,
    'dump: unknown argument: /b; try pmfs2-fuse dump --help',
  )
})

void t.test('an option and its list in one word', async (t) => {
  const mount = (...options: readonly string[]): readonly string[] => ['/nonexistent', '/none', ...options]
  await refuse(t, mount('-ofrob'), 1, 'mount: unknown mount option frob; try pmfs2-fuse mount --help')
  await refuse(t, mount('-o=frob'), 1, 'mount: unknown mount option frob; try pmfs2-fuse mount --help')
  for (const options of [['-oro'], ['-onoatime,nosuid', '-f'], ['-oro', '-o', 'nodev']])
    await refuse(t, mount(...options), 32, 'mount: /none: the mount point does not exist')
})

void t.test('operands behind --', async (t) => {
  await refuse(t, ['umount', '--', '/nonexistent'], 32, 'umount: /nonexistent: not mounted')
  await refuse(t, ['mkfs', '-q', '--', '-n'], 1, /^mkfs: \.\/-n: there is no such file or device/)
  await refuse(t, ['--', '/nonexistent', '/none'], 32, 'mount: /none: the mount point does not exist')
})

void t.test('a file called help is a file', async (t) => {
  const gone = (command: string) => `${command}: cannot open help: there is no such file or device`
  await refuse(t, ['fsck', 'help'], 8, gone('fsck'))
  await refuse(t, ['fsck', '-n', 'help'], 8, gone('fsck'))
  await refuse(t, ['fsck', '--', 'help'], 8, gone('fsck'))
  await refuse(t, ['mkfs', '-q', '--', 'help'], 1, /^mkfs: help: there is no such file or device; --size/)
  await refuse(t, ['--', '/nonexistent', 'help'], 32, /^mount: \S+\/help: the mount point does not exist$/m)
  await refuse(t, ['info', 'a', 'help'], 1, 'info: unknown argument: help; try pmfs2-fuse info --help')
  const labelled = join(folder, 'labelled')
  t.match(await succeed(t, ['mkfs', labelled, '--size', '1M', '--label', 'help']), /^ +label +help$/m)
})

void t.test('of an option given twice the last holds', async (t) => {
  await refuse(t, ['mkfs', '/a', '--size', '1G', '--size', '1X'], 1, /^mkfs: --size: '1X' is not a size/)
})

void t.test('a command says the same in a process of its own', async (t) => {
  const device = join(folder, 'alone')
  for (const args of [
    ['mkfs', device, '--size', '2M', '--force', '--uuid', uuid],
    ['info', device],
    ['fsck', device, '--json'],
    ['dump', device],
    ['umount', device],
    [device, '/nonexistent'],
    ['--help'],
    ['frobnicate'],
  ])
    t.same(await pmfs2Process(args), await pmfs2(args), args.join(' '))
})

void t.test('a stack is shown to those who ask for it', async (t) => {
  const { end, stderr } = await pmfs2Process(['info', '/nonexistent'], { ...process.env, DEBUG: 'pmfs2:*' })
  t.equal(end, 1)
  t.match(stderr, /\n\s+at /)
})
