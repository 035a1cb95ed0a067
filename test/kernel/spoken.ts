/** Containers that answer on port 80 of TCP and UDP with the address they see; see talker.ts. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { HostConfig } from '../../src/spec/docker/container.ts';
import type { EngineFixture } from './engine-fixture.ts';

const TALKER = join(import.meta.dirname, 'talker.ts');

/** One of them; it is on the default bridge unless it is said otherwise. */
export class Spoken {
  readonly id: string;
  readonly pid: number;
  readonly #talker: ChildProcess;

  private constructor(id: string, pid: number, talker: ChildProcess) {
    this.id = id;
    this.pid = pid;
    this.#talker = talker;
  }

  static async start(
    fixture: EngineFixture,
    name: string,
    hostConfig: HostConfig,
  ): Promise<Spoken> {
    const { containers } = fixture.engine;
    const config = { Cmd: ['sleep', '1000'], Hostname: name };
    const id = await fixture.create(config, { NetworkMode: 'bridge', ...hostConfig }, name);
    await containers.start(id);
    const { State } = await containers.inspect(id);
    const words = ['-t', String(State.Pid), '-n', process.execPath, TALKER, '80'];
    const talker = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(talker.stdout, 'data');
    return new Spoken(id, State.Pid, talker);
  }

  /** Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#talker.exitCode !== null || this.#talker.signalCode !== null) return;
    const isOver = once(this.#talker, 'exit');
    this.#talker.kill('SIGKILL');
    await isOver;
  }
}
