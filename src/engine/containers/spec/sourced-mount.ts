/**
 * Binds, volumes and images as OCI mounts, pure: a directory as it is or a part
 * of it, a file system that a volume names, the layers of an image.
 *
 * Source: OCI runtime-spec 1.3 config.md "Mounts"; security matrix F12.
 */

import type { OciMount } from '../../../spec/oci/runtime.ts';
import type { VolumeMount } from '../../../volumes/driver-options.ts';
import type { ContainerMount } from '../mount.ts';
import type { MountSource } from '../mount-facts.ts';

/** The mount as a plain bind. */
interface PlainMount {
  readonly destination: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The mount as it is made. */
export function sourcedMount(
  mount: ContainerMount,
  source: MountSource,
  plain: PlainMount,
): OciMount {
  const { layers, mount: backing, peer } = source;
  const options = source.isReadonly === true ? [...plain.options, 'ro'] : plain.options;
  const part = mount.volume?.subpath ?? mount.imageSubpath ?? '';
  const subpath = part === '' ? {} : { subpath: part };
  const { destination } = plain;
  if (layers !== undefined) return { ...imageMount(layers, destination), ...subpath };
  if (peer !== undefined) {
    const { process, path } = peer;
    const whole = joinPath(path, part);
    return {
      destination,
      type: 'bind',
      source: whole,
      options: peerOptions(options),
      process,
      isLasting: true,
    };
  }
  if (backing !== undefined) return { ...backedMount(backing, options, destination), ...subpath };
  const bind: OciMount = { destination, type: 'bind', source: plain.source, options, ...subpath };
  if (source.ids === undefined) return bind;
  const { users: uidMappings, groups: gidMappings } = source.ids;
  // Only the top: what is mounted below may be of a file system that cannot.
  return { ...bind, options: [...options, 'idmap'], uidMappings, gidMappings };
}

/** A single directory cannot be an overlay. */
function imageMount(layers: readonly string[], destination: string): OciMount {
  const [first = '', second] = layers;
  return second === undefined
    ? { destination, type: 'bind', source: first, options: ['bind', 'rprivate', 'ro'] }
    : { destination, type: 'overlay', source: 'overlay', options: ['ro'], layers, isLasting: true };
}

/** Memory does not last: a stopped container has nothing in it. */
const FLEETING: ReadonlySet<string> = new Set(['tmpfs', 'ramfs', 'hugetlbfs', 'overlay']);

function backedMount(
  backing: VolumeMount,
  options: readonly string[],
  destination: string,
): OciMount {
  if (backing.type === 'bind') {
    const [, ...rest] = options;
    const bind = backing.isRecursive ? 'rbind' : 'bind';
    const all = [bind, ...rest, ...backing.options];
    return { destination, type: 'bind', source: backing.device, options: all };
  }
  // Those of the container come last: what it may only read stays so.
  const own = options.filter((word) => !BIND_WORDS.has(word));
  return {
    destination,
    type: backing.type,
    source: backing.device,
    options: [...backing.options, ...own],
    ...(FLEETING.has(backing.type) ? {} : { isLasting: true }),
  };
}

/** A clone has the flags of what it is of: all are said again. */
function peerOptions(options: readonly string[]): readonly string[] {
  return options.includes('ro') || options.includes('rro') ? options : [...options, 'rw'];
}

const BIND_WORDS: ReadonlySet<string> = new Set(['bind', 'rbind']);

function joinPath(path: string, part: string): string {
  return part === '' ? path : `${path}/${part}`;
}
