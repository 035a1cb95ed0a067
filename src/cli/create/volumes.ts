/**
 * `--volume` as the API's binds and anonymous volumes. Pure but for the
 * caller's directory.
 *
 * Source: docker's `[SOURCE:]TARGET[:OPTIONS]`.
 */

import { resolve } from 'node:path';
import { EngineError } from '../../base/error.ts';

/** The mounts of `--volume` flags. */
export interface VolumeSet {
  readonly binds: readonly string[];
  /** Targets that get a new volume. */
  readonly anonymous: readonly string[];
}

/**
 * Reads `--volume` values; a source that begins with a dot is relative to `cwd`.
 * The same value twice counts once, as with docker. Throws `invalid`.
 */
export function readVolumes(texts: readonly string[], cwd: string): VolumeSet {
  const binds: string[] = [];
  const anonymous: string[] = [];
  for (const text of new Set(texts)) {
    const [source = '', target, options, ...rest] = text.split(':');
    if (text === '') throw new EngineError('invalid', 'invalid empty volume spec');
    if (source === '' || target === '' || options === '') {
      throw new EngineError('invalid', `invalid spec: ${text}: empty section between colons`);
    }
    if (rest.length > 0) throw new EngineError('invalid', `invalid spec: ${text}: too many colons`);
    if (target === undefined) anonymous.push(text);
    else
      binds.push(
        [source.startsWith('.') ? resolve(cwd, source) : source, ...text.split(':').slice(1)].join(
          ':',
        ),
      );
  }
  return { binds, anonymous };
}

/** `--tmpfs` values as the API's map of path → options. */
export function readTmpfs(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const colon = text.indexOf(':');
      return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
    }),
  );
}
