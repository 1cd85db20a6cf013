// SPDX-License-Identifier: GPL-2.0-only
/** A limit of the system that keeps the program itself from being loaded. */
import { join } from 'node:path'
import t from 'tap'
import { commands, helpCommand, versionCommand } from '../../src/cli/commands.js'
import { packageRoot } from '../support/program.js'
import { fileLimitMs, start } from './cli.js'

t.setTimeout(fileLimitMs)

/** Loading the program fails, as it does where the limit is reached at just that moment. */
function failingWith(code: string): string {
  const hook = `export function load(url, context, next) {
    if (url.endsWith('/cli/program.js')) throw Object.assign(new Error('no'), { code: '${code}' })
    return next(url, context)
  }`
  const data = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`
  const preload = `import { register } from 'node:module'; register(${JSON.stringify(data(hook))})`
  return `--import=${data(preload)}`
}

const limits = {
  EMFILE: 'this process may open no more files: raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files: raise the limit (sysctl fs.file-max)',
  ENOMEM: 'there is no memory left, or no more of it is allowed (ulimit -v)',
}

function run(name: string, code: string, ...args: readonly string[]) {
  return start(process.execPath, [failingWith(code), join(packageRoot, 'bin', `${name}.js`), ...args])
}

void t.test('each limit is named, in one line', async (t) => {
  for (const [code, said] of Object.entries(limits)) {
    const { end, stdout, stderr } = await run('pmfs2-fuse', code, '/dev/none', '/mnt/none')
    t.same([end, stdout], [2, ''], 'mounting needs no name')
    t.equal(stderr, `pmfs2-fuse: the program cannot be loaded: ${said}\n`)
  }
})

void t.test('the exit code is that of the command', async (t) => {
  for (const { name, limitExit } of [...commands, helpCommand, versionCommand]) {
    const { end, stderr } = await run('pmfs2-fuse', 'EMFILE', name)
    t.equal(end, limitExit, name)
    t.match(stderr, /^[^\n]+\n$/)
  }
})

void t.test('the helper of mount(8)', async (t) => {
  const { end, stderr } = await run('mount.pmfs2', 'ENFILE', '/dev/none', '/mnt/none')
  t.equal(end, 2)
  t.equal(stderr, `mount.pmfs2: the program cannot be loaded: ${limits.ENFILE}\n`)
})

void t.test('what is no limit is a defect, and is shown as it is', async (t) => {
  const { end, stderr } = await run('pmfs2-fuse', 'ENOENT', 'info')
  t.equal(end, 1)
  t.notMatch(stderr, /cannot be loaded/)
  t.match(stderr, /ENOENT/)
})
