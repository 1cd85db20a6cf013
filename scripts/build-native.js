// SPDX-License-Identifier: GPL-2.0-only
/**
 * Compiles the native part: one shared object, against the headers of Node-API, which is stable. So one binary serves
 * every version of Node, and building it takes a C compiler ($CC, else cc) and nothing of the running Node. It runs by
 * itself where npm installs the package, and as a step of setup.js in a clone. With the argument `shadow` it builds
 * what tests load in place of it: the same sources over other primitives (test/native/shadow/).
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isShadow = process.argv[2] === 'shadow'
const sources = isShadow ? ['src/native', 'test/native/shadow'] : ['src/native']
const output = isShadow ? 'build/Shadow/pmfs2.node' : 'build/Release/pmfs2.node'
const flags = [
  '-std=gnu11',
  '-O2',
  '-fPIC',
  '-fvisibility=hidden',
  '-pthread',
  // A handler of signals stays installed when the environment that loaded the module ends.
  '-Wl,-z,nodelete',
  '-Wall',
  '-Wextra',
  '-D_GNU_SOURCE',
  '-D_FILE_OFFSET_BITS=64',
  '-DNAPI_VERSION=8',
  '-DNODE_GYP_MODULE_NAME=pmfs2',
  ...(isShadow ? ['-include', 'test/native/shadow/primitives.h'] : []),
]

function compile(compiler, target) {
  const { include_dir: headers } = createRequire(import.meta.url)('node-api-headers')
  const files = sources.flatMap((folder) =>
    readdirSync(join(root, folder))
      .map((name) => join(folder, name))
      .filter((name) => name.endsWith('.c')),
  )
  const args = [...flags, '-I', headers, '-shared', '-o', target, ...files]
  const child = spawn(compiler, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  // The compiler removes its temporary files then.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGTERM'))
  return new Promise((resolve) => {
    child.on('error', (error) => {
      const install = 'install a C compiler (on Debian or Ubuntu: apt-get install gcc libc6-dev)'
      console.error(`build-native: ${compiler} cannot be run (${error.code}); ${install}, or name one in $CC`)
      resolve(false)
    })
    child.on('exit', (code) => resolve(code === 0))
  })
}

// Renamed when whole: a server that runs keeps the file it has loaded, and a build cut short leaves nothing.
const target = `${output}.${process.pid}`
mkdirSync(join(root, dirname(output)), { recursive: true })
try {
  if (await compile(process.env.CC ?? 'cc', target)) renameSync(join(root, target), join(root, output))
  else process.exitCode = 1
} finally {
  rmSync(join(root, target), { force: true })
}
