/**
 * An archive from the web, for an import: redirects are followed, within TLS
 * once it began; a name and password of the URL go to its own origin only.
 *
 * Source: Engine API `POST /images/create`, `fromSrc`; RFC 9110 §15.4.
 */

import type { Readable } from 'node:stream';
import { EngineError } from '../../base/error.ts';
import type { RemoteArchive } from '../remote.ts';
import type { HttpResponse, Transport } from './transport.ts';

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** The URL without name and password. */
function bareUrl(url: URL): URL {
  const copy = new URL(url);
  copy.username = '';
  copy.password = '';
  return copy;
}

/** A URL as it may be shown. */
export function shownUrl(url: URL): string {
  return bareUrl(url).href;
}

/** `http` where no scheme is given. Errors: `invalid`. */
export function parseArchiveUrl(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    const shown = JSON.stringify(text.replace(/\/\/[^/@]*@/, '//').slice(0, 200));
    throw new EngineError('invalid', `Cannot import from ${shown}: it is not an http or https URL`);
  }
  return url;
}

/** Open it. Errors: `not-found` and `unavailable` by the server's answer, `invalid`. */
export async function openArchive(
  transport: Transport,
  text: string,
  signal?: AbortSignal,
): Promise<RemoteArchive> {
  const first = parseArchiveUrl(text);
  const response = await follow(transport, first, signal);
  if (response.status !== 200) {
    response.body.destroy();
    const kind = response.status === 404 ? 'not-found' : 'unavailable';
    throw new EngineError(
      kind,
      `Cannot import from ${shownUrl(first)}: the server answered status ${response.status}`,
    );
  }
  const length = response.headers['content-length'] ?? '';
  return {
    body: checked(response.body, first),
    shownUrl: shownUrl(first),
    sizeBytes: /^\d{1,15}$/.test(length) ? Number(length) : undefined,
  };
}

async function follow(
  transport: Transport,
  first: URL,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  let url = first;
  for (let hops = 0; ; hops += 1) {
    const response = await transport.send({
      method: 'GET',
      // A proxy sees the whole URL.
      url: bareUrl(url),
      headers: { Accept: '*/*', ...authorization(first, url) },
      tls: { isVerified: true },
      signal,
    });
    const { location } = response.headers;
    if (!REDIRECTS.has(response.status) || location === undefined) return response;
    response.body.destroy();
    if (hops >= MAX_REDIRECTS) throw refuse(first, `it redirects more than ${MAX_REDIRECTS} times`);
    const next = URL.parse(location, url.href);
    if (next === null || !/^https?:$/.test(next.protocol))
      throw refuse(first, 'it redirects to nowhere');
    if (url.protocol === 'https:' && next.protocol === 'http:')
      throw refuse(first, `it redirects from TLS to plain HTTP (${next.host})`);
    url = next;
  }
}

function authorization(first: URL, url: URL): Readonly<Record<string, string>> {
  if (first.username === '' || url.origin !== first.origin) return {};
  const pair = `${decodeURIComponent(first.username)}:${decodeURIComponent(first.password)}`;
  return { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function refuse(url: URL, why: string): EngineError {
  return new EngineError('unavailable', `Cannot import from ${shownUrl(url)}: ${why}`);
}

/** The body; a connection that breaks is told as that. */
async function* checked(body: Readable, url: URL): AsyncGenerator<Uint8Array> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new EngineError(
      'unavailable',
      `Cannot import from ${shownUrl(url)}: the download broke off`,
      { cause },
    );
  }
}
