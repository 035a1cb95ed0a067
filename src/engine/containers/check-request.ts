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
const HOSTNAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?)*$/;
/** No control character may reach a file the engine writes, or a mount option. Source: security matrix R14. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\0\n\r]/;

/** Errors: `invalid`, one sentence. `hostConfig` is complete. */
export function checkRequest(config: ContainerConfig, hostConfig: HostConfig): void {
  checkTexts(config, hostConfig);
  checkHostname(config, hostConfig);
  checkNetwork(config, hostConfig);
  checkRestartPolicy(hostConfig.RestartPolicy ?? {}, hostConfig.AutoRemove ?? false);
  checkProbe(config.Healthcheck ?? undefined);
  if ((config.StopSignal ?? '') !== '') parseSignal(config.StopSignal ?? '');
  const workingDir = config.WorkingDir ?? '';
  if (workingDir !== '' && !workingDir.startsWith('/')) {
    throw new EngineError('invalid', `the working directory '${workingDir}' is invalid, it needs to be an absolute path`);
  }
  for (const entry of config.Env ?? []) {
    if (entry === '' || entry.startsWith('=')) {
      throw new EngineError('invalid', `invalid environment variable: ${entry}`);
    }
  }
}

function checkTexts(config: ContainerConfig, hostConfig: HostConfig): void {
  const fields: Readonly<Record<string, readonly string[]>> = {
    Hostname: [config.Hostname ?? ''],
    Domainname: [config.Domainname ?? ''],
    User: [config.User ?? ''],
    WorkingDir: [config.WorkingDir ?? ''],
    Dns: hostConfig.Dns ?? [],
    DnsOptions: hostConfig.DnsOptions ?? [],
    DnsSearch: hostConfig.DnsSearch ?? [],
    ExtraHosts: hostConfig.ExtraHosts ?? [],
  };
  for (const [field, values] of Object.entries(fields)) {
    if (values.some((value) => CONTROL.test(value))) {
      throw new EngineError('invalid', `invalid ${field}: it contains a line break or NUL character`);
    }
  }
  const texts = [...(config.Env ?? []), ...listOf(config.Cmd), ...listOf(config.Entrypoint)];
  if (texts.some((text) => text.includes('\0'))) {
    throw new EngineError('invalid', 'invalid command or environment: it contains a NUL character');
  }
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
  if (name !== '' && hostConfig.UTSMode === 'host') {
    throw new EngineError('invalid', 'conflicting options: hostname and the UTS mode');
  }
}

/** What another container's network, or the host's, leaves no room for. */
function checkNetwork(config: ContainerConfig, hostConfig: HostConfig): void {
  const mode = hostConfig.NetworkMode ?? '';
  const conflict = (what: string, where: string): EngineError =>
    new EngineError('invalid', `conflicting options: ${what} and the ${where}`);
  if (mode === 'host' && (hostConfig.Links ?? []).length > 0) throw conflict('host type networking can\'t be used with links. This would result in undefined behavior', 'network mode');
  if (!mode.startsWith('container:')) return;
  const where = 'container type network mode';
  if (mode === 'container:') throw new EngineError('invalid', 'invalid container format container:<name|id>');
  if ((config.Hostname ?? '') !== '') throw conflict('hostname', 'network mode');
  if ((hostConfig.Links ?? []).length > 0) throw conflict('links', where);
  if ((hostConfig.Dns ?? []).length > 0) throw conflict('dns', 'network mode');
  if ((hostConfig.ExtraHosts ?? []).length > 0) throw conflict('custom host-to-IP mapping', 'network mode');
  if (Object.keys(hostConfig.PortBindings ?? {}).length > 0) throw conflict('port publishing', where);
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) throw conflict('port exposing', where);
}
