/**
 * The seccomp section of a container, pure: the builtin policy, a profile of
 * the request, or none.
 *
 * Source: Engine API `HostConfig.SecurityOpt` `seccomp=`.
 */

import { defaultSeccomp } from '../../../kernel/bpf/default-seccomp.ts';
import { parseSeccompProfile, resolveProfile } from '../../../kernel/bpf/seccomp-profile.ts';
import type { LinuxSeccomp } from '../../../spec/oci/seccomp.ts';
import type { SpecHost } from './input.ts';

/** `undefined`: no filter. `asked`: `unconfined`, `builtin`, JSON text, or not given. Errors: `invalid`. */
export function containerSeccomp(
  asked: string | undefined,
  options: {
    readonly isPrivileged: boolean;
    readonly bounding: readonly string[];
    readonly host: SpecHost;
  },
): LinuxSeccomp | undefined {
  const { isPrivileged, host } = options;
  if (asked === 'unconfined' || (asked === undefined && isPrivileged)) return undefined;
  const { machine, kernel } = host;
  const capabilities = new Set(options.bounding);
  if (asked === undefined || asked === 'builtin') {
    return (
      host.builtinSeccomp?.(options.bounding) ??
      defaultSeccomp({ machine, capabilities, evaluation: 'first-match' })
    );
  }
  return resolveProfile(parseSeccompProfile(asked), { machine, capabilities, kernel });
}
