/** A name server for tests: IPv4 addresses and aliases from a table, NXDOMAIN for the rest. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Answers on 127.0.0.53; to be closed. */
export class FakeNames implements AsyncDisposable {
  readonly #socket = createSocket('udp4');
  /** Name → address, or the name it is an alias of. */
  readonly table: Map<string, string> = new Map();
  /** Names that were asked for, in order. */
  readonly asked: string[] = [];

  /** Opens it. */
  static async open(entries: Readonly<Record<string, string>>): Promise<FakeNames> {
    const names = new FakeNames();
    for (const [name, value] of Object.entries(entries)) names.table.set(name, value);
    names.#socket.on('message', (message, { port, address }) => {
      names.#socket.send(names.#answer(message), port, address);
    });
    names.#socket.bind(53, '127.0.0.53');
    await once(names.#socket, 'listening');
    return names;
  }

  #answer(query: Buffer): Buffer {
    const { name, end } = readQuestion(query);
    this.asked.push(name);
    const isIpv4 = query.readUInt16BE(end - 4) === 1;
    const records: Buffer[] = [];
    let owner = name;
    let value = this.table.get(owner);
    while (value !== undefined && !/^[\d.]+$/.test(value)) {
      records.push(record(owner, 5, encodeName(value)));
      owner = value;
      value = this.table.get(owner);
    }
    if (value !== undefined && isIpv4)
      records.push(record(owner, 1, Buffer.from(value.split('.').map(Number))));
    const head = Buffer.from(query.subarray(0, end));
    head.writeUInt16BE(value === undefined ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.fill(0, 8, 12);
    return Buffer.concat([head, ...records]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(resolve));
  }
}

function readQuestion(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => {
    const text = Buffer.from(label, 'latin1');
    return Buffer.concat([Buffer.of(text.length), text]);
  });
  return Buffer.concat([...labels, Buffer.of(0)]);
}

const TTL_SECONDS = 60;

function record(owner: string, type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(TTL_SECONDS, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(owner), head, data]);
}
