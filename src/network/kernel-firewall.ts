/**
 * The firewall of one engine in the kernel: the tables that decide what passes
 * and hold containers to their policies, the table of published ports, and
 * looking after both while somebody depends on them.
 *
 * **Invariants**
 * - Only this engine's own tables are written.
 * - Each is what its `whole` says: it can be made anew at any moment, in one
 *   transaction, without a packet seeing half of it.
 * - What must be closed is so without the table of published ports, which is anybody's.
 */

import { EngineError, messageOf } from '../base/error.ts';
import type { Log } from '../base/log.ts';
import type { Mutex } from '../base/mutex.ts';
import { encodeMessage, type Message } from '../kernel/netlink/message.ts';
import { endKeepers, type Keeper } from '../kernel/keeper.ts';
import { decodeElements } from '../kernel/nft/elements.ts';
import * as nft from '../kernel/nft/message.ts';
import { errnoName } from '../kernel/plan/errno.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { EgressGuard } from './egress/guard.ts';
import type { EndpointPort } from './endpoint.ts';
import {
  guardTable,
  planBridge,
  planBridgeRemoval,
  planRelayRemoval,
  planRelays,
  RULE_COUNT,
  type GuardedBridge,
} from './firewall.ts';
import { planOpen, planOpenRemoval } from './gateway-mode.ts';
import { GuardTable } from './guard-table.ts';
import { firewall, SLOT } from './plan/ops.ts';
import {
  planPortRemoval,
  planPorts,
  portKey,
  PUBLISH_RULE_COUNT,
  PUBLISH_SETS,
  publishTable,
} from './publish.ts';
import { planAnew, type WholeTable } from './whole-table.ts';

const ENOENT = 2;
/** Milliseconds between two looks at the tables. */
const WATCH_MS = 500;
/** Bytes of all rules of a table, or of all elements of a set, as the kernel tells them. */
const ANSWER_MAX = 4_194_304;
const HEAD_BYTES = 8;

/** What it works with. */
export interface KernelFirewallOptions {
  /** 32 hex digits; part of the tables' names. */
  readonly engineId: string;
  readonly log: Log;
  /** A host plan; what it answers. Errors: `EngineError` with the kernel's in `details.errno`. */
  readonly apply: (plan: readonly PlanOp[], failure: string) => Promise<Uint8Array>;
  /** A process whose socket owns tables, and stays when the daemon was killed. */
  readonly openKeeper: (name: string) => Keeper;
  /** Held while tables are made anew. */
  readonly lock: Mutex;
  /** Whom it guards now. */
  readonly bridges: () => readonly GuardedBridge[];
  /** What is published now. */
  readonly ports: () => readonly EndpointPort[];
  /** What is looked after at the same times; it takes the lock itself. */
  readonly beside: () => Promise<void>;
}

/** See the module. */
export class KernelFirewall {
  readonly #options: KernelFirewallOptions;
  readonly #guardAt: nft.TableName;
  readonly #publishAt: nft.TableName;
  readonly #guard: GuardTable;
  readonly egress: EgressGuard;
  /** There is an internal network, or was one: relays are kept from it. */
  #hasRelays = false;
  #isPublishing = false;
  /** Ports that were published by making their table again: perhaps after who ended had taken them back. */
  readonly #remade = new WeakSet<EndpointPort>();
  /** Of the last look; empty: none. */
  #failure = '';
  #watch: ReturnType<typeof setInterval> | undefined;

  constructor(options: KernelFirewallOptions) {
    const { engineId, log, openKeeper } = options;
    this.#options = options;
    // An earlier version had all in the second one; monitors that it started take ports back there.
    const table = `carve-${engineId.slice(0, 12)}`;
    this.#guardAt = { family: 'inet', table: `${table}-guard` };
    this.#publishAt = { family: 'inet', table };
    this.#guard = new GuardTable({
      log,
      openKeeper: () => openKeeper(table),
      endFormer: (own) => endKeepers(table, own),
      whole: () => this.#whole(),
    });
    this.egress = new EgressGuard({
      at: this.#guardAt,
      flags: () => this.#guard.flags,
      log,
      change: async (messages, failure) => this.#guard.change(messages, failure),
      undo: async (messages, failure) => this.#guard.undo(messages, failure),
      query: async (message, failure) => this.query(message, failure),
      nowMs: Date.now,
    });
  }

  /** Guard one more bridge, which is among those it is to guard. Precondition: the lock is held. */
  async addBridge(bridge: GuardedBridge, failure: string): Promise<void> {
    if (!this.#guard.isThere) {
      await this.rebuild();
      return;
    }
    const at = this.#guardAt;
    if (bridge.isInternal) this.#hasRelays = true;
    const relays = bridge.isInternal ? planRelays(at, this.#options.ports()) : [];
    await this.#guard.change([...planBridge(at, bridge), ...relays], failure);
  }

  /** Guard one less. Precondition: the lock is held. */
  async removeBridge(bridge: GuardedBridge, failure: string): Promise<void> {
    if (!this.#guard.isThere) return;
    await this.#guard.undo(planBridgeRemoval(this.#guardAt, bridge), failure);
  }

  /**
   * Before a container has links: hold it to its policies, keep its relays from internal networks,
   * let in what is reached at its own address.
   * Precondition: {@link EgressGuard.begin} or `join` told of it. Costs nothing where there is nothing to hold.
   */
  async hold(containerId: string, ports: readonly EndpointPort[]): Promise<void> {
    const messages = [...this.egress.planHold(containerId), ...this.#planWays(ports)];
    if (messages.length === 0) await this.keep();
    else await this.#guard.change(messages, 'Cannot hold the container to its networks');
  }

  /** Whether addresses and ports may be given to others only when {@link letGo} resolved. */
  holds(containerId: string, ports: readonly EndpointPort[]): boolean {
    return this.egress.isGuarded(containerId) || this.#planWays(ports).length > 0;
  }

  /** Nobody is reached by these ports any more. */
  async letGo(ports: readonly EndpointPort[]): Promise<void> {
    const at = this.#guardAt;
    const relays = this.#hasRelays ? planRelayRemoval(at, ports) : [];
    const gone = [...relays, ...planOpenRemoval(at, ports)];
    await this.#guard.undo(gone, 'Cannot take back the ways to a container');
  }

  /** Take the tables over if the process whose they were died. */
  async keep(): Promise<void> {
    if (this.#guard.isThere && !this.#guard.isKept) await this.#guard.rebuild();
  }

  /** Make all of it. Precondition: the lock is held. */
  async rebuild(): Promise<void> {
    await this.#guard.rebuild();
    // Nobody is sure that it is there, and a kernel without its family could not be asked to make it.
    if (this.egress.wholeHalf() === undefined) await this.#guard.remove(this.egress.expected().at);
    if (!this.#isPublishing) {
      const old: nft.TableName = { ...this.#publishAt, family: 'bridge' };
      await this.#apply([nft.deleteTable(old)], ENOENT);
    }
    await this.#rebuildPublish();
  }

  /** Delete all of it. Precondition: the lock is held. */
  async remove(): Promise<void> {
    this.#isPublishing = false;
    await this.#guard.removeAll([this.#guardAt, this.egress.expected().at]);
    await this.#apply([nft.deleteTable(this.#publishAt)], ENOENT);
  }

  /**
   * What an earlier engine left: published ports that nobody has are counted in the log; `isNeeded`:
   * what follows makes all anew, else all of it is removed. Precondition: the lock is held.
   */
  async sweep(isNeeded: boolean): Promise<void> {
    const stray = await this.#countStray();
    if (!isNeeded) {
      const counts = await this.#countRules(this.#guardAt, this.#publishAt);
      if (counts.some((count) => count > 0)) await this.remove();
      else await this.#guard.dismiss();
    }
    if (stray > 0)
      this.#options.log.info('took back published ports of an earlier engine', { count: stray });
  }

  /** Ports that lead somewhere and are published for nobody. Count. */
  async #countStray(): Promise<number> {
    const at = this.#publishAt;
    const answers = [];
    for (const set of PUBLISH_SETS)
      answers.push(await this.query(nft.listElements(at, set), 'Cannot list ports'));
    const known = new Set(this.#options.ports().map((port) => hex(portKey(port))));
    return answers.flatMap(decodeElements).filter(({ key }) => !known.has(hex(key))).length;
  }

  /** No change from now on. `stays`: containers depend on it, which nobody else is to change. Idempotent. */
  async close(stays: boolean): Promise<void> {
    this.unwatch();
    await this.#guard.close(stays);
  }

  /** Make the table of published ports again if somebody took it away. */
  async mend(): Promise<void> {
    await this.#options.lock.run(async () => {
      const [count] = await this.#countRules(this.#publishAt);
      await this.#mendPublish(count);
    });
  }

  /** Publish ports, in the network namespace of the host. The kernel answers EEXIST when one is published for somebody else. */
  publish(ports: readonly EndpointPort[]): readonly PlanOp[] {
    return firewall(planPorts(this.#publishAt, ports));
  }

  /** All of one endpoint: one that is gone already takes the others with it. */
  unpublish(ports: readonly EndpointPort[]): readonly PlanOp[] {
    return firewall(planPortRemoval(this.#publishAt, ports), ENOENT);
  }

  /** Whether any of these may be published still after their container took them back. */
  wasRemade(ports: readonly EndpointPort[]): boolean {
    return ports.some((port) => this.#remade.has(port));
  }

  /** Look after it from now on. Idempotent. */
  watch(): void {
    if (this.#watch !== undefined) return;
    this.#watch = setInterval(() => {
      this.#look().then(
        () => {
          this.#failure = '';
        },
        (error: unknown) => {
          const failure = messageOf(error);
          const isNew = failure !== this.#failure;
          if (isNew) this.#options.log.warn('cannot look after the firewall', { error: failure });
          this.#failure = failure;
        },
      );
    }, WATCH_MS);
    this.#watch.unref();
  }

  /** Idempotent. */
  unwatch(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  /** `u32 errno, u32 length`, and what answers. */
  async ask(message: Message, failure: string): Promise<Uint8Array> {
    return this.#options.apply(planQueries([message]), failure);
  }

  /** The messages that answer a request; none about what is not there. Errors: `internal` for an answer that is not whole. */
  async query(message: Message, failure: string): Promise<Uint8Array> {
    const answer = await this.ask(message, failure);
    const errno = new DataView(answer.buffer, answer.byteOffset, HEAD_BYTES).getUint32(0, true);
    if (errno !== 0 && errno !== ENOENT)
      throw new EngineError('internal', `${failure}: ${errnoName(errno)}`);
    return answer.subarray(HEAD_BYTES);
  }

  /** Where it is, as names and values. */
  describe(): readonly (readonly [name: string, value: string])[] {
    return [['tables', `inet ${this.#guardAt.table}, inet ${this.#publishAt.table}`]];
  }

  /** Somebody else may have deleted tables, or their rules. */
  async #look(): Promise<void> {
    const { beside, lock, log } = this.#options;
    if (lock.isHeld || !this.#guard.isThere) return;
    await beside();
    await lock.run(async () => {
      // It may be closed by now.
      if (!this.#guard.isThere) return;
      const half = this.egress.expected();
      const [guard, publish, origin] = await this.#countRules(
        this.#guardAt,
        this.#publishAt,
        half.at,
      );
      const isWhole = guard === RULE_COUNT && (half.ruleCount === 0 || origin === half.ruleCount);
      if (!isWhole || !this.#guard.isKept) {
        await this.#guard.rebuild();
        const what = isWhole
          ? 'had lost its owner; taken over'
          : 'was changed from outside; made again';
        log.warn(`the firewall of the networks ${what}`, { table: this.#guardAt.table });
      }
      await this.#mendPublish(publish);
    });
  }

  /** `count`: rules that the table of published ports has. */
  async #mendPublish(count: number | undefined): Promise<void> {
    if (!this.#guard.isThere || count === PUBLISH_RULE_COUNT) return;
    await this.#rebuildPublish();
    const { table } = this.#publishAt;
    this.#options.log.warn('the published ports were changed from outside; made again', { table });
  }

  async #countRules(...tables: readonly nft.TableName[]): Promise<readonly number[]> {
    const answers = await this.#options.apply(
      planQueries(tables.map(nft.listRules)),
      'Cannot look at the firewall',
    );
    const view = new DataView(answers.buffer, answers.byteOffset, answers.byteLength);
    const counts = [];
    for (let at = 0; at + HEAD_BYTES <= answers.length; ) {
      const end = at + HEAD_BYTES + view.getUint32(at + 4, true);
      counts.push(nft.countMessages(answers.subarray(at + HEAD_BYTES, end), 'newRule'));
      at = end;
    }
    return counts;
  }

  async #rebuildPublish(): Promise<void> {
    const at = this.#publishAt;
    const ports = this.#options.ports();
    for (const port of ports) this.#remade.add(port);
    const table = publishTable(at, planPorts(at, ports));
    await this.#apply(planAnew(table, 0));
    this.#isPublishing = true;
  }

  async #whole(): Promise<readonly WholeTable[]> {
    const { bridges, ports } = this.#options;
    await this.egress.load();
    const at = this.#guardAt;
    const guarded = bridges();
    if (guarded.some(({ isInternal }) => isInternal)) this.#hasRelays = true;
    const elements = [
      ...guarded.flatMap((bridge) => planBridge(at, bridge)),
      ...this.#planWays(ports()),
      ...this.egress.planAll(),
    ];
    const half = this.egress.wholeHalf();
    return [guardTable(at, elements), ...(half === undefined ? [] : [half])];
  }

  /** Elements of ports in the table that decides. */
  #planWays(ports: readonly EndpointPort[]): readonly Message[] {
    const at = this.#guardAt;
    return [...(this.#hasRelays ? planRelays(at, ports) : []), ...planOpen(at, ports)];
  }

  async #apply(messages: readonly Message[], ignore = 0): Promise<void> {
    const failure = 'Cannot make the firewall of the networks';
    await this.#options.apply(firewall(messages, ignore), failure);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function planQueries(messages: readonly Message[]): readonly PlanOp[] {
  const slot = SLOT.firewall;
  return [
    { op: 'netlink-open', slot, protocol: nft.NETLINK_NETFILTER },
    ...messages.map((message, index): PlanOp => {
      const bytes = encodeMessage(message, index + 1);
      return { op: 'netlink-query', slot, message: bytes, maxBytes: ANSWER_MAX };
    }),
  ];
}
