/**
 * `-v` texts and `Mount` objects → `ContainerMount`, pure.
 *
 * **Invariant:** what comes out has an absolute, normalised destination other
 * than `/`, and no unchecked word that reaches a mount option.
 *
 * Source: Engine API `HostConfig.Binds`, `Mount`; Docker's messages where clients show them.
 */

import { EngineError } from '../../base/error.ts';
import type { Mount } from '../../spec/docker/container.ts';
import { isVolumeName } from '../../spec/volume-name.ts';
import { type IdMapRequest, parseIdMap } from './id-map.ts';
import type { ContainerMount } from './mount.ts';
import { parseTmpfsOptions, tmpfsOptionsOf } from './tmpfs.ts';

const PROPAGATIONS: ReadonlySet<string> = new Set([
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
]);
const IGNORED_MODES: ReadonlySet<string> = new Set([
  'consistent',
  'cached',
  'delegated',
  'default',
]);

/** `src:dst[:mode]`, `name:dst[:mode]` or `dst`. Errors: `invalid`. */
export function parseBind(text: string): ContainerMount {
  const parts = text.split(':');
  const [first = '', second, mode = ''] = parts;
  if (text.includes('\0') || parts.length > 3 || first === '' || second === '') throw badBind(text);
  if (second === undefined)
    return volumeMount({ name: '', destination: checkDestination(first, text) }, '', text);
  // `/a:ro` is a mistake, not a mount on a path named `ro`.
  const destination = checkDestination(second, text);
  if (first.startsWith('/'))
    return bindMount({ source: normalisePath(first), destination }, mode, text);
  if (/^[a-zA-Z0-9]$/.test(first)) {
    throw new EngineError(
      'invalid',
      `create ${first}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (!isVolumeName(first)) {
    throw new EngineError(
      'invalid',
      `create ${first}: "${first}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  return volumeMount({ name: first, destination }, mode, text);
}

function bindMount(
  paths: { readonly source: string; readonly destination: string },
  mode: string,
  text: string,
): ContainerMount {
  const words = parseMode(mode, text);
  if (words.noCopy) throw badMode(mode, text);
  return {
    type: 'bind',
    origin: 'binds',
    source: paths.source,
    destination: paths.destination,
    readonly: words.readonly,
    readonlyDepth: 'best-effort',
    mode,
    propagation: words.propagation ?? 'rprivate',
    recursive: true,
    createSource: true,
    ...(words.idmap === undefined ? {} : { idmap: words.idmap }),
  };
}

function volumeMount(
  what: { readonly name: string; readonly destination: string },
  mode: string,
  text: string,
): ContainerMount {
  const words = parseMode(mode, text);
  if (words.propagation !== undefined || words.idmap !== undefined) throw badMode(mode, text);
  return {
    type: 'volume',
    origin: 'binds',
    source: '',
    destination: what.destination,
    readonly: words.readonly,
    readonlyDepth: 'best-effort',
    mode: mode === '' ? 'z' : mode,
    propagation: '',
    recursive: true,
    createSource: false,
    volume: {
      name: what.name,
      driver: 'local',
      isAnonymous: what.name === '',
      noCopy: words.noCopy,
      subpath: '',
      labels: {},
      driverOptions: {},
    },
  };
}

interface ModeWords {
  readonly readonly: boolean;
  readonly noCopy: boolean;
  readonly propagation: string | undefined;
  readonly idmap: IdMapRequest | undefined;
}

const PLAIN_MODES: ReadonlySet<string> = new Set(['rw', 'ro', 'z', 'Z', 'nocopy']);

function parseMode(mode: string, text: string): ModeWords {
  const words = mode === '' ? [] : mode.split(',');
  const isKnown = (word: string): boolean =>
    PLAIN_MODES.has(word) ||
    PROPAGATIONS.has(word) ||
    IGNORED_MODES.has(word) ||
    kindOfMode(word) === 'idmap';
  const kinds = words.map(kindOfMode);
  // Each word once, and of two that contradict each other none.
  if (!words.every(isKnown) || new Set(kinds).size !== kinds.length) throw badMode(mode, text);
  return {
    readonly: words.includes('ro'),
    noCopy: words.includes('nocopy'),
    propagation: words.find((word) => PROPAGATIONS.has(word)),
    idmap: readIdMap(words),
  };
}

/** `idmap` or `idmap=…`. */
function readIdMap(words: readonly string[]): IdMapRequest | undefined {
  const word = words.find((each) => kindOfMode(each) === 'idmap');
  return word === undefined ? undefined : parseIdMap(word.slice('idmap='.length));
}

function kindOfMode(word: string): string {
  if (PROPAGATIONS.has(word)) return 'propagation';
  if (word === 'idmap' || word.startsWith('idmap=')) return 'idmap';
  return word === 'rw' ? 'ro' : word.toLowerCase();
}

/** A `Mount` object. Errors: `invalid`. */
export function parseMount(mount: Mount): ContainerMount {
  const destination = parseTarget(mount);
  checkOptionObjects(mount);
  const { Source: source = '' } = mount;
  switch (mount.Type) {
    case 'bind':
      return parseBindMount(mount, source, destination);
    case 'volume':
      return parseVolumeMount(mount, source, destination);
    case 'tmpfs':
      if (source !== '') throw badMount(mount, 'field Source must not be specified');
      return tmpfsMount(destination, 'mounts', {
        readonly: mount.ReadOnly === true,
        options: tmpfsOptionsOf(mount.TmpfsOptions ?? {}),
      });
    case 'image':
      return parseImageMount(mount, source, destination);
    default:
      throw new EngineError(
        'invalid',
        `invalid mount config: mount type unknown: ${JSON.stringify(mount.Type ?? '')}`,
      );
  }
}

function parseTarget(mount: Mount): string {
  const { Target: target = '' } = mount;
  if (target === '') throw badMount(mount, 'field Target must not be empty');
  const destination = normalisePath(absolutePath(mount, target));
  if (destination !== '/') return destination;
  throw badMount(mount, `invalid specification: destination can't be '/'`);
}

function absolutePath(mount: Mount, path: string): string {
  if (path.startsWith('/')) return path;
  throw badMount(mount, `invalid mount path: '${path}' mount path must be absolute`);
}

function parseBindMount(mount: Mount, source: string, destination: string): ContainerMount {
  if (source === '') throw badMount(mount, 'field Source must not be empty');
  const { Propagation: propagation = '', IDMap: idmap = '', ...options } = mount.BindOptions ?? {};
  if (propagation !== '' && !PROPAGATIONS.has(propagation)) {
    throw badMount(mount, `invalid propagation mode: ${propagation}`);
  }
  return {
    type: 'bind',
    origin: 'mounts',
    source: normalisePath(absolutePath(mount, source)),
    destination,
    readonly: mount.ReadOnly === true,
    readonlyDepth: readonlyDepthOf(mount),
    mode: '',
    propagation: propagation === '' ? 'rprivate' : propagation,
    recursive: options.NonRecursive !== true,
    createSource: options.CreateMountpoint === true,
    ...(idmap === '' ? {} : { idmap: parseIdMap(idmap === 'owner' ? '' : idmap) }),
  };
}

function readonlyDepthOf(mount: Mount): ContainerMount['readonlyDepth'] {
  const { ReadOnlyForceRecursive: all = false, ReadOnlyNonRecursive: topOnly = false } =
    mount.BindOptions ?? {};
  if (all && topOnly) {
    throw badMount(mount, 'mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive');
  }
  if ((all || topOnly) && mount.ReadOnly !== true) {
    throw badMount(mount, 'mount options conflict: !ReadOnly && a read-only recursion option');
  }
  if (all) return 'all';
  return topOnly ? 'top-only' : 'best-effort';
}

function parseVolumeMount(mount: Mount, source: string, destination: string): ContainerMount {
  const options = mount.VolumeOptions ?? {};
  if (source !== '' && !isVolumeName(source)) {
    throw badMount(
      mount,
      `"${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  }
  return {
    type: 'volume',
    origin: 'mounts',
    source: '',
    destination,
    readonly: mount.ReadOnly ?? false,
    readonlyDepth: 'best-effort',
    mode: 'z',
    propagation: '',
    recursive: true,
    createSource: false,
    volume: {
      name: source,
      driver: options.DriverConfig?.Name ?? 'local',
      isAnonymous: source === '',
      noCopy: options.NoCopy ?? false,
      subpath: checkSubpath(options.Subpath ?? '', mount),
      labels: options.Labels ?? {},
      driverOptions: options.DriverConfig?.Options ?? {},
    },
  };
}

function parseImageMount(mount: Mount, source: string, destination: string): ContainerMount {
  if (source === '') throw badMount(mount, 'field Source must not be empty');
  return {
    type: 'image',
    origin: 'mounts',
    source,
    destination,
    readonly: true,
    readonlyDepth: 'best-effort',
    mode: '',
    propagation: '',
    recursive: true,
    createSource: false,
    imageSubpath: checkSubpath(mount.ImageOptions?.Subpath ?? '', mount),
  };
}

/** One entry of `HostConfig.Tmpfs`. Errors: `invalid`. */
export function parseTmpfs(target: string, options: string): ContainerMount {
  if (!target.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `invalid mount config for type "tmpfs": invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  return tmpfsMount(normalisePath(target), 'tmpfs', {
    readonly: false,
    options: parseTmpfsOptions(options),
  });
}

function tmpfsMount(
  destination: string,
  origin: 'mounts' | 'tmpfs',
  how: { readonly readonly: boolean; readonly options: readonly string[] },
): ContainerMount {
  return {
    type: 'tmpfs',
    origin,
    source: '',
    destination,
    readonly: how.readonly,
    readonlyDepth: 'top-only',
    mode: '',
    propagation: '',
    recursive: false,
    createSource: false,
    tmpfs: { options: how.options },
  };
}

/** An image's `VOLUME` or a key of `Config.Volumes`. Errors: `invalid`. */
export function imageVolume(target: string): ContainerMount {
  const mount = volumeMount(
    { name: '', destination: checkDestination(target, target) },
    '',
    target,
  );
  return { ...mount, origin: 'image', mode: '' };
}

/** Removes `.`, empty and `..` components of an absolute path, lexically. */
export function normalisePath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}

function checkDestination(target: string, text: string): string {
  if (!target.startsWith('/')) {
    throw new EngineError(
      'invalid',
      `invalid volume specification: '${text}': invalid mount config for type "volume": invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  const destination = normalisePath(target);
  if (destination === '/') {
    throw new EngineError(
      'invalid',
      `invalid volume specification: '${text}': invalid specification: destination can't be '/'`,
    );
  }
  return destination;
}

function checkSubpath(subpath: string, mount: Mount): string {
  if (subpath === '') return '';
  const isLocal =
    !subpath.startsWith('/') && !subpath.split('/').includes('..') && !subpath.includes('\0');
  if (!isLocal) throw badMount(mount, 'subpath must be a relative path within the volume');
  return normalisePath(subpath).slice(1);
}

/** Option objects that do not fit the type. Source: Engine API ≥ 1.42. */
function checkOptionObjects(mount: Mount): void {
  const has = {
    bind: mount.BindOptions,
    volume: mount.VolumeOptions,
    tmpfs: mount.TmpfsOptions,
    image: mount.ImageOptions,
  };
  for (const [type, options] of Object.entries(has)) {
    const isGiven = options !== undefined && options !== null;
    if (isGiven && type !== mount.Type) {
      const field = `${type.charAt(0).toUpperCase()}${type.slice(1)}Options`;
      throw badMount(mount, `field ${field} must not be specified`);
    }
  }
  if (mount.Target?.includes('\0') === true || mount.Source?.includes('\0') === true) {
    throw badMount(mount, 'a path contains a NUL character');
  }
}

function badBind(text: string): EngineError {
  return new EngineError('invalid', `invalid volume specification: '${text}'`);
}

function badMode(mode: string, text: string): EngineError {
  return new EngineError(
    'invalid',
    `invalid volume specification: '${text}': invalid mode: ${mode}`,
  );
}

function badMount(mount: Mount, why: string): EngineError {
  return new EngineError('invalid', `invalid mount config for type "${mount.Type ?? ''}": ${why}`);
}
