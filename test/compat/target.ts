/** What the compatibility tests run clients against, and how they run them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const machine =
  process.arch === 'arm64' ? { bun: 'aarch64', node: 'arm64' } : { bun: 'x64', node: 'x64' };

/** The two runtimes that can carry the server. */
export const runtimes = {
  bun: join(root, `node_modules/@oven/bun-linux-${machine.bun}/bin/bun`),
  node: join(root, `node_modules/node-linux-${machine.node}/bin/node`),
} as const;

/** Milliseconds a client program may take. */
const clientTimeoutMs = 90_000;

/** What a program did. */
export interface Outcome {
  /** Exit code; 124 when it took too long. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Folder it runs in. */
  readonly cwd?: string;
}

/** Runs a program to its end. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, {
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    stdio: 'pipe',
  });
  const out: Buffer[] = [];
  const error: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => error.push(bytes));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), clientTimeoutMs);
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 124));
  });
  clearTimeout(timer);
  return {
    code,
    stdout: Buffer.concat(out).toString('latin1'),
    stderr: Buffer.concat(error).toString('latin1'),
  };
}

/** Programs that serve: over processes of the host, or over a real engine without or with its stores of images (root only). */
export type ServerProgram = 'serve-processes.ts' | 'serve-engine.ts' | 'serve-whole.ts';

/** A server under one of the runtimes, in a process of its own. */
export class Target {
  readonly directory: string;
  readonly socket: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, socket: string, child: ChildProcess) {
    this.directory = directory;
    this.socket = socket;
    this.#child = child;
  }

  static async start(
    runtime: keyof typeof runtimes,
    name: ServerProgram = 'serve-processes.ts',
    env: Readonly<Record<string, string>> = {},
  ): Promise<Target> {
    const directory = mkdtempSync(join(tmpdir(), 'carve-compat-'));
    const socket = join(directory, 's');
    const program = fileURLToPath(new URL(name, import.meta.url));
    const child = spawn(runtimes[runtime], [program, socket], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`The server ended with ${code}`)));
    });
    return new Target(directory, socket, child);
  }

  /** Environment that leads Docker's clients here and nowhere else. */
  get env(): Readonly<Record<string, string>> {
    return {
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: this.directory,
      HOME: this.directory,
    };
  }

  /** The real docker CLI. */
  docker(args: readonly string[], input?: string | Uint8Array): Promise<Outcome> {
    return run([dockerPath(), ...args], {
      env: this.env,
      ...(input === undefined ? {} : { input }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    await exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Where the docker CLI is. */
export function dockerPath(): string {
  const found = ['/usr/local/bin/docker', '/usr/bin/docker'].find((path) => existsSync(path));
  if (found === undefined) throw new Error('No docker CLI: apt-get install docker-cli');
  return found;
}
