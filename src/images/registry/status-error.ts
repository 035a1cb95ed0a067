/**
 * A registry's refusal → an error that says what the user asked and what the
 * registry answered. Pure.
 *
 * Source: OCI distribution-spec 1.1.1 "Error Codes".
 */

import { EngineError } from '../../base/error.ts';
import { isRetriableStatus, retryAfterMs } from './retry.ts';

/** One error of a registry's error document. */
export interface RegistryProblem {
  readonly code: string;
  readonly message: string;
}

/** A refusal with all that is known of it. */
export interface Refusal {
  /** What the user asked: `pull docker.io/library/debian:12`. */
  readonly action: string;
  /** Registry host as in references. */
  readonly host: string;
  /** HTTP status. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly problem: RegistryProblem | undefined;
  /** Milliseconds since the epoch, for Retry-After. */
  readonly nowMs: number;
}

/** The first problem an error document names. Never throws. */
export function problemOf(body: Uint8Array): RegistryProblem | undefined {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    // A proxy's HTML page, most often: the status has to speak.
    return undefined;
  }
  if (typeof document !== 'object' || document === null) return undefined;
  if (!('errors' in document) || !Array.isArray(document.errors)) return undefined;
  const first: unknown = document.errors[0];
  if (typeof first !== 'object' || first === null) return undefined;
  const code = 'code' in first && typeof first.code === 'string' ? first.code : 'UNKNOWN';
  const message = 'message' in first && typeof first.message === 'string' ? first.message : '';
  return {
    code: withoutControls(code).slice(0, 100),
    message: withoutControls(message).slice(0, 500),
  };
}

function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

function sentenceOf({ code, message }: RegistryProblem): string {
  return message === '' ? code : `${message} (${code})`;
}

/** The problem as Docker's own client words it: `manifest unknown: manifest unknown`. */
function answerOf({ code, message }: RegistryProblem): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return message === '' ? words : `${words}: ${message}`;
}

/** The error for a status that is no answer. */
export function statusError(refusal: Refusal): EngineError {
  const { action, host, status, problem } = refusal;
  const message = `Cannot ${action}: ${host} answered ${problem === undefined ? `status ${status}` : sentenceOf(problem)}`;
  const details = {
    status,
    ...(problem === undefined ? {} : { code: problem.code, answer: answerOf(problem) }),
  };
  if (status === 401) {
    return new EngineError('unauthorized', `Cannot ${action}: ${host} refused the credentials`, {
      details,
      hint: `Run: carve login ${host}`,
    });
  }
  if (status === 403) return new EngineError('denied', message, { details });
  if (status === 404) return new EngineError('not-found', message, { details });
  if (!isRetriableStatus(status)) {
    return new EngineError(status >= 500 ? 'unavailable' : 'invalid', message, {
      details: { ...details, isFinal: true },
    });
  }
  const asked = retryAfterMs(refusal.headers['retry-after'], refusal.nowMs);
  return new EngineError('unavailable', message, {
    details: { ...details, ...(asked === undefined ? {} : { retryAfterMs: asked }) },
  });
}
