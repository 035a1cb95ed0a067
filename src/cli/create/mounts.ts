/**
 * `--mount` as the API's mounts. Pure but for the caller's directory.
 *
 * Source: docker's `--mount`: comma separated `key=value`, quoted as in CSV.
 */

import { resolve } from 'node:path';
import { EngineError } from '../../base/error.ts';
import type { Mount } from '../../spec/docker/container.ts';
import { parseBool, parseBytes } from '../flags/values.ts';
import { recordOfPairs, splitFields, splitPair } from './key-value.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type BindOptions = Writable<NonNullable<Mount['BindOptions']>>;
type VolumeOptions = Writable<NonNullable<Mount['VolumeOptions']>>;
type TmpfsOptions = Writable<NonNullable<Mount['TmpfsOptions']>>;

/** A mount while its fields are read. */
interface Draft {
  type: string;
  source: string;
  target: string;
  isReadOnly: boolean;
  consistency: string;
  bind: BindOptions | undefined;
  volume: VolumeOptions | undefined;
  volumeLabels: string[];
  driverName: string;
  driverOptions: string[];
  imageSubpath: string | undefined;
  tmpfs: TmpfsOptions | undefined;
}

/** Reads one `--mount` value. `cwd`: what a source like `./x` is relative to. Throws `invalid`. */
export function parseMount(text: string, cwd: string): Mount {
  const value = text.trim();
  if (value === '') throw new EngineError('invalid', 'value is empty');
  const draft: Draft = {
    type: 'volume',
    source: '',
    target: '',
    isReadOnly: false,
    consistency: '',
    bind: undefined,
    volume: undefined,
    volumeLabels: [],
    driverName: '',
    driverOptions: [],
    imageSubpath: undefined,
    tmpfs: undefined,
  };
  for (const field of splitFields(value)) readField(draft, field, cwd);
  return finish(draft);
}

/** Fields that are true without a value. */
const flagFields: readonly string[] = [
  'readonly',
  'ro',
  'volume-nocopy',
  'bind-nonrecursive',
  'bind-create-src',
  'idmap',
];

function readField(draft: Draft, field: string, cwd: string): void {
  const { key: name, value: given } = splitPair(field);
  const key = name.toLowerCase();
  if (given === undefined && !flagFields.includes(key)) {
    throw new EngineError('invalid', `invalid field '${field}' must be a key=value pair`);
  }
  if (given === '') throw new EngineError('invalid', `invalid value for '${key}': value is empty`);
  const value = given ?? 'true';
  if (value.trim() !== value)
    throw new EngineError(
      'invalid',
      `invalid option '${key}' in '${field}': value should not have whitespace`,
    );
  const reader = fieldReaders[key];
  if (reader === undefined)
    throw new EngineError('invalid', `unknown option '${key}' in '${field}'`);
  reader(draft, value, { key, field, cwd });
}

interface FieldPlace {
  readonly key: string;
  readonly field: string;
  readonly cwd: string;
}

type FieldReader = (draft: Draft, value: string, place: FieldPlace) => void;

const readSource: FieldReader = (draft, value, { cwd }) => {
  draft.source =
    value === '.' || value.startsWith('./') || value.startsWith('../') || value === '..'
      ? resolve(cwd, value)
      : value;
};
const readTarget: FieldReader = (draft, value) => {
  draft.target = value;
};
const readReadonly: FieldReader = (draft, value, { key }) => {
  draft.isReadOnly = boolOf(key, value);
};

const fieldReaders: Readonly<Record<string, FieldReader | undefined>> = {
  type: (draft, value) => {
    draft.type = value.toLowerCase();
  },
  source: readSource,
  src: readSource,
  target: readTarget,
  dst: readTarget,
  destination: readTarget,
  readonly: readReadonly,
  ro: readReadonly,
  consistency: (draft, value) => {
    draft.consistency = value.toLowerCase();
  },
  'bind-propagation': (draft, value) => {
    (draft.bind ??= {}).Propagation = value.toLowerCase();
  },
  'bind-nonrecursive': (draft, value, { key }) => {
    (draft.bind ??= {}).NonRecursive = boolOf(key, value);
  },
  'bind-create-src': (draft, value, { key }) => {
    (draft.bind ??= {}).CreateMountpoint = boolOf(key, value);
  },
  'bind-recursive': (draft, value, { key }) => {
    readRecursion((draft.bind ??= {}), key, value);
  },
  // The one flag field whose absent value is not `true`.
  idmap: (draft, value) => {
    (draft.bind ??= {}).IDMap = value === 'true' ? 'owner' : value;
  },
  'volume-nocopy': (draft, value, { key }) => {
    (draft.volume ??= {}).NoCopy = boolOf(key, value);
  },
  'volume-subpath': (draft, value) => {
    (draft.volume ??= {}).Subpath = value;
  },
  'volume-label': (draft, value) => {
    draft.volume ??= {};
    draft.volumeLabels.push(value);
  },
  'volume-driver': (draft, value) => {
    draft.volume ??= {};
    draft.driverName = value;
  },
  'volume-opt': (draft, value) => {
    draft.volume ??= {};
    draft.driverOptions.push(value);
  },
  'image-subpath': (draft, value) => {
    draft.imageSubpath = value;
  },
  'tmpfs-size': (draft, value, { key }) => {
    try {
      (draft.tmpfs ??= {}).SizeBytes = parseBytes(value);
    } catch {
      throw new EngineError('invalid', `invalid value for ${key}: ${value}`);
    }
  },
  'tmpfs-mode': (draft, value, { key }) => {
    if (!/^[0-7]{1,7}$/.test(value))
      throw new EngineError('invalid', `invalid value for ${key}: ${value}`);
    (draft.tmpfs ??= {}).Mode = Number.parseInt(value, 8);
  },
};

/** What `bind-recursive` means in the API's words. */
function readRecursion(bind: BindOptions, key: string, value: string): void {
  switch (value) {
    case 'enabled':
      return;
    case 'disabled':
      bind.NonRecursive = true;
      return;
    case 'writable':
      bind.ReadOnlyNonRecursive = true;
      return;
    case 'readonly':
      bind.ReadOnlyForceRecursive = true;
      return;
    default:
      throw new EngineError(
        'invalid',
        `invalid value for ${key}: ${value} (must be enabled, disabled, writable or readonly)`,
      );
  }
}

function boolOf(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new EngineError(
      'invalid',
      `invalid value for '${key}': invalid boolean value ('${value}'): must be 'true' or 'false'`,
    );
  }
}

const mountTypes = ['bind', 'volume', 'tmpfs', 'image'] as const;

function finish(draft: Draft): Mount {
  const type = mountTypes.find((known) => known === draft.type);
  if (type === undefined)
    throw new EngineError(
      'invalid',
      `unknown mount type '${draft.type}': it is bind, volume, tmpfs or image`,
    );
  if (draft.target === '') throw new EngineError('invalid', 'target is required');
  refuseForeign(draft, type);
  refuseRecursion(draft);
  return {
    Type: type,
    ...(draft.source === '' ? {} : { Source: draft.source }),
    Target: draft.target,
    ...(draft.isReadOnly ? { ReadOnly: true } : {}),
    ...(draft.consistency === '' ? {} : { Consistency: draft.consistency }),
    ...(draft.bind === undefined ? {} : { BindOptions: draft.bind }),
    ...(draft.volume === undefined ? {} : { VolumeOptions: volumeOptions(draft, draft.volume) }),
    ...(draft.imageSubpath === undefined ? {} : { ImageOptions: { Subpath: draft.imageSubpath } }),
    ...(draft.tmpfs === undefined ? {} : { TmpfsOptions: draft.tmpfs }),
  };
}

function volumeOptions(draft: Draft, volume: VolumeOptions): VolumeOptions {
  const hasDriver = draft.driverName !== '' || draft.driverOptions.length > 0;
  return {
    ...volume,
    ...(draft.volumeLabels.length === 0 ? {} : { Labels: recordOfPairs(draft.volumeLabels) }),
    ...(hasDriver
      ? { DriverConfig: { Name: draft.driverName, Options: recordOfPairs(draft.driverOptions) } }
      : {}),
  };
}

/** Options of one type do not fit another. */
function refuseForeign(draft: Draft, type: string): void {
  const options = [
    ['bind', draft.bind],
    ['volume', draft.volume],
    ['image', draft.imageSubpath],
    ['tmpfs', draft.tmpfs],
  ] as const;
  for (const [owner, value] of options) {
    if (value !== undefined && owner !== type) {
      throw new EngineError('invalid', `cannot mix '${owner}-*' options with mount type '${type}'`);
    }
  }
}

function refuseRecursion({ bind, isReadOnly }: Draft): void {
  if (bind === undefined) return;
  if (bind.ReadOnlyNonRecursive === true && !isReadOnly) {
    throw new EngineError(
      'invalid',
      "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
    );
  }
  if (bind.ReadOnlyForceRecursive !== true) return;
  if (!isReadOnly) {
    throw new EngineError(
      'invalid',
      "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction",
    );
  }
  if (bind.Propagation !== 'rprivate') {
    throw new EngineError(
      'invalid',
      "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
    );
  }
}
