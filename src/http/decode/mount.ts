/** Decoder of one mount. Source: Docker Engine API 1.51, `Mount`. */

import type { Mount } from '../../spec/docker/container.ts';
import { boolean, type Decode, integer, list, map, object, text, texts, word } from './shape.ts';

type Options<K extends 'BindOptions' | 'VolumeOptions' | 'ImageOptions' | 'TmpfsOptions'> =
  NonNullable<Mount[K]>;

/** An element of `HostConfig.Mounts`. */
export const mount: Decode<Mount> = object<Mount>({
  Type: word('bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster'),
  Source: text,
  Target: text,
  ReadOnly: boolean,
  Consistency: text,
  BindOptions: object<Options<'BindOptions'>>({
    Propagation: text,
    NonRecursive: boolean,
    CreateMountpoint: boolean,
    ReadOnlyNonRecursive: boolean,
    ReadOnlyForceRecursive: boolean,
    IDMap: text,
  }),
  VolumeOptions: object<Options<'VolumeOptions'>>({
    NoCopy: boolean,
    Labels: map(text),
    Subpath: text,
    DriverConfig: object<NonNullable<Options<'VolumeOptions'>['DriverConfig']>>({
      Name: text,
      Options: map(text),
    }),
  }),
  ImageOptions: object<Options<'ImageOptions'>>({ Subpath: text }),
  TmpfsOptions: object<Options<'TmpfsOptions'>>({
    SizeBytes: integer,
    Mode: integer,
    Options: list(texts),
  }),
});
