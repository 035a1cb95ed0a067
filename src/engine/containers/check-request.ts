/**
 * What a create request must not ask, beyond what `spec/` checks, pure.
 * Source: engine-api facts 4.3, in Docker's words.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerConfig, HostConfig } from '../../spec/docker/container.ts';
import { parseSignal } from '../../spec/signal.ts';
import { checkProbe } from './probe.ts';
import { checkRestartPolicy } from './restart-policy.ts';

/** Longest host name in characters. Source: sethostname(2). */
const HOSTNAME_MAX = 64;
const HOSTNAME =
  /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?)*$/;
/** No control character may reach a file the engine writes, or a mount option. Source: security matrix R14. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\0\n\r]/;

/** Errors: `invalid`, one sentence. `hostConfig` is complete. */
export function checkRequest(config: ContainerConfig, hostConfig: HostConfig): void {
  checkTexts(config, hostConfig);
  checkHostname(config, hostConfig);
  checkNetwork(config, hostConfig);
  checkRestartPolicy(hostConfig.RestartPolicy ?? {}, hostConfig.AutoRemove ?? false);
  checkProbe(config.Healthcheck ?? undefined);
  checkProcess(config);
  checkDrivers(hostConfig);
}

/** What only a driver could give. Silence would be a container without what it was promised. */
function checkDrivers({ DeviceRequests: requests, Isolation = '' }: HostConfig): void {
  const [request] = requests ?? [];
  if (request !== undefined) {
    const wanted = (request.Capabilities ?? []).map((all) => `[${all.join(' ')}]`).join(' ');
    throw new EngineError(
      'invalid',
      `could not select device driver ${JSON.stringify(request.Driver ?? '')} with capabilities: [${wanted}]`,
    );
  }
  if (Isolation !== '' && Isolation !== 'default') {
    throw new EngineError('invalid', `invalid isolation '${Isolation}' on linux`);
  }
}

function checkProcess(config: ContainerConfig): void {
  const { StopSignal: signal = '', WorkingDir: workingDir = '' } = config;
  if (signal !== '') parseSignal(signal);
  if (workingDir !== '' && !workingDir.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `the working directory '${workingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  for (const entry of config.Env ?? []) {
    if (entry === '' || entry.startsWith('=')) {
      throw new EngineError('invalid', `invalid environment variable: ${entry}`);
    }
  }
}

function checkTexts(config: ContainerConfig, hostConfig: HostConfig): void {
  for (const [field, values] of fileFields(config, hostConfig)) {
    if (values?.some((value) => CONTROL.test(value)) === true) {
      throw new EngineError(
        'invalid',
        `invalid ${field}: it contains a line break or NUL character`,
      );
    }
  }
  const texts = [...(config.Env ?? []), ...listOf(config.Cmd), ...listOf(config.Entrypoint)];
  if (texts.some((text) => text.includes('\0'))) {
    throw new EngineError('invalid', 'invalid command or environment: it contains a NUL character');
  }
}

/** Fields whose text reaches files the engine writes. */
function fileFields(
  config: ContainerConfig,
  hostConfig: HostConfig,
): readonly (readonly [string, readonly string[] | null | undefined])[] {
  const { Hostname = '', Domainname = '', User = '', WorkingDir = '' } = config;
  const { Dns, DnsOptions, DnsSearch, ExtraHosts } = hostConfig;
  const single = { Hostname, Domainname, User, WorkingDir };
  return [
    ...Object.entries(single).map(([field, value]) => [field, [value]] as const),
    ...Object.entries({ Dns, DnsOptions, DnsSearch, ExtraHosts }),
  ];
}

function listOf(value: ContainerConfig['Cmd']): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? []);
}

function checkHostname(config: ContainerConfig, hostConfig: HostConfig): void {
  const name = config.Hostname ?? '';
  if (name !== '' && (name.length > HOSTNAME_MAX || !HOSTNAME.test(name))) {
    throw new EngineError('invalid', `invalid hostname format: ${name}`);
  }
  if ((config.Domainname ?? '').length > HOSTNAME_MAX) {
    throw new EngineError('invalid', `invalid domain name format: ${config.Domainname ?? ''}`);
  }
  const isShared = hostConfig.UTSMode === 'host' || hostConfig.UTSMode?.startsWith('container:');
  if (name !== '' && isShared === true) {
    throw new EngineError('invalid', 'conflicting options: hostname and the UTS mode');
  }
}

/** What another container's network, or the host's, leaves no room for. */
function checkNetwork(config: ContainerConfig, hostConfig: HostConfig): void {
  const { NetworkMode: mode = '', Links: links } = hostConfig;
  if (mode === 'host' && hasEntries(links)) {
    throw conflict(
      "host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  if (!mode.startsWith('container:')) return;
  if (mode === 'container:') {
    throw new EngineError('invalid', 'invalid container format container:<name|id>');
  }
  const taken: readonly (readonly [boolean, string])[] = [
    [(config.Hostname ?? '') !== '', 'hostname and the network mode'],
    [hasEntries(links), 'links and the container type network mode'],
    [hasEntries(hostConfig.Dns), 'dns and the network mode'],
    [hasEntries(hostConfig.ExtraHosts), 'custom host-to-IP mapping and the network mode'],
    [hasEntries(hostConfig.PortBindings), 'port publishing and the container type network mode'],
    [hasEntries(config.ExposedPorts), 'port exposing and the container type network mode'],
  ];
  for (const [isGiven, what] of taken) if (isGiven) throw conflict(what);
}

function conflict(what: string): EngineError {
  return new EngineError('invalid', `conflicting options: ${what}`);
}

function hasEntries(value: object | null | undefined): boolean {
  return value !== null && value !== undefined && Object.keys(value).length > 0;
}
