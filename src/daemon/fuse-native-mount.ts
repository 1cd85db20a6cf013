// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount's life where fuse-native serves it: as in daemon.ts, but this thread serves, by the calls of src/api/. It
 * must therefore make no call that could wait for the mount.
 */
import debug from 'debug'
import type { OpenedVolume } from '../api/opened-volume.js'
import { Session } from '../api/session.js'
import { shownText } from '../check/name-text.js'
import { type FuseLibrary, LibraryError, loadFuseLibrary } from '../fuse-native/library.js'
import { PathFiles } from '../fuse-native/path-files.js'
import { FuseNativeServer } from '../fuse-native/server.js'
import { Statistics } from '../fuse/statistics.js'
import type { MapperName } from '../pmem/mapper.js'
import { tell } from './background.js'
import type { DaemonReport } from './daemon-report.js'
import { EndingSignals } from './ending-signals.js'
import { engineSetting } from './engine-setting.js'
import { type FuseNativeWishes, checkFuseNativeOptions, libfuseOptions } from './fuse-native-options.js'
import { checkMountpoint } from './kernel-mount.js'
import { type LiveMount, takeAwayFailed, untilEnded, volumeReport } from './live-mount.js'
import { MountCalls } from './mount-calls.js'
import { MountError, exitSystem } from './mount-error.js'
import type { MountOptions } from './mount-options.js'
import { identityAt } from './mount-table.js'
import { noticesOf, openForMount } from './open-volume.js'
import { mountFailure } from './mount-failure.js'

const trace = debug('pmfs2:daemon')

export interface FuseNativeRequest extends FuseNativeWishes {
  readonly devices: readonly string[]
  readonly mountpoint: string
  readonly requireDax: boolean
  readonly mapper: MapperName
}

const lossNotice =
  'fuse-native: times are cut to whole milliseconds; ACLs are neither served nor inherited nor checked; locks, leases and inotify by one name of a file do not hold for its other names'
const changeNotice =
  "fuse-native: a change of only one of a file's two times (touch -a, touch -m, tar) has no effect and is reported as done"

/** Mounts, calls `live` when programs can use the mount, and resolves when it is over. @throws MountError and others */
export async function runFuseNativeMount(
  request: FuseNativeRequest,
  live: (notices: readonly string[]) => void,
): Promise<void> {
  checkFuseNativeOptions(request)
  const library = libraryOrRefusal()
  const mountpoint = await checkMountpoint(request.mountpoint)
  const opened = await openForMount(request)
  const signals = new EndingSignals()
  try {
    await new FuseNativeMount(library, request, mountpoint, opened).run(signals, live)
  } finally {
    signals.release()
  }
}

function libraryOrRefusal(): FuseLibrary {
  try {
    return loadFuseLibrary()
  } catch (error) {
    throw error instanceof LibraryError ? new MountError(error.message, exitSystem, { cause: error }) : error
  }
}

class FuseNativeMount {
  readonly #options: MountOptions
  readonly #mapper: MapperName
  readonly #mountpoint: string
  readonly #opened: OpenedVolume
  readonly #statistics = Statistics.create(1)
  readonly #session: Session
  readonly #files: PathFiles
  readonly #server: FuseNativeServer

  /** @param opened closed again where this throws */
  constructor(library: FuseLibrary, request: FuseNativeRequest, mountpoint: string, opened: OpenedVolume) {
    const { options } = request
    this.#options = options
    this.#mapper = request.mapper
    this.#mountpoint = mountpoint
    this.#opened = opened
    try {
      const list = libfuseOptions(this.#source, mountpoint, options)
      this.#session = new Session(opened, engineSetting(opened.volume, { ...options, acls: false }, []))
      this.#files = new PathFiles(this.#session, options)
      this.#server = new FuseNativeServer(library, {
        mountpoint,
        options: list,
        session: this.#session,
        files: this.#files,
        statistics: this.#statistics,
        xattrs: options.xattrs,
        // A mount that does not come about leaves no mark of one.
        begin: () => opened.markMounted(),
      })
    } catch (error) {
      opened.close()
      throw error
    }
  }

  get #source(): string {
    return this.#opened.devices[0]!.path
  }

  async run(signals: EndingSignals, live: (notices: readonly string[]) => void): Promise<void> {
    const opened = this.#opened
    opened.volume.onDamage = (what) => tell(`${shownText(this.#source)}: damage met: ${what}`)
    let isLeft: boolean
    let calls: MountCalls | null = null
    const told = { isLive: false }
    try {
      await this.#start()
      const identity = identityAt(this.#mountpoint)
      calls = new MountCalls(identity)
      const mount = {
        mountpoint: this.#mountpoint,
        identity,
        options: this.#options,
        mapper: this.#mapper,
        opened,
        signals,
        calls,
        statistics: this.#statistics,
      }
      isLeft = await untilEnded(mount, {
        server: this.#server,
        start: () => Promise.resolve(),
        whenServing: (action) => action(),
        begin: () => () => this.#report(mount),
        live: () => {
          told.isLive = true
          const lost = this.#options.readOnly ? [lossNotice] : [lossNotice, changeNotice]
          live([...noticesOf(opened, this.#options.writebackCache), ...lost])
        },
      })
    } catch (error) {
      opened.volume.state.markFailed()
      await calls?.end()
      this.#server.release()
      opened.abandon()
      const place = calls === null ? null : takeAwayFailed({ calls, signals }, told.isLive)
      throw place === null ? error : mountFailure(error, place)
    }
    try {
      await this.#removeHidden()
      await this.#session.close()
    } finally {
      await calls.end()
      this.#server.release()
      if (isLeft) calls.detachLazily()
    }
    trace('closed %s', this.#source)
  }

  /** Files that were removed or replaced, and that programs still have open. */
  async #removeHidden(): Promise<void> {
    for (const path of this.#files.hidden) {
      const removed = this.#session.run('unlink', () => this.#files.unlink(path))
      await removed.catch((error: unknown) => trace('%s stays: %o', path, error))
    }
  }

  async #start(): Promise<void> {
    try {
      await this.#server.start()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new MountError(`${this.#mountpoint}: fuse-native cannot mount: ${why}`, exitSystem, {
        cause: error,
      })
    }
  }

  #report(mount: LiveMount): DaemonReport {
    const { xattrs } = this.#options
    return {
      ...volumeReport(mount),
      channel: 'fuse-native',
      workers: 1,
      mode: {
        readOnly: this.#opened.volume.isReadOnly,
        isChanging: false,
        refusal: null,
        directIo: true,
        writebackCache: false,
        xattrs,
        acls: false,
        onErrors: 'continue',
      },
      growths: [],
    }
  }
}
