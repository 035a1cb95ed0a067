/**
 * How fast bytes go to a published port and between two containers, against a
 * plain veth pair between two network namespaces: iperf3 at both ends, in short
 * transfers by turns. Nothing of it is on the machine's own links.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../../scripts/child.ts';
import { ROOT } from '../../scripts/tools.ts';
import { type Api, importImage, readField } from '../api.ts';
import { type CarveUnderTest, startCarve } from '../carve.ts';
import { type Bench, type Goal, type Row, type RowResult, scaled } from '../row.ts';
import { interleave, quantile, summarize } from '../stats.ts';

const APART = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'];
const NETWORK = 'throughput';
/** iperf3's own port, published under the same number. */
const PORT = 5201;
/** Addresses of the host: connections to the first are led, packets to the second rewritten. Then those of the plain pair, whose namespaces have no rule and no bridge. */
const LOOPBACK = '127.0.0.1';
const HOST = '192.0.2.1';
const [LEFT, RIGHT] = ['192.0.2.5', '192.0.2.6'];
/** Two namespaces on a bridge in a third, without rules. */
const [EAST, WEST] = ['192.0.2.9', '192.0.2.10'];
/** A plain pair and a plain bridge of the host's, under the rules that the published port is under. */
const [NEAR, BESIDE] = ['192.0.2.13', '192.0.2.14'];
const [GATE, BEHIND] = ['192.0.2.17', '192.0.2.18'];
/** Bytes of one transfer: some 0.5 s. */
const TRANSFER = '700M';
const TRANSFERS = 24;
/**
 * What Linux and its distributions decide a sender's speed by, and what some hosts are set to. The
 * latter paces by what it measured, so that what a packet costs counts twice.
 */
const [CUBIC, BBR] = ['cubic', 'bbr'];
/** The issue's: of what a plain pair carries. */
const ASKED = 0.95;

/** The row. */
export const throughput: Row = {
  name: 'throughput',
  run: async (bench) => {
    if (!(await isInstalled())) return [];
    const program = [...APART, join(ROOT, 'dist', 'carve')];
    const carve = await startCarve(join(bench.work, 'carve-throughput'), program);
    const place = new Place(carve);
    try {
      await importImage(carve.api, join(bench.work, 'rootfs.tar'));
      return await measureAll(bench, place);
    } finally {
      await place.close();
      await carve.stop();
    }
  },
};

async function isInstalled(): Promise<boolean> {
  const { code } = await runChild(['iperf3', '--version']);
  if (code !== 0) console.log('The row throughput needs iperf3 (apt-get install iperf3): left out');
  return code === 0;
}

async function has(control: string): Promise<boolean> {
  const known = await readFile('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8');
  return known.split(/\s+/).includes(control);
}

/** One way from a client to a server. */
interface Way {
  readonly name: string;
  /** Process whose network namespace the client is in. */
  readonly from: number;
  /** Address that it asks, port {@link PORT}. */
  readonly to: string;
}

async function measureAll(bench: Bench, place: Place): Promise<readonly RowResult[]> {
  const host = place.hostPid;
  await run(inside(host, ['ip', 'addr', 'add', `${HOST}/32`, 'dev', 'lo']));
  const [left, right] = [await place.namespace(), await place.namespace()];
  await place.join([left, LEFT], [right, RIGHT]);
  const [bridge, east, west] = [
    await place.namespace(),
    await place.namespace(),
    await place.namespace(),
  ];
  await place.bridge(bridge, [east, EAST], [west, WEST]);
  const [server, client] = [await place.container(true), await place.container(false)];
  const [beside, behind] = [await place.namespace(), await place.namespace()];
  await place.join([host, NEAR], [beside, BESIDE]);
  await place.bridge(host, [behind, BEHIND]);
  await run(inside(host, ['ip', 'addr', 'add', `${GATE}/30`, 'dev', 'br0']));
  for (const pid of [right, west, server.pid, beside, behind]) await place.serve(pid);
  const plain: Way = { name: 'plain veth pair', from: left, to: RIGHT };
  const toPublished = {
    title: 'host to a published port',
    ways: [
      { name: 'carve', from: host, to: LOOPBACK },
      plain,
      { name: 'veth, same rules', from: host, to: BESIDE },
      { name: 'by another address', from: host, to: HOST },
      { name: 'its own address', from: host, to: server.address },
      { name: 'bridge, same rules', from: host, to: BEHIND },
    ],
    goals: [{ against: plain.name, ratio: ASKED }],
  };
  const published = await compare(bench, { ...toPublished, control: CUBIC });
  const few = toPublished.ways.slice(0, 3);
  const paced = (await has(BBR))
    ? await compare(bench, { ...toPublished, ways: few, control: BBR })
    : [];
  const between = await compare(bench, {
    control: CUBIC,
    title: 'container to container on one network',
    ways: [
      { name: 'carve', from: client.pid, to: server.address },
      { name: 'plain bridge', from: east, to: WEST },
      plain,
    ],
    goals: [],
  });
  return [...published, ...paced, ...between];
}

/** What one transfer took. */
interface Transfer {
  /** 10⁹ bits a second. */
  readonly gbits: number;
  /** Milliseconds of processor time of both ends for each 10⁹ bytes. */
  readonly cpuMs: number;
}

/** Ways to compare, carve's first; what it is measured against comes second. */
interface Comparison {
  readonly title: string;
  /** Congestion control of the senders. */
  readonly control: string;
  readonly ways: readonly Way[];
  readonly goals: readonly Goal[];
}

async function compare(
  bench: Bench,
  { title, control, ways, goals }: Comparison,
): Promise<readonly RowResult[]> {
  const costs = new Map<string, number[]>(ways.map(({ name }) => [name, []]));
  const repetition = scaled(bench, TRANSFERS);
  const speeds = await interleave(
    ways.map((way) => ({
      name: way.name,
      once: async () => {
        const { gbits, cpuMs } = await transfer(way, control);
        costs.get(way.name)?.push(cpuMs);
        return gbits;
      },
    })),
    repetition,
  );
  const [ours = [], theirs = []] = [...speeds.values()];
  const ratios = ours.map((speed, round) => speed / (theirs[round] ?? Number.NaN));
  return [
    {
      title: `Throughput, ${title}, ${control} (of ${ways[1]?.name} ${spread(ratios)})`,
      unit: 'Gbit/s',
      isMoreBetter: true,
      figures: [...speeds].map(([name, values]) => ({ name, summary: summarize(values) })),
      goals,
    },
    {
      title: `Processor time of a gigabyte, ${title}, ${control}`,
      unit: 'ms',
      isMoreBetter: false,
      figures: [...costs].map(([name, values]) => {
        return { name, summary: summarize(values.slice(repetition.warmups)) };
      }),
      goals: [],
    },
  ];
}

/** The ratios of the pairs: what a median of both sides alone would hide. */
function spread(ratios: readonly number[]): string {
  const sorted = [...ratios].sort((a, b) => a - b);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(sorted, part).toFixed(2));
  return `by pairs ${middle}, half of them ${low} to ${high}`;
}

/** One transfer; on a machine with two processors or more each end has one of its own. */
async function transfer({ from, to }: Way, control: string): Promise<Transfer> {
  const affinity = cpus().length > 1 ? ['-A', '0,1'] : [];
  const argv = iperf3('-J', '-c', to, '-n', TRANSFER, '-C', control, ...affinity);
  const { code, output, stdout } = await runChild(inside(from, argv), { timeoutMs: 30_000 });
  if (code !== 0) throw new Error(`iperf3 to ${to} ended with ${code}: ${output.slice(-500)}`);
  const { bits_per_second: bits = 0, bytes = 0, seconds = 0 } = numbersOf(stdout, 'sum_received');
  const { host_total: client = 0, remote_total: server = 0 } = numbersOf(
    stdout,
    'cpu_utilization_percent',
  );
  if (!(bits > 0 && bytes > 0)) throw new Error(`iperf3 to ${to} moved nothing: ${stdout}`);
  const cpuMs = ((client + server) / 100) * seconds * 1000;
  return { gbits: bits / 1e9, cpuMs: (cpuMs * 1e9) / bytes };
}

/** The numbers of one flat object of iperf3's report. */
function numbersOf(report: string, name: string): Readonly<Record<string, number>> {
  const text = new RegExp(`"${name}":\\s*({[^{}]*})`).exec(report)?.[1] ?? '{}';
  const pairs = [...text.matchAll(/"(\w+)":\s*(-?[\d.]+(?:e[+-]?\d+)?)/g)];
  return Object.fromEntries(pairs.map(([, key = '', value]) => [key, Number(value)]));
}

function inside(pid: number, argv: readonly string[]): readonly string[] {
  return ['nsenter', '-t', String(pid), '-n', ...argv];
}

/** iperf3 before all else that the machine has to do. */
function iperf3(...argv: readonly string[]): readonly string[] {
  return ['nice', '-n', '-20', 'iperf3', '-p', String(PORT), ...argv];
}

/** A process whose network namespace it is, and the address there. */
type End = readonly [pid: number, address: string];

/** The namespaces, pairs, containers and servers of the row; all end with it. */
class Place {
  readonly hostPid: number;
  readonly #api: Api;
  readonly #children: ChildProcess[] = [];
  readonly #containers: string[] = [];

  constructor({ api, pid }: CarveUnderTest) {
    this.#api = api;
    this.hostPid = pid;
  }

  /** A network namespace; answers with the process that holds it. */
  async namespace(): Promise<number> {
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(holder);
    await once(holder.stdout, 'data');
    return holder.pid ?? 0;
  }

  /** A veth pair between two namespaces. */
  async join([near, nearIp]: End, [far, farIp]: End): Promise<void> {
    const script = `
      ip link add plain0 type veth peer name plain1 netns ${far}
      ip addr add ${nearIp}/30 dev plain0
      ip link set plain0 up`;
    await run(inside(near, ['sh', '-ec', script]));
    await this.#address(far, farIp);
  }

  /** A bridge in `pid`, with one end of a veth pair in each of the namespaces. */
  async bridge(pid: number, ...ends: readonly End[]): Promise<void> {
    await run(inside(pid, ['sh', '-ec', 'ip link add br0 type bridge; ip link set br0 up']));
    for (const [index, [far, address]] of ends.entries()) {
      const port = `port${index}`;
      const script = `
        ip link add ${port} type veth peer name plain1 netns ${far}
        ip link set ${port} master br0
        ip link set ${port} up`;
      await run(inside(pid, ['sh', '-ec', script]));
      await this.#address(far, address);
    }
  }

  async #address(pid: number, address: string): Promise<void> {
    const script = `ip addr add ${address}/30 dev plain1; ip link set plain1 up`;
    await run(inside(pid, ['sh', '-ec', script]));
  }

  /** A container on a network of the user's, with iperf3's port published or not. */
  async container(
    isPublished: boolean,
  ): Promise<{ readonly pid: number; readonly address: string }> {
    if (this.#containers.length === 0)
      await this.#api.call('POST', '/networks/create', { Name: NETWORK });
    const bindings = { [`${PORT}/tcp`]: [{ HostPort: String(PORT) }] };
    const { body } = await this.#api.call('POST', '/containers/create', {
      Image: 'bench-busybox',
      Cmd: ['sleep', '100000'],
      HostConfig: { NetworkMode: NETWORK, ...(isPublished ? { PortBindings: bindings } : {}) },
    });
    const id = readField(body, 'Id');
    this.#containers.push(id);
    await this.#api.call('POST', `/containers/${id}/start`);
    const shown = (await this.#api.call('GET', `/containers/${id}/json`)).body.toString();
    const pid = Number(/"Pid":\s*(\d+)/.exec(shown)?.[1]);
    const address = /"IPAddress":\s*"([\d.]+)"/.exec(shown)?.[1];
    if (!(pid > 0) || address === undefined) throw new Error(`no address in ${shown}`);
    return { pid, address };
  }

  /** iperf3 as a server there; resolves when it listens. */
  async serve(pid: number): Promise<void> {
    const argv = inside(pid, iperf3('-s', '--forceflush'));
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#children.push(child);
    const ended = once(child, 'exit').then(() => {
      throw new Error('iperf3 cannot serve');
    });
    await Promise.race([once(child.stdout, 'data'), ended]);
    child.stdout.resume();
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if ((child.exitCode ?? child.signalCode) !== null) continue;
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
    for (const id of this.#containers) await this.#api.call('DELETE', `/containers/${id}?force=1`);
  }
}

async function run(argv: readonly string[]): Promise<void> {
  const { code, output } = await runChild(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${output.trim()}`);
}
