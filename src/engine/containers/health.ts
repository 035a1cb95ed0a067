/**
 * Health probes: one exec at a time, on the monotonic clock, its output kept
 * to 4 KiB.
 *
 * Source: Engine API `HealthConfig`, `Health`; engine-api facts 5.2.
 */

import type { Duplex } from 'node:stream';
import type { Timer } from '../../base/clock.ts';
import { within } from '../../base/clock.ts';
import { isEngineError, messageOf } from '../../base/error.ts';
import type { Health, HealthcheckResult, HealthStatus } from '../../spec/docker/inspect.ts';
import { decodeStreamFrames } from '../../spec/stream-frame.ts';
import { formatTimeNs } from '../../spec/time.ts';
import { execRequest } from '../execs/run-exec.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import type { Container, HealthMonitor, LiveProcess } from './container.ts';
import type { HealthCounters, Verdict } from './health-verdict.ts';
import { judgeProbe } from './health-verdict.ts';
import type { Probe } from './probe.ts';
import { probeOf } from './probe.ts';

/** Runs kept for `inspect`. */
const LOG_LENGTH = 5;
/** Bytes of output kept of one run. */
const OUTPUT_MAX_BYTES = 4096;
const SIGKILL = 9;

/** Probe `container` from now until its process is gone. Does nothing without a probe. */
export function startHealth(parts: EngineParts, container: Container): void {
  const probe = probeOf(container.record.config);
  if (probe === undefined || container.live === undefined) return;
  container.health = new ProbeLoop(parts, container, { probe, live: container.live });
}

/** The probes of one run of a container. */
class ProbeLoop implements HealthMonitor {
  readonly #parts: EngineParts;
  readonly #container: Container;
  readonly #probe: Probe;
  readonly #live: LiveProcess;
  readonly #beganMs: number;
  #log: HealthcheckResult[] = [];
  #counters: HealthCounters = { status: 'starting', failingStreak: 0 };
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(
    parts: EngineParts,
    container: Container,
    options: { readonly probe: Probe; readonly live: LiveProcess },
  ) {
    this.#parts = parts;
    this.#container = container;
    this.#probe = options.probe;
    this.#live = options.live;
    this.#beganMs = parts.clock.monotonicMs();
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  describe(): Health {
    return {
      Status: this.#container.state.health,
      FailingStreak: this.#counters.failingStreak,
      Log: [...this.#log],
    };
  }

  #isInStartPeriod(): boolean {
    return this.#parts.clock.monotonicMs() - this.#beganMs < this.#probe.startPeriodMs;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const isStarting = this.#isInStartPeriod() && this.#counters.status === 'starting';
    const delayMs = isStarting ? this.#probe.startIntervalMs : this.#probe.intervalMs;
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#runOnce()
        .catch((error: unknown) => {
          this.#parts.log.warn('health probe failed', {
            id: this.#container.id,
            error: messageOf(error),
          });
        })
        .finally(() => this.#schedule());
    });
  }

  async #runOnce(): Promise<void> {
    if (this.#container.state.phase === 'paused') return;
    const startNs = this.#parts.clock.nowNs();
    const { exitCode, output } = await this.#execute();
    if (this.#isStopped) return;
    const result: HealthcheckResult = {
      Start: formatTimeNs(startNs),
      End: formatTimeNs(this.#parts.clock.nowNs()),
      ExitCode: exitCode,
      Output: output,
    };
    this.#log = [...this.#log, result].slice(-LOG_LENGTH);
    this.#apply(
      judgeProbe(this.#counters, {
        exitCode,
        retries: this.#probe.retries,
        isInStartPeriod: this.#isInStartPeriod(),
      }),
    );
  }

  #apply(verdict: Verdict): void {
    this.#counters = verdict.counters;
    if (verdict.changedTo === undefined) return;
    const health: HealthStatus = verdict.changedTo;
    this.#container.save({ ...this.#container.state, health });
    announce(this.#parts, this.#container, `health_status: ${health}`);
  }

  /** Run the probe. A failure to run it is exit code -1 with the reason. */
  async #execute(): Promise<{ readonly exitCode: number; readonly output: string }> {
    try {
      return await this.#exec();
    } catch (error) {
      if (!isEngineError(error)) throw error;
      return { exitCode: -1, output: error.message };
    }
  }

  async #exec(): Promise<{ readonly exitCode: number; readonly output: string }> {
    const container = this.#container;
    const number = container.nextExecNumber;
    container.nextExecNumber += 1;
    const { argv, timeoutMs } = this.#probe;
    const execID = this.#parts.randomHex();
    const tell = (action: string, extra: Readonly<Record<string, string>> = {}): void =>
      announce(this.#parts, container, action, { execID, ...extra });
    tell(`exec_create: ${argv.join(' ')}`);
    const where = { container, live: this.#live };
    const request = await execRequest(this.#parts, where, {
      number,
      config: {},
      argv,
      isAttached: true,
    });
    const running = await this.#live.runtime.exec(request);
    tell(`exec_start: ${argv.join(' ')}`);
    const stream = await this.#live.runtime.attach({
      execNumber: number,
      stdin: false,
      stdout: true,
      stderr: true,
      logs: false,
      lossless: false,
    });
    stream.on('error', () => undefined);
    const output = collect(stream);
    const record = await within(this.#parts.clock, timeoutMs, running.exited);
    if (record === undefined) {
      await this.#live.runtime.signal(SIGKILL, { execNumber: number }).catch(() => undefined);
      stream.destroy();
      tell('exec_die', { exitCode: '137' });
      return {
        exitCode: -1,
        output: `Health check exceeded timeout (${formatSeconds(timeoutMs)})`,
      };
    }
    tell('exec_die', { exitCode: String(record.code) });
    return { exitCode: record.code, output: await output };
  }
}

/** Text of both streams; cut after 4 KiB with `...`. */
async function collect(stream: Duplex): Promise<string> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const { payload } of decodeStreamFrames(stream)) {
      // Read on when full: the probe must not block on its output.
      if (bytes <= OUTPUT_MAX_BYTES) kept.push(payload);
      bytes += payload.length;
    }
  } catch {
    // Cut off with its process: what came is kept.
  }
  const text = Buffer.concat(kept).subarray(0, OUTPUT_MAX_BYTES).toString('utf8');
  return bytes > OUTPUT_MAX_BYTES ? `${text}...` : text;
}

function formatSeconds(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
