/**
 * The file `layer.json`: what is known about a layer, as JSON with a version.
 * A record that does not decode makes its layer unusable, not the store.
 */
import type { ChainId, Digest } from '../base/brand.ts';
import { isChainId, isDigest } from '../spec/digest.ts';
import type { CapturedFile, LayerFacts, RootAttributes } from '../spec/layer.ts';

const VERSION = 1;

/** A JSON object. */
type Json = Readonly<Record<string, unknown>>;

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
  const chainId = asChainId(value?.['chainId']);
  const parent = asChainId(value?.['parent']);
  const bootId = value?.['bootId'];
  if (
    value?.['version'] !== VERSION ||
    facts === undefined ||
    chainId === undefined ||
    typeof bootId !== 'string'
  )
    return undefined;
  if (value['parent'] !== undefined && parent === undefined) return undefined;
  return { chainId, parent, facts, bootId };
}

function decodeFacts(value: Json | undefined): LayerFacts | undefined {
  if (value === undefined) return undefined;
  const diffId = asDigest(value['diffId']);
  const root = decodeRoot(asObject(value['root']));
  const captured = decodeCaptures(asObject(value['captured']));
  const sizeBytes = asCount(value['sizeBytes']);
  const entries = asCount(value['entries']);
  if (diffId === undefined || root === undefined || captured === undefined) return undefined;
  if (sizeBytes === undefined || entries === undefined) return undefined;
  const hidesBelow = value['hidesBelow'] === true ? { hidesBelow: true as const } : {};
  return { diffId, sizeBytes, entries, root, ...hidesBelow, captured };
}

function decodeCaptures(value: Json | undefined): LayerFacts['captured'] | undefined {
  const passwd = decodeCaptured(asObject(value?.['etc/passwd']));
  const group = decodeCaptured(asObject(value?.['etc/group']));
  if (passwd === undefined || group === undefined) return undefined;
  return { 'etc/passwd': passwd, 'etc/group': group };
}

function decodeRoot(value: Json | undefined): RootAttributes | undefined {
  const mode = asCount(value?.['mode']);
  const uid = asCount(value?.['uid']);
  const gid = asCount(value?.['gid']);
  return mode === undefined || mode > 0o7777 || uid === undefined || gid === undefined
    ? undefined
    : { mode, uid, gid };
}

function decodeCaptured(value: Json | undefined): CapturedFile | undefined {
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

function asObject(value: unknown): Json | undefined {
  return isObject(value) ? value : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asChainId(value: unknown): ChainId | undefined {
  return typeof value === 'string' && isChainId(value) ? value : undefined;
}

function asDigest(value: unknown): Digest | undefined {
  return typeof value === 'string' && isDigest(value) ? value : undefined;
}

function asCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
