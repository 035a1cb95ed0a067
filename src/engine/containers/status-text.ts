/**
 * The `Status` column of lists: `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`, pure.
 * Source: engine-api facts 5.1.
 */

import type { LifeState } from './record.ts';

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** How long, as people say it. `seconds` may be negative after a clock step: then it is nothing. */
export function formatAge(seconds: number): string {
  if (seconds < 1) return 'Less than a second';
  if (seconds < 2) return '1 second';
  if (seconds < MINUTE_S) return `${Math.floor(seconds)} seconds`;
  const minutes = Math.floor(seconds / MINUTE_S);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / HOUR_S);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(seconds / (365 * DAY_S))} years`;
}

/** `nowNs`: nanoseconds since the epoch. */
export function formatStatus(
  state: LifeState,
  options: { readonly nowNs: bigint; readonly isRemoving: boolean },
): string {
  const age = (sinceNs: bigint): string =>
    formatAge(Number((options.nowNs - sinceNs) / 1_000_000n) / 1000);
  switch (state.phase) {
    case 'paused':
      return `Up ${age(state.startedAtNs)} (Paused)`;
    case 'running':
      return `Up ${age(state.startedAtNs)}${healthSuffix(state)}`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${age(state.finishedAtNs)} ago`;
    case 'created':
      return options.isRemoving ? 'Removal In Progress' : 'Created';
    case 'exited':
      if (options.isRemoving) return 'Removal In Progress';
      return `Exited (${state.exitCode}) ${age(state.finishedAtNs)} ago`;
    case 'dead':
      return 'Dead';
  }
}

function healthSuffix(state: LifeState): string {
  if (state.health === 'none') return '';
  return state.health === 'starting' ? ' (health: starting)' : ` (${state.health})`;
}
