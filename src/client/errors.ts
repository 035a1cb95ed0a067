/**
 * Answers of the engine that are errors, back as {@link EngineError}: the kind
 * comes from the status, the text from the body.
 *
 * Source: Docker Engine API `ErrorResponse`.
 */

import { EngineError, type ErrorKind } from '../base/error.ts';

const kindByStatus: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'denied',
  404: 'not-found',
  405: 'unsupported',
  408: 'timeout',
  409: 'conflict',
  413: 'invalid',
  415: 'invalid',
  429: 'exhausted',
  501: 'unsupported',
  503: 'unavailable',
  504: 'timeout',
  507: 'exhausted',
};

/** Longest error text kept, in UTF-16 units. */
const messageLengthMax = 64 * 1024;

/** The error a response tells of. `details.source` is `daemon`, `details.statusCode` the status. */
export function errorFromResponse(statusCode: number, body: string, request: string): EngineError {
  const kind = kindByStatus[statusCode] ?? (statusCode < 500 ? 'invalid' : 'internal');
  const message =
    messageOfBody(body) ??
    `${request} was answered with status ${String(statusCode)} and no reason`;
  return new EngineError(kind, message.slice(0, messageLengthMax), {
    details: { source: 'daemon', statusCode },
  });
}

function messageOfBody(body: string): string | undefined {
  const text = body.trim();
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('message' in value)) return text;
    return typeof value.message === 'string' && value.message !== '' ? value.message : undefined;
  } catch {
    // A proxy's page, or an old engine's plain text.
    return text;
  }
}

/** True for an error the engine answered, as opposed to one of this side. */
export function isDaemonError(error: EngineError): boolean {
  return error.details['source'] === 'daemon';
}

/** Code of the failed connect (`ENOENT`, `ECONNREFUSED`…), when `error` is one. */
export function connectCodeOf(error: EngineError): string | undefined {
  const code = error.details['code'];
  return error.kind === 'unavailable' && typeof code === 'string' ? code : undefined;
}
