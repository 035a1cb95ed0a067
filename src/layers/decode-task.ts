/** What a worker thread is given, typed. It comes from this program, so it is only given its type. */
import type { WorkerTask } from './unpack-message.ts';

/** The task in a worker's data. */
export function decodeTask(workerData: unknown): WorkerTask {
  return workerData as WorkerTask;
}
