/** Waiting for what does not happen, without a clock. */

/** Turns of the event loop without a change that count as rest. */
const restTurns = 200;

/** Some turns of the event loop: whatever is ready to happen has happened. */
export async function turns(count: number = restTurns): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits until `read` gives the same value for many turns; that value. */
export async function atRest<T>(read: () => T): Promise<T> {
  let value = read();
  for (let turn = 0; turn < restTurns; turn += 1) {
    await turns(1);
    const next = read();
    if (next !== value) turn = 0;
    value = next;
  }
  return value;
}
