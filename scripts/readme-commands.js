// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs every command that README.md shows, in its order, in a copy of the repository. One fenced `sh` block is one
 * shell, one `js` block one module; each command of it must succeed. `--done COMMAND` names what was run before and
 * need not run again.
 *
 * A block under the comment "needs /dev/pmem0" gets a file in its place where there is no such device, and where there
 * is one too: a check must not erase what somebody keeps there. What stays in the foreground is interrupted once it is
 * live.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { clearTimeout, setTimeout } from 'node:timers'
import { root } from './setup.js'

const foreground = 'npm start'
const limitMs = 180_000
const memoryFolder = '/dev/shm'
const pmem = '/dev/pmem0'
const pmemBytes = 2 ** 30
/** Made by the README outside of the copy. */
const outside = ['/mnt/pmfs2']

/** @returns {{ commands: string[], needsPmem: boolean }[]} */
function blocksOf(text) {
  const pattern = /(<!-- needs \/dev\/pmem0[^>]*-->\n+)?```(sh|js)\n([\s\S]*?)```/g
  return [...text.matchAll(pattern)].map(([, needs, language, body]) => ({
    commands: language === 'js' ? [moduleCommand(body)] : commandsOf(body),
    needsPmem: needs !== undefined,
  }))
}

function commandsOf(body) {
  return body
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
}

/** In the repository its own name leads to it, as that of a dependency would. */
function moduleCommand(body) {
  return `node --input-type=module <<'END'\n${body}END`
}

/** Each command says how it ended on descriptor 3. */
function scriptOf(commands) {
  return ['set -o pipefail', ...commands.map((command) => `${command}\necho "$?" >&3`)].join('\n')
}

async function runBlock(commands, cwd) {
  const child = spawn('bash', ['-c', scriptOf(commands)], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    // npx keeps links to packages in npm's cache; those to the copy go with it.
    env: { ...process.env, npm_config_cache: join(cwd, '.npm-cache') },
  })
  let output = ''
  let statuses = ''
  let interrupted = false
  const interruptible = commands.length === 1 && commands[0].startsWith(foreground)
  const hear = (chunk) => {
    output += chunk
    if (!interruptible || interrupted || !output.includes('Ctrl-C unmounts')) return
    interrupted = true
    // As a terminal does: to all of them.
    process.kill(-child.pid, 'SIGINT')
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.stdio[3].on('data', (chunk) => (statuses += chunk))
  const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), limitMs)
  await new Promise((resolve) => child.on(interruptible ? 'close' : 'exit', resolve))
  clearTimeout(timer)
  // A server in the background may hold these open; what was said before the end is in the pipes.
  await new Promise((resolve) => setTimeout(resolve, 50))
  for (const stream of child.stdio.slice(1)) stream.destroy()
  if (interruptible) statuses = interrupted && output.includes('Unmounted') ? '0' : '1'
  return {
    output,
    statuses: statuses
      .split('\n')
      .filter((line) => line !== '')
      .map(Number),
  }
}

function copyOfRepository() {
  const copy = mkdtempSync(join(tmpdir(), 'pmfs2-readme-'))
  for (const name of readdirSync(root).filter((name) => !['.git', '.tap', 'mnt'].includes(name))) {
    cpSync(join(root, name), join(copy, name), {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
    })
  }
  return copy
}

async function main() {
  const done = process.argv.slice(2).filter((argument) => argument !== '--done')
  const blocks = blocksOf(readFileSync(join(root, 'README.md'), 'utf8'))
  const copy = copyOfRepository()
  const absent = outside.filter((path) => !existsSync(path))
  const standIn = join(mkdtempSync(join(memoryFolder, 'pmfs2-readme-')), 'pmem0')
  let ran = 0
  let failures = 0
  const report = (succeeded, command) => {
    ran++
    if (!succeeded) failures++
    console.log(`${succeeded ? 'ok   - ' : 'FAIL - '}${command}`)
  }
  for (const { commands: shown, needsPmem } of blocks) {
    const commands = shown.filter((command) => {
      const isDone = done.includes(command.replace(/\s+#.*/, ''))
      if (isDone) console.log(`(run before: ${command})`)
      return !isDone
    })
    if (commands.length === 0) continue
    if (needsPmem) {
      console.log(`(a file stands in for ${pmem})`)
      writeFileSync(standIn, '')
      truncateSync(standIn, pmemBytes)
    }
    const { output, statuses } = await runBlock(
      needsPmem ? commands.map((line) => line.replaceAll(pmem, standIn)) : commands,
      copy,
    )
    commands.forEach((command, n) => report(statuses[n] === 0, command))
    if (statuses.length < commands.length || statuses.some((status) => status !== 0)) console.log(output)
  }
  for (const path of absent.filter((path) => existsSync(path))) {
    // Where a command failed, its mount may be there still.
    spawnSync('umount', ['-f', '-l', path], { stdio: 'ignore' })
    rmdirSync(path)
  }
  for (const folder of [copy, dirname(standIn)]) rmSync(folder, { recursive: true, force: true })
  console.log(`${ran} commands, ${failures} failed`)
  process.exitCode = failures === 0 ? 0 : 1
}

await main()
