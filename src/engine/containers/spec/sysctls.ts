/**
 * Kernel parameters of a container, pure: only those that belong to a
 * namespace which is the container's own can be set.
 *
 * Source: runc's rule (libcontainer/configs/validate); security matrix R15.
 */

import { EngineError } from '../../../base/error.ts';

/** Namespaces that decide what may be set. */
export interface SysctlScope {
  readonly hasOwnNetwork: boolean;
  readonly hasOwnIpc: boolean;
  readonly hasOwnUts: boolean;
}

/** Set in every network namespace of a container's own: ping and low ports need no capability. */
const NETWORK_DEFAULTS: Readonly<Record<string, string>> = {
  'net.ipv4.ping_group_range': '0 2147483647',
  'net.ipv4.ip_unprivileged_port_start': '0',
};
/** Bytes that one write to /proc/sys takes. */
const VALUE_MAX = 4000;
const IPC_NAMES: ReadonlySet<string> = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/** Defaults and the request's, names with dots (slashes inside a name kept). Errors: `invalid`. */
export function containerSysctls(
  asked: Readonly<Record<string, string>>,
  scope: SysctlScope,
): Readonly<Record<string, string>> {
  const result: Record<string, string> = scope.hasOwnNetwork ? { ...NETWORK_DEFAULTS } : {};
  for (const [name, value] of Object.entries(asked)) {
    const canonical = checkName(name, scope);
    if (/[\n\r]/.test(value) || value.includes('\0') || value.length > VALUE_MAX)
      throw refuse(name, 'its value has a line break or is too long');
    result[canonical] = value;
  }
  return result;
}

function checkName(name: string, scope: SysctlScope): string {
  if (!/^[\w/.-]{1,200}$/.test(name)) throw refuse(name, 'it is not a name');
  // The first separator says which one separates: net/ipv4/conf/eth0.1/forwarding.
  const separator = /[./]/.exec(name)?.[0] ?? '.';
  const components = name.split(separator);
  if (
    components.some((each) => each === '' || each === '.' || each === '..' || each.includes('..'))
  ) {
    throw refuse(name, 'it is not a name');
  }
  const canonical = components.map((each) => swap(each, separator)).join('.');
  const needs = neededNamespace(canonical);
  if (needs === undefined) throw refuse(name, 'it is not in a separate kernel namespace');
  if (!needs.isOwn(scope)) {
    throw refuse(
      name,
      `it is not allowed with the host's or another container's ${needs.what} namespace`,
    );
  }
  return canonical;
}

/** In the form with dots, a dot inside a name is a slash. */
function swap(component: string, separator: string): string {
  return separator === '/' ? component.replaceAll('.', '/') : component;
}

function neededNamespace(
  name: string,
): { readonly what: string; readonly isOwn: (scope: SysctlScope) => boolean } | undefined {
  if (name.startsWith('net.')) return { what: 'network', isOwn: (scope) => scope.hasOwnNetwork };
  if (IPC_NAMES.has(name) || name.startsWith('fs.mqueue.')) {
    return { what: 'IPC', isOwn: (scope) => scope.hasOwnIpc };
  }
  if (name === 'kernel.domainname') return { what: 'UTS', isOwn: (scope) => scope.hasOwnUts };
  return undefined;
}

function refuse(name: string, why: string): EngineError {
  return new EngineError(
    'invalid',
    `Cannot set sysctl ${JSON.stringify(name.slice(0, 200))}: ${why}`,
  );
}
