// SPDX-License-Identifier: GPL-2.0-only
/** Where apt-get has this machine's Debian packages from, as the programs that fetch some for a test are told. */
import { run } from './run-command.js'

export interface DebianSource {
  readonly site: string
  readonly release: string
}

/** The release itself, without its updates and security fixes. */
export async function debianSource(): Promise<DebianSource> {
  const targets = await run('apt-get', [
    'indextargets',
    '--format',
    '$(SITE) $(RELEASE)',
    'Created-By: Packages',
  ])
  for (const line of targets.split('\n')) {
    const [site, release] = line.split(' ')
    if (site !== undefined && release !== undefined && /^[a-z]+$/.test(release)) return { site, release }
  }
  throw new Error('no Debian source is known to apt-get: apt-get update')
}
