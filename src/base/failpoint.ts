/**
 * Named places where a test may make the engine fail or die. Production passes
 * `noFailpoints`: a call of an empty function.
 */

/** What the engine calls at each site. */
export interface Failpoints {
  /** Throws, kills the process, or (nearly always) does nothing. */
  hit(site: string): void;
}

/** Never fails. */
export const noFailpoints: Failpoints = { hit: () => undefined };

/** Parts of one rule `site=action`. */
export interface FailpointRule {
  readonly site: string;
  readonly action: 'kill' | 'error';
  /** Number of the pass of its site at which the rule acts, 1 the first. */
  readonly pass: number;
}

/** `site=kill`, `site=error`, `site=3*kill` (at the third pass). `undefined` when malformed. */
export function parseFailpoint(text: string): FailpointRule | undefined {
  const match = /^([a-z0-9.-]+)=(?:([1-9][0-9]{0,5})\*)?(kill|error)$/.exec(text);
  if (match === null) return undefined;
  const [, site = '', pass = '1', action] = match;
  return { site, pass: Number(pass), action: action === 'kill' ? 'kill' : 'error' };
}
