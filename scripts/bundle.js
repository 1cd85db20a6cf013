// SPDX-License-Identifier: GPL-2.0-only
/**
 * Puts what is started of the program into one file each, as loading some 200 modules takes most of the time of a
 * command: `dist/src/FOLDER/NAME.js` with all that it imports becomes `dist/program/FOLDER/NAME.js`. A module that
 * names another one by its place, `../FOLDER/NAME.js`, finds it from both. Source maps lead to the sources.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { root } from './setup.js'

const sources = 'dist/src'
const target = 'dist/program'
/** The command line, what a worker thread runs, and the process that makes a call on a mount. */
const names = ['cli/program', 'daemon/engine-worker', 'daemon/mount-call']

/** Relative to the repository. */
export const bundles = names.map((name) => `${target}/${name}.js`)

/**
 * Outside of node_modules, yargs asks for the working directory as soon as it is loaded. That may be gone, and nothing
 * of it is used.
 */
const withoutDirectory = {
  name: 'without-directory',
  setup(build) {
    build.onLoad({ filter: /\/yargs\/lib\/platform-shims\/esm\.mjs$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const asks = 'mainFilename || process.cwd()'
      if (!text.includes(asks)) throw new Error(`${path} has no "${asks}"`)
      return { contents: text.replace(asks, "mainFilename || '/'"), loader: 'js' }
    })
  },
}

async function bundle() {
  const { build } = await import('esbuild-wasm')
  await build({
    entryPoints: names.map((name) => join(root, sources, `${name}.js`)),
    outbase: join(root, sources),
    outdir: join(root, target),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    // Comments and blanks are a third of what there is to load. Names stay, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    // debug is CommonJS.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    plugins: [withoutDirectory],
    logLevel: 'warning',
  })
}

if (argv[1] === fileURLToPath(import.meta.url)) await bundle()
