/**
 * Status line and standard headers of answers, put together once a second and
 * reused: this text is part of every answer.
 *
 * Source: engine-api facts 1.3; RFC 9110 section 6.6.1 (Date).
 */

import { statusText } from './status-text.ts';
import { formatVersion, newestVersion } from './version.ts';
import type { ExtraHeaders } from './reply.ts';

/** See the module. */
export class Heads {
  readonly #standard: string;
  readonly #nowMs: () => number;
  #second = 0;
  #date = '';
  #cache = new Map<string, string>();

  /** `nowMs`: milliseconds since the epoch. */
  constructor(serverVersion: string, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#standard = [
      `Api-Version: ${formatVersion(newestVersion)}`,
      'Docker-Experimental: false',
      'Ostype: linux',
      `Server: Docker/${serverVersion} (linux)`,
      '',
    ].join('\r\n');
  }

  /** Everything but the headers about the body's length; ends with a line end. */
  of(status: number, contentType: string | undefined, headers?: ExtraHeaders): string {
    const head = this.#cached(status, contentType);
    if (headers === undefined) return head;
    return Object.entries(headers).reduce(
      (text, [name, value]) => `${text}${name}: ${headerValue(value)}\r\n`,
      head,
    );
  }

  /** Complete head that takes a connection out of HTTP. */
  ofHijack(upgrade: string | undefined, contentType: string): string {
    if (upgrade === undefined) {
      return `HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n${this.#standard}\r\n`;
    }
    return `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${this.#standard}\r\n`;
  }

  #cached(status: number, contentType: string | undefined): string {
    const nowMs = this.#nowMs();
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = new Date(nowMs).toUTCString();
      this.#cache = new Map();
    }
    const key = `${status} ${contentType}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const type = contentType === undefined ? '' : `Content-Type: ${contentType}\r\n`;
    const head = `HTTP/1.1 ${status} ${statusText(status)}\r\n${this.#standard}Date: ${this.#date}\r\n${type}`;
    this.#cache.set(key, head);
    return head;
  }
}

/** No text of ours may end a header line early. */
function headerValue(value: string): string {
  return value.replace(/[^\t\x20-\x7e]/g, '?');
}
