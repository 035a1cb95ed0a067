/**
 * The namespaces of a container, pure: its own, the host's (left out), or
 * another container's (joined).
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Namespaces"; Engine API
 * `HostConfig.{NetworkMode,PidMode,IpcMode,UTSMode,CgroupnsMode,UsernsMode}`.
 */

import { EngineError } from '../../../base/error.ts';
import type { LinuxNamespace, NamespaceType } from '../../../spec/oci/runtime.ts';
import type { SpecInput } from './input.ts';

/** Errors: `invalid` for an unknown mode. */
export function containerNamespaces(input: SpecInput): readonly LinuxNamespace[] {
  const { hostConfig } = input;
  if (!['', 'host'].includes(hostConfig.UsernsMode ?? '')) {
    throw new EngineError(
      'invalid',
      `invalid userns mode: ${JSON.stringify(hostConfig.UsernsMode)}`,
    );
  }
  return [
    { type: 'mount' },
    ...chosen(input, 'network', hostConfig.NetworkMode ?? ''),
    ...chosen(input, 'uts', own(hostConfig.UTSMode ?? '', ['', 'private'], 'uts')),
    ...chosen(input, 'pid', own(hostConfig.PidMode ?? '', ['', 'private'], 'pid')),
    ...chosen(
      input,
      'ipc',
      own(hostConfig.IpcMode ?? '', ['', 'private', 'shareable', 'none'], 'ipc'),
    ),
    ...chosen(input, 'cgroup', own(hostConfig.CgroupnsMode ?? '', ['', 'private'], 'cgroupns')),
  ];
}

/** True when the container has a namespace of this kind that nobody else had first. */
export function hasOwn(namespaces: readonly LinuxNamespace[], type: NamespaceType): boolean {
  return namespaces.some((each) => each.type === type && each.path === undefined);
}

/** The mode, checked: one of `modes` (own), `host`, or another container. */
function own(mode: string, modes: readonly string[], name: string): string {
  if (modes.includes(mode)) return '';
  if (mode === 'host' || mode.startsWith('container:')) return mode;
  throw new EngineError('invalid', `invalid ${name} mode: ${JSON.stringify(mode.slice(0, 80))}`);
}

function chosen(input: SpecInput, type: NamespaceType, mode: string): readonly LinuxNamespace[] {
  if (mode === 'host') return [];
  if (!mode.startsWith('container:')) return [{ type }];
  const joined = input.joined.find((each) => each.type === type);
  if (joined === undefined) {
    throw new EngineError('internal', `The ${type} namespace to join was not looked up`);
  }
  return [joined];
}
