/** From a route's reply to bytes on the connection. */

import { messageOf } from '../base/error.ts';
import type { Heads } from './heads.ts';
import { pump } from './pump.ts';
import type { HijackReply, Reply, StreamReply } from './reply.ts';
import { textOfError } from './status.ts';
import type { Exchange } from './wire/exchange.ts';

/** Write `reply`. Resolves when it is written; never rejects. */
export async function answer(exchange: Exchange, reply: Reply, heads: Heads): Promise<void> {
  switch (reply.kind) {
    case 'body':
      exchange.send(heads.of(reply.status, reply.contentType, reply.headers), reply.body);
      return;
    case 'stream':
      await answerStream(exchange, reply, heads);
      return;
    case 'hijack':
      await answerHijack(exchange, reply, heads);
      return;
  }
}

async function answerStream(exchange: Exchange, reply: StreamReply, heads: Heads): Promise<void> {
  const { signal } = exchange;
  const out = exchange.stream(heads.of(200, reply.contentType, reply.headers));
  try {
    for await (const piece of reply.pieces) {
      await out.write(piece);
      if (out.isClosed) break;
    }
    out.end();
  } catch (error) {
    const tail = signal.aborted ? undefined : reply.lateError?.(textOfError(error));
    if (tail === undefined) {
      out.abort();
    } else {
      await out.write(tail);
      out.end();
    }
  }
}

/** `tcp` is the only protocol of the streams; other upgrades are not made. */
async function answerHijack(exchange: Exchange, reply: HijackReply, heads: Heads): Promise<void> {
  const upgrade = exchange.head.upgrade === 'tcp' ? 'tcp' : undefined;
  try {
    await pump(exchange.hijack(heads.ofHijack(upgrade, reply.contentType)), reply);
  } catch (error) {
    reply.attachment.stream.destroy(new Error(messageOf(error)));
  }
}
