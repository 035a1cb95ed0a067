/**
 * One question to one server: a socket of its own, so a source port of its own,
 * and an id of its own.
 *
 * **Invariant:** what is not from that server, or does not answer the question
 * that was asked with that id, is as if it never came.
 * Source: RFC 5452 (forged answers), RFC 7766 (TCP).
 */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { encodeForward, type Query } from './query.ts';
import { decodeReply, type Reply } from './response.ts';
import type { Upstream } from './upstream.ts';

/** What is asked of whom; `signal` ends it. */
export interface Exchange {
  readonly upstream: Upstream;
  readonly query: Query;
  readonly signal: AbortSignal;
}

type Transport = (exchange: Exchange, ends: Ends) => () => void;

/** The two ends of an exchange. */
interface Ends {
  readonly message: Uint8Array;
  /** Bytes came; true when they were the answer. */
  readonly receive: (bytes: Uint8Array) => boolean;
  readonly fail: (error: Error) => void;
}

function overUdp({ upstream }: Exchange, { message, receive, fail }: Ends): () => void {
  const socket = createSocket(isIPv6(upstream.address) ? 'udp6' : 'udp4');
  let isClosed = false;
  socket.on('error', fail);
  socket.on('message', receive);
  socket.once('connect', () => {
    if (isClosed) return;
    socket.send(message, (error) => {
      if (error !== null) fail(error);
    });
  });
  // Connected: the kernel drops what comes from anywhere else. Without a callback, which would be told of failures too.
  socket.connect(upstream.port, upstream.address);
  return () => {
    isClosed = true;
    socket.close();
  };
}

function overTcp({ upstream }: Exchange, { message, receive, fail }: Ends): () => void {
  const socket = connect({ host: upstream.address, port: upstream.port });
  let held: Buffer = Buffer.alloc(0);
  socket.on('error', fail);
  socket.once('close', () => fail(new Error('The server closed the connection')));
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const end = 2 + held.readUInt16BE(0);
      const bytes = held.subarray(2, end);
      held = held.subarray(end);
      // One answer is all that was asked for: more is not waited for.
      if (!receive(bytes)) fail(new Error('The server answers something else'));
    }
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  socket.write(Buffer.concat([length, message]));
  return () => {
    socket.destroy();
  };
}

/** Rejects when the server cannot be asked, or `signal` is aborted. */
function exchangeBy(transport: Transport, options: Exchange): Promise<Reply> {
  const { query, signal } = options;
  return new Promise((resolve, reject) => {
    const idNumber = randomInt(0x10000);
    let isOver = false;
    const finish = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      signal.removeEventListener('abort', abort);
      close();
      settle();
    };
    const abort = (): void => finish(() => reject(new Error('The answer came too late')));
    signal.addEventListener('abort', abort);
    // Nothing is heard before the transport returns.
    const close = transport(options, {
      message: encodeForward(query, idNumber),
      receive: (bytes) => {
        const reply = decodeReply(bytes, { idNumber, question: query.question });
        if (reply !== undefined) finish(() => resolve(reply));
        return reply !== undefined;
      },
      fail: (error) => finish(() => reject(error)),
    });
    if (signal.aborted) abort();
  });
}

/**
 * Ask: by TCP where the asker came by it, or the server's answer did not fit
 * into a datagram; what did fit is the answer when TCP does not work.
 * Rejects when the server cannot be asked, or `signal` is aborted first.
 */
export async function exchange(options: Exchange, isTcp: boolean): Promise<Reply> {
  if (isTcp) return await exchangeBy(overTcp, options);
  const reply = await exchangeBy(overUdp, options);
  if (!reply.isTruncated) return reply;
  return await exchangeBy(overTcp, options).catch(() => reply);
}
