/**
 * A container's message → the answer's bytes: from the directory, or from
 * servers that are asked in its place.
 *
 * **Invariants**
 * - Every message is answered, or known to have no answer, within five seconds.
 * - For a container without a network that leads outside no server is asked but
 *   one on a network of its own (row N9).
 * - Addresses are told to the hook before they are told to the container; when
 *   the hook fails they are not told.
 */

import { contains, tryParseAddress } from '../../spec/cidr.ts';
import { answerQuestion, OWN_TTL_SECONDS, type Verdict } from './answer.ts';
import type { ClientSettings, NameDirectory } from './directory.ts';
import { FairShare, type ShareLimits } from './fair-share.ts';
import type { Forwarder } from './forward.ts';
import { lowerName } from './name.ts';
import { decodeQuery, type Query, RCODE } from './query.ts';
import { type AnsweredAddress, encodeAnswer, fitReply, type Reply } from './response.ts';
import { ownUpstreams, type Upstream } from './upstream.ts';

/** What else is asked, or told, about names. */
export interface NameHooks {
  /**
   * Awaited before addresses are given to the container: the egress policy
   * opens the way to them. `name` as asked, lower case. Also for names of the
   * asker's networks. A rejection, or two seconds of silence, is SERVFAIL.
   */
  readonly onAnswer?: (
    containerId: string,
    name: string,
    addresses: readonly AnsweredAddress[],
  ) => Promise<void>;
  /** May the container ask others for this name (lower case)? False is REFUSED. Names of its networks are not asked about. */
  readonly mayResolve?: (containerId: string, name: string) => boolean;
}

/** What names are resolved with. */
export interface ResolverParts {
  readonly directory: NameDirectory;
  readonly forwarder: Forwarder;
  /** The host's servers now. */
  readonly hostUpstreams: () => readonly Upstream[];
  readonly hooks?: NameHooks;
  /** Questions to others at once; default {@link FORWARD_LIMITS}. */
  readonly limits?: ShareLimits;
  /** Where a container's own servers are; default: those addresses, port 53. */
  readonly ownUpstreams?: (addresses: readonly string[]) => readonly Upstream[];
}

/** One message. */
export interface Request {
  readonly containerId: string;
  readonly message: Uint8Array;
  readonly isTcp: boolean;
}

/** Questions to other servers at once, of all containers and of each. */
export const FORWARD_LIMITS: ShareLimits = { totalCount: 1024, eachCount: 256 };
const HOOK_MS = 2000;

interface Asking {
  readonly request: Request;
  readonly query: Query;
  readonly client: ClientSettings;
}

/** Questions that only differ in id and letters have one answer. */
function questionKey({ request, query }: Asking): string {
  const { question, edns, flags } = query;
  const { length } = question.bytes;
  const tail = Buffer.from(question.bytes.subarray(length - 4)).toString('hex');
  const ednsKey =
    edns === undefined
      ? ''
      : `${edns.payloadBytes} ${edns.isDnssecOk} ${Buffer.from(edns.options).toString('hex')}`;
  return [
    request.containerId,
    request.isTcp,
    flags & 0x0130,
    tail,
    ednsKey,
    lowerName(question.name),
  ].join('|');
}

/** Resolves names for containers. */
export class NameResolver {
  readonly #parts: ResolverParts;
  readonly #share: FairShare;
  readonly #upstreamsOf: (addresses: readonly string[]) => readonly Upstream[];
  /** Questions that others are being asked now. */
  readonly #asking = new Map<string, Promise<Reply | undefined>>();
  readonly #ended = new AbortController();
  #turnNumber = 0;

  constructor(parts: ResolverParts) {
    this.#parts = parts;
    this.#share = new FairShare(parts.limits ?? FORWARD_LIMITS);
    this.#upstreamsOf = parts.ownUpstreams ?? ownUpstreams;
  }

  /** Nobody is asked any more; what is being asked has no answer. */
  close(): void {
    this.#ended.abort();
  }

  /** The answer's bytes; `undefined`: there is none. Never rejects. */
  async resolve(request: Request): Promise<Uint8Array | undefined> {
    const received = decodeQuery(request.message);
    if (received.kind === 'nothing') return undefined;
    if (received.kind === 'refusal') return received.bytes;
    return await this.#answer(request, received.query);
  }

  async #answer(request: Request, query: Query): Promise<Uint8Array> {
    const { directory, hooks } = this.#parts;
    const { containerId, isTcp } = request;
    const failure = (rcode: number): Uint8Array =>
      encodeAnswer(query, { rcode, isTcp, records: [], ttlSeconds: 0 });
    const client = directory.client(containerId);
    if (client === undefined) return failure(RCODE.serverFailure);
    if ((query.edns?.versionNumber ?? 0) !== 0) return failure(RCODE.badVersion);
    const { question } = query;
    this.#turnNumber = (this.#turnNumber + 1) % Number.MAX_SAFE_INTEGER;
    const turnNumber = this.#turnNumber;
    const verdict = answerQuestion({ directory, client, question, turnNumber });
    const asking = { request, query, client };
    if (verdict.kind === 'answer') {
      return (await this.#ownAnswer(asking, verdict)) ?? failure(RCODE.serverFailure);
    }
    if (hooks?.mayResolve?.(containerId, lowerName(question.name)) === false) {
      return failure(RCODE.refused);
    }
    const reply = await this.#forward(asking);
    return reply === undefined ? failure(RCODE.serverFailure) : fitReply(reply, query, isTcp);
  }

  async #ownAnswer(
    asking: Asking,
    verdict: Extract<Verdict, { kind: 'answer' }>,
  ): Promise<Uint8Array | undefined> {
    const { records, rcode } = verdict;
    const addresses = verdict.addresses.map((address) => ({
      address,
      ttlSeconds: OWN_TTL_SECONDS,
    }));
    if (!(await this.#tell(asking, addresses))) return undefined;
    return encodeAnswer(asking.query, {
      rcode,
      isTcp: asking.request.isTcp,
      records,
      ttlSeconds: OWN_TTL_SECONDS,
    });
  }

  /** False when the addresses may not be told to the container. */
  async #tell(asking: Asking, addresses: readonly AnsweredAddress[]): Promise<boolean> {
    const onAnswer = this.#parts.hooks?.onAnswer;
    if (onAnswer === undefined || addresses.length === 0) return true;
    const silence = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => silence.resolve(false), HOOK_MS);
    const name = lowerName(asking.query.question.name);
    const told = (async (): Promise<boolean> => {
      await onAnswer(asking.request.containerId, name, addresses);
      return true;
    })();
    try {
      return await Promise.race([told, silence.promise]);
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      told.catch(() => undefined);
    }
  }

  /** Servers that may be asked for the container. */
  #upstreams({ client }: Asking): readonly Upstream[] {
    const own = this.#upstreamsOf(client.servers);
    const leadsOutside = client.networks.some(({ isInternal }) => !isInternal);
    if (leadsOutside) return client.servers.length > 0 ? own : this.#parts.hostUpstreams();
    const subnets = client.networks.flatMap((network) => network.subnets ?? []);
    return own.filter((upstream) => {
      const address = tryParseAddress(upstream.address);
      return address !== undefined && subnets.some((subnet) => contains(subnet, address));
    });
  }

  /** Ask others; who asks the same meanwhile hears the same. */
  async #forward(asking: Asking): Promise<Reply | undefined> {
    const key = questionKey(asking);
    const running = this.#asking.get(key);
    if (running !== undefined) return await running;
    const upstreams = this.#upstreams(asking);
    if (upstreams.length === 0 || this.#ended.signal.aborted) return undefined;
    const evicted = new AbortController();
    const place = this.#share.enter(asking.request.containerId, () => evicted.abort());
    if (place === undefined) return undefined;
    const question = this.#ask(asking, upstreams, evicted.signal).finally(() => {
      place.leave();
      this.#asking.delete(key);
    });
    this.#asking.set(key, question);
    return await question;
  }

  async #ask(
    asking: Asking,
    upstreams: readonly Upstream[],
    evicted: AbortSignal,
  ): Promise<Reply | undefined> {
    const reply = await this.#parts.forwarder.ask({
      query: asking.query,
      upstreams,
      isTcp: asking.request.isTcp,
      signal: AbortSignal.any([evicted, this.#ended.signal]),
    });
    if (reply === undefined || !(await this.#tell(asking, reply.addresses))) return undefined;
    return reply;
  }
}
