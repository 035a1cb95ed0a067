/**
 * Roots that are mounted for the moment, each by an idle process of its own.
 *
 * **Invariant:** the process ends with the hold or with this daemon, whichever
 * comes first; its directories go with the hold, or at the next opening.
 */

import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { HostPath } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { hostPath } from '../base/host-path.ts';
import type { Chisel } from '../kernel/chisel.ts';
import { connectMonitor } from '../kernel/monitor.ts';
import type { Spec } from '../spec/oci/runtime.ts';
import { hidesMounts, identify } from './machine.ts';
import { heldPath, planHold } from './plan/hold.ts';
import type { HeldRoot, HoldRequest } from './runtime.ts';

const SIGKILL = 9;

/** What holds are made with. */
export interface HolderOptions {
  readonly chisel: Pick<Chisel, 'start'>;
  readonly chiselPath: HostPath;
  /** Directory (0700) of the engine that may vanish with the boot. */
  readonly runDir: HostPath;
  /** An empty directory to mount on. */
  readonly stageDir: HostPath;
}

/** Makes holds. */
export class RootHolder {
  readonly #options: HolderOptions;
  #next = 1;
  readonly #releases = new Set<() => Promise<void>>();

  /** What an earlier daemon left is removed: its processes ended with it. */
  constructor(options: HolderOptions) {
    this.#options = options;
    rmSync(this.#directory(), { recursive: true, force: true });
  }

  /** Mount. Errors: as of a start. */
  async hold(request: HoldRequest): Promise<HeldRoot> {
    const directory = hostPath(`${this.#directory()}/${this.#next++}`);
    const runDir = hostPath(`${directory}/run`);
    const stateDir = hostPath(`${directory}/state`);
    for (const each of [runDir, stateDir]) mkdirSync(each, { recursive: true, mode: 0o700 });
    try {
      const { process, below, exited } = await this.#start({ runDir, stateDir }, request);
      let released: Promise<void> | undefined;
      const release = async (): Promise<void> => {
        released ??= endProcess(runDir)
          .then(async () => exited.catch(() => undefined))
          .then(() => {
            rmSync(directory, { recursive: true, force: true });
            this.#releases.delete(release);
          });
        return released;
      };
      this.#releases.add(release);
      return { process, below, release };
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Releases all. */
  async close(): Promise<void> {
    await Promise.all([...this.#releases].map(async (release) => release()));
  }

  async #start(
    directories: { readonly runDir: HostPath; readonly stateDir: HostPath },
    request: HoldRequest,
  ): Promise<Pick<HeldRoot, 'process' | 'below'> & { readonly exited: Promise<unknown> }> {
    const { chisel, chiselPath, stageDir } = this.#options;
    const owner = identify(process.pid);
    if (owner === undefined) throw new EngineError('internal', 'Cannot find this process in /proc');
    const { id, root, isWritable } = request;
    const plan = planHold({
      ...directories,
      root,
      isWritable,
      stageDir,
      chiselPath,
      owner,
      hidesMounts: hidesMounts(readFileSync('/proc/self/mountinfo', 'utf8')),
      spec: withPresentSources(request.spec),
      title: `carve-files ${id.slice(0, 12)}`,
    });
    const failure = `Cannot look into container ${id.slice(0, 12)}`;
    const started = await chisel.start(plan, [], { failure });
    const { pid, startTicks } = started.process;
    return {
      process: { pid, startTicks },
      below: heldPath({ stageDir, isWritable }),
      exited: started.exited,
    };
  }

  #directory(): string {
    return `${this.#options.runDir}/held`;
  }
}

/** Sources that a start makes, or that vanished with the boot, hide nothing yet. */
function withPresentSources(spec: Spec): Spec {
  const mounts = (spec.mounts ?? []).filter(
    ({ source = '', process: owner }) =>
      // What another process sees cannot be looked for here.
      owner !== undefined ||
      !source.startsWith('/') ||
      statSync(source, { throwIfNoEntry: false }) !== undefined,
  );
  return { ...spec, mounts };
}

async function endProcess(runDir: HostPath): Promise<void> {
  try {
    const control = await connectMonitor(runDir);
    await control.signal(SIGKILL).finally(() => control.close());
  } catch {
    // It is gone already.
  }
}
