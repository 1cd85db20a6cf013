// SPDX-License-Identifier: GPL-2.0-only
/**
 * Whether a mount is served read-only, and which access times are noted: both can change while it is live. The kernel
 * does not tell a FUSE server that its mount was remounted, so the server watches the mount table and follows it. All
 * workers pause for a change, so no call is under way, and go on with new engines. After damage (errors=remount-ro) the
 * server becomes read-only by itself, and stays so.
 *
 * While workers pause, nobody answers the kernel, so this thread must make no call that could wait for an answer.
 */
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import debug from 'debug'
import type { OpenedVolume } from '../api/opened-volume.js'
import type { EngineSetting } from '../fs/engine-setting.js'
import { VolumeError } from '../fs/volume-error.js'
import { native } from '../native/index.js'
import { DeviceError } from '../pmem/device-error.js'
import { newEngineFiles } from './engine-files.js'
import { engineSetting } from './engine-setting.js'
import type { MountCalls } from './mount-calls.js'
import { MountError } from './mount-error.js'
import type { MountOptions, OnErrors } from './mount-options.js'
import { type MountEntry, type MountIdentity, isOf, readMountTable } from './mount-table.js'
import type { Workers } from './workers.js'

const trace = debug('pmfs2:daemon')

/** A file that was removed a moment ago is freed by a FORGET that may still be on its way. */
const orphanPatienceMs = 200
const stepMs = 10
/** The mount table could not be read, for want of a descriptor or of memory. */
const retryMs = 1000
const stays = 'damage was met (errors=remount-ro): it stays read-only until it is unmounted'

/** What a server says of its mode. */
export interface ModeReport {
  readonly readOnly: boolean
  /** It is about to become what the mount table says. */
  readonly isChanging: boolean
  /** Why it is not what the mount table said when it last looked; null where it is. */
  readonly refusal: string | null
  readonly directIo: boolean
  readonly writebackCache: boolean
  readonly xattrs: boolean
  readonly acls: boolean
  readonly onErrors: OnErrors
}

interface AccessTimes {
  readonly accessTimes: boolean
  readonly directoryAccessTimes: boolean
  readonly strictAccessTimes: boolean
}

export interface ModeParts {
  /** Null where it is gone. */
  readonly identity: MountIdentity | null
  readonly opened: OpenedVolume
  readonly localSegments: () => EngineSetting['localSegments']
  readonly workers: Pick<Workers, 'pause' | 'arePaused' | 'goOn' | 'fail' | 'isEnding'>
  readonly calls: Pick<MountCalls, 'remountReadOnly'>
  readonly options: MountOptions
  /** For people who do not wait for an answer. */
  readonly tell: (line: string) => void
}

export class ServingMode {
  readonly #parts: ModeParts
  #times: AccessTimes
  /** The mount's line of the table that was followed last. */
  #followed: MountEntry | null
  #refusal: string | null = null
  /** Damage was met, and that makes it read-only. */
  #isForced = false
  /** The mount table need not have changed for a change to be due. */
  #isDue = false
  #isChanging = false
  #isOver = false
  #watch: Socket | null = null
  #retry: NodeJS.Timeout | null = null
  /** What is to be done when no change is under way. */
  #waiting: (() => void)[] = []

  constructor(parts: ModeParts) {
    this.#parts = parts
    this.#times = parts.options
    this.#followed = this.#entry()
  }

  /** Follows the mount table from now on. */
  watch(): void {
    const fd = native.watchMounts()
    if (fd < 0) {
      trace('the mount table is not watched: errno %d', -fd)
      return
    }
    this.#watch = new Socket({ fd, readable: true, writable: false })
    this.#watch.on('data', () => this.follow())
    this.#watch.on('error', () => undefined)
    this.#watch.unref()
    // It may have been remounted before.
    this.follow()
  }

  /** The mount is over. */
  release(): void {
    this.#isOver = true
    this.#watch?.destroy()
    if (this.#retry !== null) clearTimeout(this.#retry)
    // A change under way may wait for the end itself.
    for (const action of this.#waiting.splice(0)) action()
  }

  /** Does something that workers may have to serve: now, or once the change under way is over. */
  whenServing(action: () => void): void {
    if (this.#isChanging) this.#waiting.push(action)
    else action()
  }

  /** Whether workers serve no longer than for what they have in hand, if that. */
  get isEnding(): boolean {
    return this.#isOver || this.#parts.workers.isEnding
  }

  get report(): ModeReport {
    const { opened, options } = this.#parts
    return {
      readOnly: opened.volume.isReadOnly,
      isChanging: this.#isChanging,
      refusal: this.#refusal,
      directIo: options.directIo,
      writebackCache: options.writebackCache,
      xattrs: options.xattrs,
      acls: options.acls,
      onErrors: options.onErrors ?? 'continue',
    }
  }

  /** Begins to follow the mount table, if that has changed. */
  follow(): void {
    if (this.#isChanging || this.#isOver) return
    const entry = this.#lookUp()
    if (entry === null || (!this.#isDue && isSame(entry, this.#followed))) return
    this.#isDue = false
    this.#isChanging = true
    void this.#change(entry)
      .catch((error: unknown) => this.#parts.workers.fail(error))
      .finally(() => {
        this.#noteChanged()
      })
  }

  /**
   * Does something while no call is under way; workers go on with new engines.
   * @throws what `work` throws; where the volume has failed then, or workers cannot go on, the mount ends
   */
  async whilePaused(work: () => void): Promise<void> {
    while (this.#isChanging && !this.#isOver)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.isEnding) throw new MountError('its server is ending')
    this.#isChanging = true
    try {
      await this.#parts.workers.pause()
      // Some have ended or are about to, and so does the mount.
      if (!this.#parts.workers.arePaused) throw new MountError('its server is ending')
      this.#workPaused(work)
    } finally {
      this.#noteChanged()
    }
  }

  #workPaused(work: () => void): void {
    const { opened, workers } = this.#parts
    try {
      work()
    } catch (error) {
      if (opened.volume.state.isFailed) workers.fail(error)
      else this.#goOn()
      throw error
    }
    this.#goOn()
  }

  /** Workers serve again, with new engines. @throws what ends the mount, as some would stay paused for ever */
  #goOn(): void {
    const { opened, workers, options, localSegments } = this.#parts
    try {
      const engine = engineSetting(opened.volume, { ...options, ...this.#times }, localSegments())
      workers.goOn({ files: newEngineFiles(opened, engine), options: this.#times })
    } catch (error) {
      workers.fail(error)
      throw error
    }
  }

  #noteChanged(): void {
    this.#isChanging = false
    for (const action of this.#waiting.splice(0)) action()
    // What has changed meanwhile.
    this.follow()
  }

  /** Damage was met: nothing is written from now on, not even what would end the volume in order. */
  forceReadOnly(): void {
    if (this.#isForced) return
    this.#isForced = true
    if (this.#parts.opened.volume.isReadOnly) return
    this.#isDue = true
    this.follow()
  }

  async #change(entry: MountEntry): Promise<void> {
    const { opened, workers, calls, tell } = this.#parts
    if (this.#followed !== null && !isSameTimes(entry, this.#followed)) this.#times = timesOf(entry)
    this.#followed = entry
    const isToBe = isReadOnly(entry)
    const becomes = isToBe || this.#isForced
    if (becomes && !this.#isForced) await this.#orphansFreed()
    await workers.pause()
    // Some have ended or are about to, and so does the mount. They may be at work.
    if (this.#isOver || !workers.arePaused) return
    this.#refusal = this.#become(becomes)
    if (!isToBe && this.#isForced) this.#refusal = stays
    this.#goOn()
    trace('serving %s', opened.volume.isReadOnly ? 'read-only' : 'for writing')
    if (this.#refusal === null) return
    tell(this.#refusal)
    // What the kernel lets programs try would only fail here.
    const isRemounted = await calls.remountReadOnly()
    // The table may show by now what somebody else has asked for meanwhile, which is followed next.
    if (isRemounted) this.#followed = readOnly(entry)
  }

  /**
   * No call may be under way.
   * @returns why the volume stays read-only; null where it does not
   * @throws what ends the mount
   */
  #become(readOnly: boolean): string | null {
    const { opened } = this.#parts
    if (readOnly) {
      opened.becomeReadOnly(!this.#isForced)
      return null
    }
    try {
      opened.becomeWritable()
      return null
    } catch (error) {
      if (error instanceof DeviceError || error instanceof VolumeError) return error.message
      throw error
    }
  }

  async #orphansFreed(): Promise<void> {
    const { volume } = this.#parts.opened
    for (let waited = 0; volume.hasOrphans && waited < orphanPatienceMs; waited += stepMs) await sleep(stepMs)
  }

  #entry(): MountEntry | null {
    const { identity } = this.#parts
    return identity === null ? null : (readMountTable().find((entry) => isOf(entry, identity)) ?? null)
  }

  /** The same where a failure must not end the server: it looks again later. @returns null also where it has failed */
  #lookUp(): MountEntry | null {
    try {
      return this.#entry()
    } catch (error) {
      trace('the mount table cannot be read: %o', error)
      this.#retry ??= setTimeout(() => {
        this.#retry = null
        this.follow()
      }, retryMs).unref()
      return null
    }
  }
}

/** The file system's own flag: a mount of it elsewhere may be read-only by itself. */
function isReadOnly(entry: MountEntry): boolean {
  return entry.superOptions.includes('ro')
}

/** The entry once the file system has become read-only. */
function readOnly(entry: MountEntry): MountEntry {
  return { ...entry, superOptions: [...entry.superOptions.filter((option) => option !== 'rw'), 'ro'] }
}

function isSame(entry: MountEntry, other: MountEntry | null): boolean {
  return other !== null && isReadOnly(entry) === isReadOnly(other) && isSameTimes(entry, other)
}

function isSameTimes({ options }: MountEntry, other: MountEntry): boolean {
  const shown = ['noatime', 'nodiratime', 'relatime']
  return shown.every((option) => options.includes(option) === other.options.includes(option))
}

function timesOf({ options }: MountEntry): AccessTimes {
  const accessTimes = !options.includes('noatime')
  return {
    accessTimes,
    directoryAccessTimes: accessTimes && !options.includes('nodiratime'),
    strictAccessTimes: accessTimes && !options.includes('relatime'),
  }
}
