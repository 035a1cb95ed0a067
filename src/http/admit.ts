/**
 * Who may use a TCP socket that has no client certificates: programs on this
 * machine, not web pages in its browsers.
 *
 * A page of any site can send requests to a loopback port (CSRF), and by
 * rebinding its name can read the answers; so a Host that is not ours and any
 * Origin are refused. On unix sockets and with client certificates neither is
 * possible, and nothing is checked.
 */

import { EngineError } from '../base/error.ts';
import type { Exchange } from './wire/exchange.ts';

const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** Errors: `denied`. */
export function admitLoopback(exchange: Exchange): void {
  const { headers } = exchange.head;
  const host = headers.get('host') ?? '';
  if (!loopbackHost.test(host)) {
    throw new EngineError(
      'denied',
      `Host ${JSON.stringify(host.slice(0, 100))} is not served here`,
    );
  }
  if (headers.has('origin') || headers.has('sec-fetch-site')) {
    throw new EngineError('denied', 'Requests of web pages are not served');
  }
}

/** Everyone who got through to the socket. */
export function admitAll(): void {
  return;
}
