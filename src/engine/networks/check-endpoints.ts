/**
 * What a request says about the networks of a container, checked and completed.
 * Pure: networks are looked up by a function that is given.
 *
 * **Invariant:** in a checked container `endpoints` names every network it is
 * on, by the network's name, the primary one first; with the mode `container:…`
 * there is none. What only a running container has (addresses, ids) is not in it.
 *
 * Source: Engine API `EndpointSettings`; Docker's rules and, where they are clear, its words.
 */

import { EngineError } from '../../base/error.ts';
import type { NetworkRecord } from '../../network/store.ts';
import type { EndpointSettings } from '../../spec/docker/container.ts';
import { checkEndpoint } from './check-endpoint.ts';
import { checkNoConfiguration } from './configuration.ts';

/** Endpoints by name of the network. */
export type Endpoints = Readonly<Record<string, EndpointSettings>>;

/** What a client asks for. */
export interface EndpointsRequest {
  /** `HostConfig.NetworkMode`, complete. */
  readonly networkMode: string;
  /** `NetworkingConfig.EndpointsConfig`: by name, id or unique prefix of the id. */
  readonly endpoints: Readonly<Record<string, EndpointSettings | null>>;
  /** `Config.MacAddress`, which is meant for the primary network. Empty: none. */
  readonly macAddress: string;
}

/** What the record keeps. */
export interface CheckedEndpoints {
  /** With a network's name for whatever it was named by. */
  readonly networkMode: string;
  readonly endpoints: Endpoints;
}

/** Looks up a network. Errors: `invalid` when a reference is ambiguous. */
export type FindNetwork = (ref: string) => NetworkRecord | undefined;

const SHARED =
  'container sharing network namespace with another container or host cannot be connected to any other network';
const NO_HOST =
  'cannot connect container to host network - container must be created in host network mode';
const NONE_AND_OTHERS =
  'container cannot be connected to multiple networks with one of the networks in private (none) mode';

/** Errors: `invalid`, also for a network that is not there: `not-found` would mean the image. */
export function checkEndpoints(request: EndpointsRequest, find: FindNetwork): CheckedEndpoints {
  const { networkMode } = request;
  if (networkMode.startsWith('container:')) return checkShared(request);
  const primary = lookUp(networkMode, find);
  if (primary.driver === 'host' && request.macAddress !== '') throw macConflict();
  const asked = askedFor(request, { primary, find });
  // Docker's default bridge steps back when other networks are named and it is not.
  const isImplied = primary.name !== 'bridge' || asked.has(primary) || asked.size === 0;
  const networks = new Map(isImplied ? [[primary, asked.get(primary)], ...asked] : asked);
  checkMix([...networks.keys()], primary);
  const first = networks.has(primary) ? primary : [...networks.keys()][0];
  const endpoints: Record<string, EndpointSettings> = {};
  for (const [network, settings] of networks) {
    const mac = network === first ? request.macAddress : '';
    endpoints[network.name] = checkEndpoint(withMac(settings ?? {}, mac), network);
  }
  checkInterfaceNames(endpoints);
  return { networkMode: primary.name, endpoints };
}

/** The endpoints of a container that joins one more network. Errors: `invalid`; `denied` when it is on it. */
export function addEndpoint(
  container: CheckedEndpoints & { readonly name: string },
  network: NetworkRecord,
  settings: EndpointSettings,
): Endpoints {
  const { networkMode, endpoints, name } = container;
  if (networkMode.startsWith('container:')) throw invalid(SHARED);
  if (Object.hasOwn(endpoints, network.name)) {
    throw new EngineError(
      'denied',
      `endpoint with name ${name} already exists in network ${network.name}`,
    );
  }
  if (networkMode === 'host') throw invalid(SHARED);
  if (network.driver === 'host') throw invalid(NO_HOST);
  checkNoConfiguration(network);
  const isAlone = Object.keys(endpoints).length === 0;
  if (!isAlone && (network.driver === 'null' || Object.hasOwn(endpoints, 'none'))) {
    throw invalid(NONE_AND_OTHERS);
  }
  const added = { ...endpoints, [network.name]: checkEndpoint(settings, network) };
  checkInterfaceNames(added);
  return added;
}

/** Clients name the mode itself as a network, with nothing to say about it. */
function checkShared(request: EndpointsRequest): CheckedEndpoints {
  if (request.macAddress !== '') throw macConflict();
  const { networkMode, endpoints } = request;
  const isOther = (name: string): boolean => name !== 'default' && !name.startsWith('container:');
  if (Object.keys(endpoints).some(isOther)) throw invalid(SHARED);
  return { networkMode, endpoints: {} };
}

/** By network, in the order of the request. */
function askedFor(
  request: EndpointsRequest,
  known: { readonly primary: NetworkRecord; readonly find: FindNetwork },
): ReadonlyMap<NetworkRecord, EndpointSettings> {
  const asked = new Map<NetworkRecord, EndpointSettings>();
  for (const [ref, settings] of Object.entries(request.endpoints)) {
    const isPrimary = ref === 'default' || ref === request.networkMode;
    const network = isPrimary ? known.primary : lookUp(ref, known.find);
    const twin = [...asked.keys()].some(({ id }) => id === network.id);
    if (twin) throw invalid(`network ${network.name} is given twice`);
    asked.set(network.id === known.primary.id ? known.primary : network, settings ?? {});
  }
  return asked;
}

function lookUp(ref: string, find: FindNetwork): NetworkRecord {
  const network = find(ref);
  if (network !== undefined) return network;
  throw new EngineError('invalid', `network ${ref} not found`, { details: { ref } });
}

function checkMix(networks: readonly NetworkRecord[], primary: NetworkRecord): void {
  if (networks.length > 1) {
    if (primary.driver === 'host') throw invalid(SHARED);
    if (networks.some(({ driver }) => driver === 'null')) throw invalid(NONE_AND_OTHERS);
  }
  if (primary.driver !== 'host' && networks.some(({ driver }) => driver === 'host')) {
    throw invalid(NO_HOST);
  }
}

function withMac(settings: EndpointSettings, mac: string): EndpointSettings {
  const own = settings.MacAddress ?? '';
  if (mac === '') return settings;
  if (own === '' || own.toLowerCase() === mac.toLowerCase()) {
    return { ...settings, MacAddress: mac };
  }
  throw invalid(
    'conflicting MAC address: the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
  );
}

/** One container has one link of a name. */
function checkInterfaceNames(endpoints: Endpoints): void {
  const owners = new Map<string, string>();
  for (const [network, { DriverOpts }] of Object.entries(endpoints)) {
    const name = DriverOpts?.['com.docker.network.endpoint.ifname'];
    if (name === undefined) continue;
    const owner = owners.get(name);
    if (owner !== undefined) {
      throw invalid(`networks ${owner} and ${network} would both have the interface ${name}`);
    }
    owners.set(name, network);
  }
}

function macConflict(): EngineError {
  return invalid('conflicting options: mac-address and the network mode');
}

function invalid(text: string): EngineError {
  return new EngineError('invalid', text);
}
