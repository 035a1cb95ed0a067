/**
 * HTTP/1.1 requests as bytes. Pure. Nothing a caller passes can break out of
 * its line: a control character in the path or a header is a bug and throws.
 *
 * Source: RFC 9112 §3, §5, §6, §7.1.
 */

/** A request without its body. */
export interface RequestHead {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The head of a request, its empty line included. */
export function encodeRequestHead(head: RequestHead): string {
  if (unsafeTarget.test(head.target))
    throw new TypeError('The request target is not percent-encoded');
  let text = `${head.method} ${head.target} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(head.headers)) {
    if (!isOneLine(name) || !isOneLine(value)) throw new TypeError('A header is not one line');
    text += `${name}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}

/** Anything but visible ASCII would end or split the request line. */
const unsafeTarget = /[^\x21-\x7e]/;

/** True for printable ASCII and tabs. */
function isOneLine(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code > 0x7e) return false;
  }
  return true;
}

/** One chunk of a body in chunked coding; `bytes` must not be empty, as that would end the body. */
export function encodeChunk(bytes: Uint8Array): readonly [string, Uint8Array, string] {
  if (bytes.length === 0) throw new TypeError('An empty chunk would end the body');
  return [`${bytes.length.toString(16)}\r\n`, bytes, '\r\n'];
}

/** Ends a body in chunked coding. */
export const lastChunk = '0\r\n\r\n';

/** A value of a query: absent when `undefined`, `1` or absent for booleans, repeated for arrays. */
export type QueryValue = string | number | boolean | readonly string[] | undefined;

/** `path?query`, or `path` alone when no value is given. `path` must be encoded already. */
export function encodeTarget(
  path: string,
  query: Readonly<Record<string, QueryValue>> = {},
): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === false) continue;
    const values = typeof value === 'object' ? value : [value === true ? '1' : String(value)];
    for (const item of values) pairs.push(`${key}=${encodeURIComponent(item)}`);
  }
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

/** One path segment, percent-encoded; slashes too. */
export function encodeSegment(text: string): string {
  // A lone dot segment would be removed by proxies and some servers.
  if (text === '.' || text === '..') return text.replaceAll('.', '%2E');
  return encodeURIComponent(text);
}

/** An image reference as a path: its slashes stay, everything else is encoded. */
export function encodeImagePath(reference: string): string {
  return reference.split('/').map(encodeSegment).join('/');
}
