// SPDX-License-Identifier: GPL-2.0-only
/**
 * A guest with five NVDIMMs and a piece of reserved RAM, all of which are files that outlive it. So is its RAM, for
 * the sake of that piece. A guest that is killed loses what its kernel had in the page cache, as in a loss of power.
 * QEMU has no processor cache: a line that was not flushed is not lost, which is for the tests of test/shadow/ to show.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { packageRoot } from '../support/program.js'
import type { BootFiles } from './boot-files.js'

/** It ends with us (setpriv(1)), in whatever way. */
const emulator = 'qemu-system-x86_64'
const mebibyte = 2 ** 20
const labelMebibytes = 2
/** Sizes in MiB, without labels. */
const nvdimms = { pmem: 512, devdax: 512, fsdax: 512, first: 32, second: 256 }
/** Images in the order of their addresses, with their sizes in MiB. */
const nvdimmImages = Object.entries(nvdimms).map(([name, size]) => [name, size + labelMebibytes] as const)
const memoryMebibytes = 3072
const kernelParameters = 'console=ttyS0 quiet panic=-1 mitigations=off tsc=unstable nokaslr memmap=512M!1G'
/** An emulated one takes some 15 seconds, and minutes where others want the processors. */
const startLimitMs = 600_000

/** Whether what the processor's caches hold outlasts a loss of power (eADR), as the platform says. */
export type Persistence = 'mem-ctrl' | 'cpu'

/** What guest/main.sh reads. */
export type Settings = Readonly<Record<string, string | number>>

export interface TapFile {
  readonly name: string
  readonly text: string
}

export class Guest {
  readonly #files: BootFiles
  readonly #folder: string
  readonly #memory: string
  readonly #hasKvm: boolean
  /** Seen by the guest as /vm. */
  readonly shared: string
  #child: ChildProcess | null = null
  #startedMs = 0
  #ended: Promise<unknown> = Promise.resolve()
  /** Of the last boot. */
  console = ''

  /** @param folder for all that the guest has; the caller removes it */
  constructor(files: BootFiles, folder: string) {
    this.#files = files
    this.#folder = folder
    this.#memory = this.image('memory')
    this.#hasKvm = hasKvm(files)
    this.shared = join(folder, 'shared')
    mkdirSync(this.shared)
    for (const [name, size] of [['memory', memoryMebibytes] as const, ...nvdimmImages]) {
      const path = this.image(name)
      writeFileSync(path, '')
      truncateSync(path, size * mebibyte)
    }
  }

  /** The file that an NVDIMM is, or the guest's `memory`. */
  image(name: string): string {
    return join(this.#folder, name)
  }

  /** Starts it with these settings of guest/main.sh. */
  boot(settings: Settings, persistence: Persistence = 'mem-ctrl'): void {
    for (const name of ['tap', 'status', 'started', 'phase'])
      rmSync(join(this.shared, name), { recursive: true, force: true })
    mkdirSync(join(this.shared, 'tap'))
    const words = Object.entries(settings).map(([name, value]) => `${name}=${quoted(String(value))}`)
    writeFileSync(join(this.shared, 'settings'), `${words.join('\n')}\n`)
    writeFileSync(join(this.shared, 'command'), `. ${quoted(join(packageRoot, 'test/vm/guest/main.sh'))}\n`)
    const exposed = [packageRoot, String(settings['package']), process.execPath.replace(/\/[^/]*$/, '')]
    writeFileSync(join(this.shared, 'exposed'), `${[...new Set(exposed)].join('\n')}\n`)
    this.console = ''
    this.#startedMs = performance.now()
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', emulator, ...this.#arguments(persistence)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (part: Buffer) => (this.console += part.toString()))
    this.#child = child
    this.#ended = once(child, 'close')
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Cuts the power. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  /** Waits until the guest has powered off. @returns why it has not done so in order, or null */
  async poweredOff(limitMs: number): Promise<string | null> {
    if (!(await this.reaches(() => !this.isRunning, limitMs))) {
      await this.kill()
      return this.hasStarted
        ? `the guest did not power off in ${limitMs / 1000} s`
        : `the guest did not start in ${startLimitMs / 1000} s`
    }
    await this.#ended
    const status = join(this.shared, 'status')
    if (!existsSync(status)) return 'the guest ended before its script did'
    const text = readFileSync(status, 'utf8').trim()
    return text === '0' ? null : `the guest's script ended with ${text}`
  }

  /** Whether the last boot has come to guest/main.sh. */
  get hasStarted(): boolean {
    return existsSync(join(this.shared, 'started'))
  }

  /** Whether the last boot has begun a phase, which is the last one to have begun. */
  isIn(phase: string): boolean {
    const path = join(this.shared, 'phase')
    return existsSync(path) && readFileSync(path, 'utf8').trim() === phase
  }

  /** Waits for something. @returns whether it came in time, and the guest has not failed to start */
  async reaches(condition: () => boolean, limitMs: number, everyMs = 50): Promise<boolean> {
    const deadline = performance.now() + limitMs
    while (!condition()) {
      const now = performance.now()
      if (now > deadline || (now > this.#startedMs + startLimitMs && !this.hasStarted)) return false
      await sleep(everyMs)
    }
    return true
  }

  /** What the last boot has written, in the order of its phases. */
  tapFiles(): TapFile[] {
    const folder = join(this.shared, 'tap')
    return readdirSync(folder)
      .filter((name) => name.endsWith('.tap'))
      .sort()
      .map((name) => ({ name: name.replace('.tap', ''), text: readFileSync(join(folder, name), 'utf8') }))
  }

  #arguments(persistence: Persistence): string[] {
    return [
      ...['-accel', this.#hasKvm ? 'kvm' : 'tcg,thread=multi,tb-size=512', '-cpu', 'max', '-smp', '2'],
      ...['-machine', `q35,nvdimm=on,nvdimm-persistence=${persistence},memory-backend=memory`],
      ...['-m', `${memoryMebibytes}M,slots=${nvdimmImages.length},maxmem=16G`],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none', '-serial', 'stdio'],
      ...['-no-reboot', '-bios', 'qboot.rom'],
      ...['-kernel', this.#files.kernel, '-initrd', this.#files.initramfs, '-append', kernelParameters],
      ...shareArguments('host', '/', ',readonly=on'),
      ...shareArguments('run', this.shared, ''),
      ...['-object', fileArgument('memory', this.#memory, memoryMebibytes)],
      ...nvdimmImages.flatMap(([name, size]) => [
        ...['-object', fileArgument(name, this.image(name), size)],
        ...['-device', `nvdimm,id=nvdimm-${name},memdev=${name},unarmed=off,label-size=${labelMebibytes}M`],
      ]),
    ]
  }
}

function shareArguments(tag: string, path: string, more: string): string[] {
  return [
    ...['-fsdev', `local,id=${tag},path=${path},security_model=none,multidevs=remap${more}`],
    ...['-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ]
}

/** Memory that is a shared mapping of a file: what the guest stores is in the file at once. */
function fileArgument(id: string, path: string, mebibytes: number): string {
  return `memory-backend-file,id=${id},share=on,mem-path=${path},size=${mebibytes}M`
}

/**
 * Whether a guest runs on KVM: a kernel that finds no root starts anew, which ends QEMU. On some machines that are
 * guests themselves, /dev/kvm can be opened, and no kernel gets far.
 */
function hasKvm({ kernel }: BootFiles): boolean {
  const { status } = spawnSync(
    emulator,
    [
      ...['-accel', 'kvm', '-cpu', 'max', '-machine', 'q35', '-m', '256M'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-bios', 'qboot.rom'],
      ...['-kernel', kernel, '-append', 'quiet panic=-1'],
    ],
    { stdio: 'ignore', timeout: 60_000, killSignal: 'SIGKILL' },
  )
  return status === 0
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
