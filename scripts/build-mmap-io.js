// SPDX-License-Identifier: GPL-2.0-only
/**
 * Compiles the package mmap-io for the running Node, from what npm has installed, with the package's own recipe. The
 * package's install script would first look for a binary on GitHub, and node-gyp for Node's headers on nodejs.org;
 * here nothing is downloaded.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const packageFolder = join(root, 'node_modules/mmap-io')

/** Where the package looks for what was compiled, for each ABI of Node. */
export const mmapIoBinary = `node_modules/mmap-io/build/binding/Release/node-v${process.versions.modules}-linux-${process.arch}/mmap_io.node`

/** The folder that has `include/node` of the running Node: its own, npm's, or that of the package `node` of npm. */
function findHeaders() {
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  const given = process.env.npm_config_nodedir
  const places = [prefix, ...(given ? [given] : []), join(prefix, `node_modules/node-linux-${process.arch}`)]
  return places.find(
    (place) => versionIn(join(place, 'include/node/node_version.h')) === process.versions.node,
  )
}

function versionIn(header) {
  if (!existsSync(header)) return null
  const text = readFileSync(header, 'utf8')
  const part = (name) => new RegExp(`^#define NODE_${name}_VERSION (\\d+)$`, 'm').exec(text)?.[1]
  return ['MAJOR', 'MINOR', 'PATCH'].map(part).join('.')
}

function build() {
  if (!existsSync(packageFolder)) throw new Error('npm has not installed it (npm install --include=optional)')
  const headers = findHeaders()
  if (headers === undefined)
    throw new Error(
      `the headers of Node ${process.versions.node} are not beside it (include/node); on Debian: apt-get install libnode-dev, or name their folder in npm_config_nodedir`,
    )
  const program = join(root, 'node_modules/@mapbox/node-pre-gyp/bin/node-pre-gyp')
  const { status, error } = spawnSync(process.execPath, [program, 'rebuild', `--nodedir=${headers}`], {
    cwd: packageFolder,
    // Headers of Node 24 and later take no older C++; what the package asks for comes before it.
    env: { ...process.env, CXXFLAGS: `${process.env.CXXFLAGS ?? ''} -std=gnu++20` },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error('it takes a C++ compiler, make and python3 (on Debian: apt-get install g++ make python3)')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    build()
  } catch (error) {
    console.error(`build-mmap-io: ${error.message}`)
    process.exitCode = 1
  }
}
