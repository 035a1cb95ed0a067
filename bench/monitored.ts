/** Processes under monitors of their own, for the benchmarks of the chisel. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Chisel } from '../src/kernel/chisel.ts';
import type { HostStarted } from '../src/kernel/chisel-host.ts';
import type { PlanOp } from '../src/kernel/plan/op.ts';

/** What to run, and how its output is kept. */
export interface MonitoredProcess {
  readonly argv: readonly string[];
  /** As the field of the `monitor` operation; default 1, carve's own segments. */
  readonly logKind?: number;
  /** Count; default 0. */
  readonly expectedClients?: number;
}

/** A started one, with its directories. */
export interface Monitored extends HostStarted {
  readonly runDir: string;
  readonly stateDir: string;
}

/** A chisel with a temporary directory; nothing is left when it is disposed. */
export class MonitoredProcesses implements AsyncDisposable {
  readonly chisel: Chisel;
  readonly dir: string;
  #count = 0;

  private constructor(chisel: Chisel, dir: string) {
    this.chisel = chisel;
    this.dir = dir;
  }

  static async create(): Promise<MonitoredProcesses> {
    const path = process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../build/chisel');
    return new MonitoredProcesses(new Chisel(path), await mkdtemp(join(tmpdir(), 'carve-bench-')));
  }

  async start(wanted: MonitoredProcess): Promise<Monitored> {
    this.#count += 1;
    const runDir = join(this.dir, `run${this.#count}`);
    const stateDir = join(this.dir, `state${this.#count}`);
    await mkdir(runDir);
    await mkdir(stateDir);
    const monitor: PlanOp = {
      op: 'monitor',
      runDir,
      stateDir,
      logKind: wanted.logKind ?? 1,
      logMaxBytes: 20n * 1024n * 1024n,
      logMaxFiles: 1000,
      tty: 0,
      openStdin: 0,
      stdinOnce: 0,
      expectedClients: wanted.expectedClients ?? 0,
      startMs: 30_000,
      oomPath: '',
      title: `carve-monitor bench${this.#count}`,
    };
    const clone: PlanOp = { op: 'clone', flags: 0n, uidMap: '', gidMap: '', denySetgroups: 0 };
    const exec: PlanOp = {
      op: 'exec',
      argv: wanted.argv,
      env: ['PATH=/bin'],
      search: ['/bin'],
      init: 0,
    };
    const plan = [monitor, clone, { op: 'stdio', uid: 0, gid: 0 } as const, exec];
    return { runDir, stateDir, ...(await this.chisel.start(plan, [])) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chisel.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}
