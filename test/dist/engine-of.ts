/** A daemon of one of the built programs, with a root of its own, and its command line. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRootfs, packFolder } from '../../bench/rootfs.ts';
import { type ChildResult, runChild } from '../../scripts/child.ts';

/** A running engine. */
export class EngineOf implements AsyncDisposable {
  readonly folder: string;
  readonly #program: readonly string[];
  readonly #daemon: ChildProcess;

  private constructor(folder: string, program: readonly string[], daemon: ChildProcess) {
    this.folder = folder;
    this.#program = program;
    this.#daemon = daemon;
  }

  /** Starts `program daemon` and waits until it answers. `program`: the words up to the verb. */
  static async start(program: readonly string[]): Promise<EngineOf> {
    const folder = mkdtempSync(join(tmpdir(), 'carve-dist-'));
    const places = ['--root', join(folder, 'root'), '--run', join(folder, 'run')];
    const argv = [...program, 'daemon', ...places, '--host', `unix://${folder}/carve.sock`];
    const daemon = spawn(argv[0] ?? '', argv.slice(1), {
      stdio: ['ignore', 'ignore', 'pipe'],
      cwd: folder,
    });
    let said = '';
    daemon.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const engine = new EngineOf(folder, program, daemon);
    try {
      await answers(daemon, `${folder}/carve.sock`);
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw new Error(`${argv.join(' ')}: ${String(error)}\n${said}`);
    }
  }

  /** Runs the program's command line against this engine. */
  carve(...args: string[]): Promise<ChildResult> {
    return runChild([...this.#program, '--host', `unix://${this.folder}/carve.sock`, ...args]);
  }

  /** Imports a busybox root as the image `busybox`. */
  async importBusybox(): Promise<void> {
    const root = join(this.folder, 'rootfs');
    mkdirSync(root);
    makeRootfs(root);
    await packFolder(root, join(this.folder, 'rootfs.tar'));
    const { code, output } = await this.carve('import', join(this.folder, 'rootfs.tar'), 'busybox');
    assert.equal(code, 0, output);
  }

  /** Name of the program that runs the daemon, as the kernel knows it. */
  daemonProgram(): string {
    return readFileSync(`/proc/${this.#daemon.pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#daemon.exitCode === null && this.#daemon.signalCode === null) {
      const ended = once(this.#daemon, 'exit');
      this.#daemon.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Settles when somebody listens on `path`; rejects when the daemon ends first. */
async function answers(daemon: ChildProcess, path: string): Promise<void> {
  for (;;) {
    if (daemon.exitCode !== null) throw new Error(`ended with ${daemon.exitCode}`);
    if (daemon.signalCode !== null) throw new Error(`ended by ${daemon.signalCode}`);
    if (await connects(path)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
