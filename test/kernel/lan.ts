/**
 * A second host for the tests of networks: a network namespace on a veth pair,
 * with routes to whatever the first host has. Both are namespaces of the test run.
 */

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Addresses of the pair. */
export const HOST_ADDRESS = '192.0.2.1';
export const LAN_ADDRESS = '192.0.2.2';
export const HOST_ADDRESS6 = '2001:db8::1';

/** Output of a command on the first host. Errors: when it fails. */
export function onHost(script: string): string {
  return execFileSync('sh', ['-ec', script], { encoding: 'utf8' });
}

/** The other host. */
export class Lan {
  readonly #holder: ReturnType<typeof spawn>;
  readonly #onHost: (script: string) => string;
  /** Process ids. */
  readonly #served: string[] = [];

  private constructor(holder: ReturnType<typeof spawn>, host: (script: string) => string) {
    this.#holder = holder;
    this.#onHost = host;
  }

  /** Makes it. `routed`: destinations that it sends to the first host. */
  static async open(...routed: readonly string[]): Promise<Lan> {
    return Lan.beside(onHost, ...routed);
  }

  /** Makes it beside another first host, on which `host` runs a command. */
  static async beside(
    host: (script: string) => string,
    ...routed: readonly string[]
  ): Promise<Lan> {
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lan = new Lan(holder, host);
    await once(holder.stdout, 'data');
    host(`
      ip link add carvelan0 type veth peer name eth0 netns ${holder.pid}
      ip addr add ${HOST_ADDRESS}/24 dev carvelan0
      ip -6 addr add ${HOST_ADDRESS6}/64 dev carvelan0 nodad
      ip link set carvelan0 up
    `);
    const routes = routed.map((to) => `ip route add ${to} via ${HOST_ADDRESS}`).join('\n');
    lan.run(`
      ip link set lo up
      ip addr add ${LAN_ADDRESS}/24 dev eth0
      ip -6 addr add 2001:db8::2/64 dev eth0 nodad
      ip link set eth0 up
      ip -6 route add default via ${HOST_ADDRESS6}
      ${routes}
    `);
    return lan;
  }

  /** Output of a command on it. Errors: when it fails. */
  run(script: string): string {
    const [program, ...words] = this.entering();
    return execFileSync(program, [...words, 'sh', '-ec', script], { encoding: 'utf8' });
  }

  /** What stands before a command that runs on it. */
  entering(): readonly [program: string, ...words: string[]] {
    return ['nsenter', '-t', String(this.#holder.pid), '-n'];
  }

  /** A program on it that runs until the host is gone; returns when `isReady`, a command, succeeds. */
  serve(program: string, isReady: string): void {
    const wait = `i=0; until ${isReady}; do i=$((i+1)); [ $i -lt 250 ]; sleep 0.02; done`;
    this.#served.push(this.run(`${program} > /dev/null 2>&1 & echo $!; ${wait}`).trim());
  }

  /** What HTTP says there; empty when nobody answers within a second. */
  get(address: string, port: number): string {
    return this.run(request(address, port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#served.length > 0) onHost(`kill ${this.#served.join(' ')} || true`);
    this.#holder.stdin?.end();
    await once(this.#holder, 'close');
    this.#onHost('ip link del carvelan0 2>/dev/null || true');
  }
}

/** What HTTP says to the first host; empty when nobody answers within a second. */
export function get(address: string, port: number): string {
  return onHost(request(address, port));
}

/** The body of an answer, by bash alone: whatever else a machine has. */
function request(address: string, port: number): string {
  const ask = String.raw`exec 3<>/dev/tcp/${address}/${port} && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3`;
  return `timeout 1 bash -c '${ask}' 2>/dev/null | sed '1,/^\r*$/d' || true`;
}
