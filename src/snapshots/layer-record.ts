/**
 * The file `layer.json`: what is known about a layer, as JSON with a version.
 * A record that does not decode makes its layer unusable, not the store.
 */
import type { ChainId, Digest } from '../base/brand.ts';
import { isDigest } from '../spec/digest.ts';
import type { CapturedFile, LayerFacts, RootAttributes } from '../spec/layer.ts';

const VERSION = 1;

/** A layer's record. */
export interface LayerRecord {
  readonly chainId: ChainId;
  readonly parent: ChainId | undefined;
  readonly facts: LayerFacts;
  /** Boot in which the layer was unpacked. */
  readonly bootId: string;
}

/** Record → text. */
export function encodeLayerRecord(record: LayerRecord): string {
  return `${JSON.stringify({ version: VERSION, ...record })}\n`;
}

/** Text → record; `undefined` when it is missing, of another version or damaged. */
export function decodeLayerRecord(text: string | undefined): LayerRecord | undefined {
  const value = asObject(parseJson(text));
  const facts = decodeFacts(asObject(value?.['facts']));
  const chainId = asDigest(value?.['chainId']);
  const parent = value?.['parent'];
  const bootId = value?.['bootId'];
  if (
    value?.['version'] !== VERSION ||
    facts === undefined ||
    chainId === undefined ||
    typeof bootId !== 'string'
  )
    return undefined;
  if (parent !== undefined && asDigest(parent) === undefined) return undefined;
  return {
    chainId: chainId as string as ChainId,
    parent: parent as ChainId | undefined,
    facts,
    bootId,
  };
}

function decodeFacts(value: Readonly<Record<string, unknown>> | undefined): LayerFacts | undefined {
  const diffId = asDigest(value?.['diffId']);
  const root = decodeRoot(asObject(value?.['root']));
  const captured = asObject(value?.['captured']);
  const passwd = decodeCaptured(asObject(captured?.['etc/passwd']));
  const group = decodeCaptured(asObject(captured?.['etc/group']));
  const sizeBytes = asCount(value?.['sizeBytes']);
  const entries = asCount(value?.['entries']);
  if (diffId === undefined || root === undefined || passwd === undefined || group === undefined)
    return undefined;
  if (sizeBytes === undefined || entries === undefined) return undefined;
  return {
    diffId,
    sizeBytes,
    entries,
    root,
    ...(value?.['hidesBelow'] === true ? { hidesBelow: true } : {}),
    captured: { 'etc/passwd': passwd, 'etc/group': group },
  };
}

function decodeRoot(
  value: Readonly<Record<string, unknown>> | undefined,
): RootAttributes | undefined {
  const mode = asCount(value?.['mode']);
  const uid = asCount(value?.['uid']);
  const gid = asCount(value?.['gid']);
  return mode === undefined || mode > 0o7777 || uid === undefined || gid === undefined
    ? undefined
    : { mode, uid, gid };
}

function decodeCaptured(
  value: Readonly<Record<string, unknown>> | undefined,
): CapturedFile | undefined {
  const kind = value?.['kind'];
  const text = value?.['text'];
  if (kind === 'text') return typeof text === 'string' ? { kind, text } : undefined;
  return kind === 'unchanged' || kind === 'absent' || kind === 'elsewhere' ? { kind } : undefined;
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

function asDigest(value: unknown): Digest | undefined {
  return typeof value === 'string' && isDigest(value) ? value : undefined;
}

function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
