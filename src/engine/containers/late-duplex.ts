/**
 * A stream whose other side comes later: a client attaches before the
 * container starts, types, and reads what the process will write.
 *
 * **Invariant:** it holds at most one written chunk and one read chunk: what
 * does not fit waits in the sockets' own buffers.
 */

import { Duplex } from 'node:stream';

/** The client's side, and the way to connect the other. */
export interface LateDuplex {
  readonly stream: Duplex;
  /**
   * Connect once. Destroys `target` at once when the client has left already.
   * `beforeEnd` is awaited between the target's end and this stream's, and the
   * client's input goes on so long; its rejection is ignored.
   */
  connect(target: Duplex, beforeEnd?: () => Promise<unknown>): void;
  /** There will be nothing to connect to. */
  endUnconnected(): void;
}

/** A new, unconnected one. */
export function lateDuplex(): LateDuplex {
  let target: Duplex | undefined;
  let beforeEnd: (() => Promise<unknown>) | undefined;
  let heldWrite: (() => void) | undefined;
  let isEnded = false;

  const withTarget = (act: (to: Duplex) => void): void => {
    if (target === undefined) heldWrite = () => target !== undefined && act(target);
    else act(target);
  };
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => target?.resume(),
    write: (chunk: Uint8Array, _encoding, done) => withTarget((to) => forward(to, chunk, done)),
    final: (done) => {
      // A client that only listens ends its side at once: nothing to wait for.
      withTarget((to) => to.end());
      done();
    },
    destroy: (error, done) => {
      target?.destroy();
      heldWrite = undefined;
      done(error);
    },
  });
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    const finish = (): void => {
      // The process is gone or was never there: what the client still types is for nobody.
      target?.destroy();
      stream.push(null);
    };
    if (target === undefined || beforeEnd === undefined) finish();
    else
      void beforeEnd()
        .catch(() => undefined)
        .then(finish);
  };
  return {
    stream,
    endUnconnected: end,
    connect(to, awaited) {
      target = to;
      beforeEnd = awaited;
      to.on('error', () => to.destroy());
      if (stream.destroyed) {
        to.destroy();
        return;
      }
      to.on('data', (chunk: Uint8Array) => {
        if (!stream.push(chunk)) to.pause();
      });
      to.once('end', end);
      to.once('close', end);
      // It may have ended with nobody listening: an exec that writes nothing is quick.
      if (to.readableEnded || to.closed) end();
      heldWrite?.();
      heldWrite = undefined;
    },
  };
}

/** A process that closed its stdin is no error of the client that still types. */
function forward(to: Duplex, chunk: Uint8Array, done: () => void): void {
  if (to.destroyed || to.writableEnded) done();
  else to.write(chunk, () => done());
}
