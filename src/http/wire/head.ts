/**
 * The head of one HTTP/1.1 request, from bytes to a value. Pure.
 *
 * Strict where leniency is an attack (bare CR or LF, folded lines, two body
 * lengths), lenient where real clients need it: no Host header (gRPC dials send
 * an empty one), raw UTF-8 in the path, an absolute URL as target.
 *
 * Source: RFC 9112 sections 2 to 7, RFC 9110 section 5.
 */

/** How the end of a request's body is known. */
export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' };

/** A request without its body. */
export interface RequestHead {
  /** As sent; methods are case-sensitive. */
  readonly method: string;
  /** Path and query, starting with `/` (or `*`). Not decoded. */
  readonly target: string;
  /** 0: the client knows neither chunks nor, by default, keep-alive. */
  readonly minorVersion: 0 | 1;
  /** By lower-case name; repeated ones are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly framing: BodyFraming;
  readonly isKeepAlive: boolean;
  /** Lower-case protocol the client wants to go on with; `undefined` without a proper upgrade. */
  readonly upgrade: string | undefined;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** Bytes of a head, request line and last empty line included. `X-Registry-Config` may be large. */
export const headBytesMax: number = 128 * 1024;
/** Count of header lines. */
export const headerCountMax: number = 200;

/** The client does not speak HTTP/1.1 as we need it; the connection ends after the answer. */
export class HttpSyntaxError extends Error {
  override readonly name: string = 'HttpSyntaxError';
  readonly status: 400 | 408 | 413 | 431 | 501 | 505;

  constructor(status: 400 | 408 | 413 | 431 | 501 | 505, message: string) {
    super(message);
    this.status = status;
  }
}

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Control characters; bytes above ASCII pass. */
const forbiddenInLine = /[^\t -~\u0080-\u00ff]/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([^ \t]+) HTTP\/1\.([01])$/;
const noBody: BodyFraming = { kind: 'none' };
const chunkedBody: BodyFraming = { kind: 'chunked' };

/**
 * `bytes` is everything before the empty line. Throws {@link HttpSyntaxError}.
 */
export function parseHead(bytes: Buffer): RequestHead {
  const lines = bytes.toString('latin1').split('\r\n');
  const first = lines[0] ?? '';
  if (forbiddenInLine.test(first)) throw new HttpSyntaxError(400, 'Bad request line');
  const match = requestLine.exec(first);
  if (match === null) throw badRequestLine(first);
  const [, method = '', target = '', minor] = match;
  const headers = parseHeaders(lines);
  const minorVersion = minor === '0' ? 0 : 1;
  return {
    method,
    target: originForm(target),
    minorVersion,
    headers,
    framing: bodyFraming(headers, minorVersion),
    ...connectionWishes(headers, minorVersion),
  };
}

/** What the client wants of the connection. */
function connectionWishes(
  headers: ReadonlyMap<string, string>,
  minorVersion: 0 | 1,
): Pick<RequestHead, 'isKeepAlive' | 'upgrade' | 'expectsContinue'> {
  const connection = headers.get('connection')?.toLowerCase();
  const isModern = minorVersion === 1;
  return {
    isKeepAlive: isModern ? !hasToken(connection, 'close') : hasToken(connection, 'keep-alive'),
    upgrade: hasToken(connection, 'upgrade') ? headers.get('upgrade')?.toLowerCase() : undefined,
    expectsContinue: isModern && headers.get('expect')?.toLowerCase() === '100-continue',
  };
}

function badRequestLine(line: string): HttpSyntaxError {
  return / HTTP\/\d/.test(line) && !/ HTTP\/1\.[01]$/.test(line)
    ? new HttpSyntaxError(505, 'HTTP version not supported')
    : new HttpSyntaxError(400, 'Bad request line');
}

function parseHeaders(lines: readonly string[]): Map<string, string> {
  if (lines.length - 1 > headerCountMax) throw new HttpSyntaxError(431, 'Too many header fields');
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    const colon = line.indexOf(':');
    const rawName = line.slice(0, colon);
    if (colon < 1 || !headerName.test(rawName) || forbiddenInLine.test(line)) {
      throw new HttpSyntaxError(400, 'Bad header field');
    }
    const name = rawName.toLowerCase();
    const value = line.slice(colon + 1).trim();
    const earlier = headers.get(name);
    if (earlier === undefined) {
      headers.set(name, value);
    } else if (isSingle(name)) {
      throw new HttpSyntaxError(400, `Header field ${name} is given twice`);
    } else {
      headers.set(name, `${earlier}, ${value}`);
    }
  }
  return headers;
}

/** Two of these would let two readers of the request disagree about it. */
function isSingle(name: string): boolean {
  return name === 'content-length' || name === 'transfer-encoding' || name === 'host';
}

function bodyFraming(headers: ReadonlyMap<string, string>, minorVersion: 0 | 1): BodyFraming {
  const length = headers.get('content-length');
  const encoding = headers.get('transfer-encoding');
  if (encoding !== undefined) {
    if (length !== undefined || minorVersion === 0) {
      throw new HttpSyntaxError(400, 'Body length is ambiguous');
    }
    if (encoding.toLowerCase() !== 'chunked') {
      throw new HttpSyntaxError(501, 'Only the chunked transfer encoding is supported');
    }
    return chunkedBody;
  }
  if (length === undefined || length === '0') return noBody;
  const bytes = /^\d{1,15}$/.test(length) ? Number(length) : Number.NaN;
  if (Number.isNaN(bytes)) throw new HttpSyntaxError(400, 'Bad Content-Length');
  return bytes === 0 ? noBody : { kind: 'length', bytes };
}

function hasToken(list: string | undefined, token: string): boolean {
  if (list === undefined) return false;
  return list === token || list.split(',').some((item) => item.trim() === token);
}

/** Path and query of the target; raw bytes above ASCII are UTF-8. */
function originForm(target: string): string {
  let text = target;
  if (!text.startsWith('/') && text !== '*') {
    const match = /^https?:\/\/[^/?#]*(.*)$/i.exec(text);
    if (match === null) throw new HttpSyntaxError(400, 'Bad request target');
    text = match[1] ?? '';
    if (!text.startsWith('/')) text = `/${text}`;
  }
  return /[\u0080-\u00ff]/.test(text) ? Buffer.from(text, 'latin1').toString('utf8') : text;
}
